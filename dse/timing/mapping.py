"""How is the model laid over the chips? One mapping, and the lattice of all that are worth trying."""

from __future__ import annotations

import itertools
from collections.abc import Mapping as Given

import numpy as np

from dse.arrays import Number, leaf_names, pytree

__all__ = ["BLOCK", "Mapping", "chips_of", "lattice", "mapping_words", "stack_mappings"]

BLOCK = 4096
"""Mappings in one block of the lattice; blocks are padded to it, so that no lattice size compiles anew."""

PASS_TOKENS = (512.0, 2048.0, 8192.0)

ODD_DOMAINS = (12, 72)
"""Chips of scale-up domains on sale that are no powers of two; tried as groups for experts [1]."""

MOST_CONTEXT_CHIPS = 32
"""Largest context-parallel group that is tried."""


@pytree
class Mapping:
    """One way to run a model.

    tensor_parallel: chips that share every matrix of a layer; context_parallel: chips that share the cached
    context of a sequence; pipeline_parallel: stages; data_parallel: copies of the attention layers, each with
    its own sequences; expert_parallel: groups of chips among which whole experts are dealt out, each expert cut over
    the chips of its group (1: every expert is cut over all chips of a copy); batch: sequences in decode over all
    copies; prefill_tokens: tokens of one prefill pass (a chunk of a long prompt, or several short ones);
    disaggregated: 1 when prefill has chips of its own. All [1].
    """

    tensor_parallel: Number
    context_parallel: Number
    pipeline_parallel: Number
    data_parallel: Number
    expert_parallel: Number
    batch: Number
    prefill_tokens: Number
    disaggregated: Number


DEGREES = {
    "tensor_parallel": "TP",
    "context_parallel": "CP",
    "pipeline_parallel": "PP",
    "data_parallel": "DP",
    "expert_parallel": "EP",
}


def mapping_words(values: Given[str, float | int]) -> str:
    """A mapping in a few words, degrees of 1 left out; '+P' for a separate prefill pool.

    >>> mapping_words({"tensor_parallel": 2, "batch": 64, "prefill_tokens": 512, "disaggregated": 1})
    'TP2 b64 pf512 +P'
    """
    words = [f"{short}{values[name]:.0f}" for name, short in DEGREES.items() if values.get(name, 1) > 1]
    words += [f"b{values['batch']:.0f}", f"pf{values['prefill_tokens']:.0f}"]
    return " ".join(words + (["+P"] if values["disaggregated"] > 0 else []))


def chips_of(mapping: Mapping) -> Number:
    """Chips that one deployment of the mapping occupies, prefill pool aside [1]."""
    copy = mapping.tensor_parallel * mapping.context_parallel * mapping.pipeline_parallel
    return copy * mapping.data_parallel


def powers_of_two(limit: int) -> list[int]:
    """1, 2, 4 ... up to the limit."""
    return [2**power for power in range(max(limit, 1).bit_length())]


def divisors(number: int) -> list[int]:
    """Whole numbers that divide a number.

    >>> divisors(72)
    [1, 2, 3, 4, 6, 8, 9, 12, 18, 24, 36, 72]
    """
    return [factor for factor in range(1, number + 1) if number % factor == 0]


