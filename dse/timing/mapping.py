"""How is the model laid over the chips? One mapping, and the lattice of all that are worth trying."""

from __future__ import annotations

import itertools

import numpy as np

from dse.arrays import Number, leaf_names, pytree

__all__ = ["BLOCK", "Mapping", "chips_of", "lattice", "stack_mappings"]

BLOCK = 4096
"""Mappings in one block of the lattice; blocks are padded to it, so that no lattice size compiles anew."""

PASS_TOKENS = (512.0, 2048.0, 8192.0)


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


def chips_of(mapping: Mapping) -> Number:
    """Chips that one deployment of the mapping occupies, prefill pool aside [1]."""
    copy = mapping.tensor_parallel * mapping.context_parallel * mapping.pipeline_parallel
    return copy * mapping.data_parallel


def powers_of_two(limit: Number) -> list[float]:
    """1, 2, 4 ... up to the limit."""
    return [float(2**power) for power in range(int(np.log2(max(limit, 1))) + 1)]


def stack_mappings(rows: np.ndarray) -> Mapping:
    """A Mapping of columns from an array of rows in field order.

    rows: (mappings, fields). Returns leaves of shape (mappings,).
    """
    return Mapping(**dict(zip(leaf_names(Mapping), np.ascontiguousarray(rows.T), strict=True)))


def layouts(chips: int, experts: int, long_context: bool, layers: int) -> list[tuple[float, ...]]:
    """(tensor, context, pipeline, data, expert) parallel degrees on at most so many chips.

    Experts are dealt out over as many chips of a group as there are experts, and cut over the rest of it.
    """
    dealt = powers_of_two(experts)[-1]
    powers = powers_of_two(chips)
    found = []
    for tensor, pipeline in itertools.product(powers, powers):
        if tensor * pipeline > chips or pipeline > layers:
            continue
        found.append((tensor, 1.0, pipeline, 1.0, 1.0))
        found.extend(
            (tensor, context, pipeline, 1.0, 1.0)
            for context in powers[1:6]
            if long_context and tensor * context * pipeline <= chips
        )
        found.extend(
            (tensor, 1.0, pipeline, data, min(tensor * data, dealt))
            for data in powers
            if experts > 1 and tensor * data > 1 and tensor * data * pipeline <= chips
        )
    return found


def lattice(*, chips: int, layers: int, experts: int, long_context: bool, batch: int) -> Mapping:
    """All mappings worth trying, as columns.

    chips: most chips of one deployment; layers: depth, which bounds the pipeline; experts: number of experts, 0 for
    none; long_context: try context parallelism; batch: largest number of sequences.
    Every degree is a power of two; experts are dealt out over a whole copy or cut like any matrix.
    A lattice for more chips or a larger batch contains the smaller one.
    """
    rows = [
        (*layout, sequences, tokens, pool)
        for layout in layouts(chips, experts, long_context, layers)
        for sequences in powers_of_two(batch)
        if sequences >= layout[3]
        for tokens in PASS_TOKENS
        for pool in (0.0, 1.0)
    ]
    return stack_mappings(np.array(rows))


def restricted(mappings: Mapping, given: dict[str, float], chips: int | None, experts: int) -> Mapping:
    """The lattice with some degrees given, on exactly so many chips when asked.

    mappings: leaves (mappings,); given: field -> value, taken even where the lattice has no such value; chips:
    of the deployment, filled with copies of a smaller one (data parallel) where it does not use them all, each
    with a batch of its own; experts: that the model has, 0 for none. Leaves (mappings,), perhaps none.
    """
    names = leaf_names(Mapping)
    rows = np.stack([np.asarray(getattr(mappings, name), float) for name in names], axis=1)
    place = {name: names.index(name) for name in names}
    for name, value in given.items():
        rows[:, place[name]] = value
    if chips is not None:
        rows = filled(rows, chips, place, "data_parallel" in given, "batch" in given)
        if "disaggregated" not in given:
            rows[:, place["disaggregated"]] = 0.0
    rows = rows[rows[:, place["batch"]] >= rows[:, place["data_parallel"]]]
    dealt = rows[:, place["expert_parallel"]]
    group = np.prod([rows[:, place[f"{name}_parallel"]] for name in ("tensor", "context", "data")], axis=0)
    rows = rows[(dealt == 1.0) | ((dealt <= experts) & (group % dealt == 0.0))]
    return stack_mappings(np.unique(rows, axis=0))


def filled(rows: np.ndarray, chips: int, place: dict[str, int], fixed_copies: bool, fixed_batch: bool) -> np.ndarray:
    """Rows that use exactly so many chips, by more copies where they divide."""
    used = np.prod([rows[:, place[f"{name}_parallel"]] for name in ("tensor", "context", "pipeline", "data")], axis=0)
    copies = chips / used
    keep = (copies == 1.0) if fixed_copies else (copies >= 1.0) & (copies == np.floor(copies))
    rows, copies = rows[keep].copy(), copies[keep]
    alone = rows[:, place["expert_parallel"]] <= 1.0
    grown = (copies == 1.0) | alone
    rows, copies = rows[grown], copies[grown]
    rows[:, place["data_parallel"]] *= copies
    if not fixed_batch:
        rows[:, place["batch"]] *= copies
    return rows