def steps(limit: int) -> list[int]:
    """Powers of two and the halfway points between them, up to the limit.

    >>> steps(13)
    [1, 2, 3, 4, 6, 8, 12]
    """
    powers = powers_of_two(limit)
    return sorted({*powers, *(3 * power // 2 for power in powers[1:] if 3 * power // 2 <= limit)})


def depths(layers: int) -> list[int]:
    """Numbers of pipeline stages, from one to one a layer; fewer stages with equally many layers on the fullest.

    >>> depths(80)
    [1, 2, 4, 8, 16, 27, 40, 80]
    """
    return sorted({-(-layers // -(-layers // stages)) for stages in (*powers_of_two(layers), layers)})


def stack_mappings(rows: np.ndarray) -> Mapping:
    """A Mapping of columns from an array of rows in field order.

    rows: (mappings, fields). Returns leaves of shape (mappings,).
    """
    rows = np.asarray(rows, float).reshape(-1, len(leaf_names(Mapping)))
    return Mapping(**dict(zip(leaf_names(Mapping), np.ascontiguousarray(rows.T), strict=True)))


def groups_of(experts: int, tensor: int, chips: int) -> list[int]:
    """Copies of the attention layers that deal out experts together, on at most so many chips."""
    odd = [size * power for size in ODD_DOMAINS if size <= chips for power in powers_of_two(chips // size)]
    whole = sorted({*powers_of_two(chips), *odd})
    return [group // tensor for group in whole if group % tensor == 0 and experts > 1]


def dealt_to(group: int, experts: int) -> int:
    """Chips of a group that experts are dealt out to, each expert cut over the rest: at most one chip an expert.

    >>> dealt_to(72, 256), dealt_to(72, 64), dealt_to(16, 8)
    (72, 36, 8)
    """
    return max(factor for factor in divisors(group) if factor <= max(experts, 1))


def layouts(
    chips: int, layers: int, experts: int, long_context: bool, given: Given[str, float], exactly: bool
) -> set[tuple[int, ...]]:
    """(tensor, context, pipeline, data, expert) parallel degrees on at most, or exactly, so many chips."""

    def choices(name: str, usual: list[int]) -> list[int]:
        return [int(given[name])] if name in given else usual

    ways = divisors(chips) if exactly else powers_of_two(chips)
    contexts = [ways[0], *(way for way in ways[1:] if long_context and way <= MOST_CONTEXT_CHIPS)]
    stages = [way for way in ways if way <= layers] if exactly else depths(layers)
    outer = (choices("tensor_parallel", ways), choices("context_parallel", contexts))
    found: set[tuple[int, ...]] = set()
    for tensor, context, pipeline in itertools.product(*outer, choices("pipeline_parallel", stages)):
        copy = tensor * context * pipeline
        if copy > chips or (exactly and chips % copy and "data_parallel" not in given):
            continue
        together = groups_of(experts, tensor, chips // pipeline) if context == 1 else []
        for data in choices("data_parallel", [chips // copy] if exactly else sorted({1, *together})):
            group = tensor * context * data
            if group * pipeline > chips or (exactly and group * pipeline != chips):
                continue
            dealt = dealt_to(group, experts)
            usual = [1] if data == 1 or exactly else []
            usual += [dealt] if experts > 1 and dealt > 1 else []
            found |= {
                (tensor, context, pipeline, data, expert)
                for expert in choices("expert_parallel", usual or [1])
                if expert == 1 or (expert <= experts and group % expert == 0)
            }
    return found


def lattice(
    *,
    chips: int,
    layers: int,
    experts: int,
    long_context: bool,
    batch: int,
    given: Given[str, float] | None = None,
    exactly: bool = False,
) -> Mapping:
    """All mappings worth trying, as columns.

    chips: most chips of one deployment, or their number when `exactly` is asked; layers: depth, which bounds the
    pipeline; experts: number of experts, 0 for none; long_context: try context parallelism; batch: largest number of
    sequences; given: field -> the one value of it to try, whether usual or not.
    Tensor and context degrees are powers of two; stages as in `depths`; experts are dealt out over a whole group or cut
    like any matrix; each copy has a batch of `steps`. On exactly so many chips, every way to divide them is tried,
    with copies side by side. A lattice for more chips or a larger batch contains the smaller one.
    Leaves (mappings,), perhaps none.
    """
    given = given or {}
    pools = (0.0,) if exactly else (0.0, 1.0)
    tokens = [given["prefill_tokens"]] if "prefill_tokens" in given else PASS_TOKENS
    apart = [given["disaggregated"]] if "disaggregated" in given else pools
    rows = [
        (*layout, sequences, passing, pool)
        for layout in sorted(layouts(chips, layers, experts, long_context, given, exactly))
        for sequences in (
            [given["batch"]] if "batch" in given else [layout[3] * each for each in steps(batch // layout[3])]
        )
        if layout[3] <= sequences and ("batch" in given or sequences <= batch)
        for passing in tokens
        for pool in apart
    ]
    return stack_mappings(np.array(rows))
