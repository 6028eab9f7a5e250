"""Which way of running a model is best on each chip? The exact arg-max over the lattice of mappings.

Designs and mappings are cut into blocks of one fixed shape, so nothing compiles anew for another chip, model, traffic
or lattice, and memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from dse.arrays import Number, leaf_names
from dse.assumptions import Assumptions
from dse.evaluate import Metrics, evaluate
from dse.hardware.chip import Chip
from dse.timing.mapping import BLOCK, Mapping, lattice
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = [
    "DESIGNS",
    "OBJECTIVES",
    "Best",
    "all_mappings",
    "best_mapping",
    "compilations",
    "evaluate_pairs",
    "mapping_lattice",
    "score_designs",
]

DESIGNS = 64
"""Designs in one block of a large batch; what depends on the mapping alone is shared by all of them."""

FEW_DESIGNS = 16
"""Designs in one block of a small batch, and of pairs."""

MOST_SEQUENCES = 65536.0
"""Largest batch of a deployment that is tried."""

OBJECTIVES = ("tokens_per_dollar", "output_tokens_per_s_per_user", "tokens_per_joule")
"""Metrics that a search can maximise."""

T = TypeVar("T")


@dataclass(frozen=True)
class Best:
    """The best mapping of each design: its column in the lattice, the mapping and every metric, leaves (designs,)."""

    index: np.ndarray
    mapping: Mapping
    metrics: Metrics


def mapping_lattice(
    transformer: Transformer,
    traffic: Traffic,
    chips: int,
    given: dict[str, float] | None = None,
    exactly: bool = False,
) -> Mapping:
    """The lattice searched for a model and a traffic, at most so many chips a deployment; leaves (mappings,).

    given: field of the mapping -> its only value; exactly: use all of the chips.
    """
    concurrency = float(np.min(np.asarray(traffic.concurrency)))
    return lattice(
        chips=chips,
        layers=int(transformer.layers),
        experts=int(transformer.experts.count) if float(transformer.experts.layers) > 0 else 0,
        long_context=float(np.max(np.asarray(traffic.input_tokens))) > 16384.0,
        batch=int(min(concurrency, MOST_SEQUENCES)),
        given=given,
        exactly=exactly,
    )


def padded(tree: T, size: int, start: int, dtype: type) -> T:
    """Entries start ... start + size of every leaf, the last one repeated behind the end; leaves (size,)."""
    count = count_of(tree)
    wanted = np.minimum(np.arange(start, start + size), count - 1)

    def take(leaf: Number) -> np.ndarray:
        return np.broadcast_to(np.asarray(leaf, dtype), (count,))[wanted]

    return jax.tree.map(take, tree)


def as_type(tree: T, dtype: type) -> T:
    """Every leaf as an array of one type."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), tree)


def count_of(tree: object) -> int:
    """Length of the longest leaf [1]."""
    return max((np.size(leaf) for leaf in jax.tree.leaves(tree)), default=1)


def score(metrics: Metrics, weights: Number, slowest: Number) -> Number:
    """What is maximised: the weighted objectives, all positive, or all excesses together below zero.

    weights: (objectives,); slowest: limit on the time per output token beside the traffic's [s].
    """
    value = sum(weights[i] * getattr(metrics, name) for i, name in enumerate(OBJECTIVES))
    excess = metrics.limits.total + jnp.maximum(metrics.time_per_output_token / slowest - 1.0, 0.0)
    return jnp.where(excess <= 0.0, value, -excess)


@jax.jit
def score_block(
    chips: Chip,
    transformer: Transformer,
    traffic: Traffic,
    mappings: Mapping,
    assumptions: Assumptions,
    weights: Number,
    slowest: Number,
) -> Number:
    """Scores of a block of designs, leaves (DESIGNS, 1), with a block of mappings, leaves (BLOCK,).

    assumptions: silicon and economics as the designs, serving scalar.
    """
    return score(evaluate(chips, transformer, traffic, mappings, assumptions), weights, slowest)


QUICK_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""For programs that run over few points: the first answer comes sooner, and the numbers are the same."""

evaluate_block = jax.jit(evaluate, compiler_options=QUICK_TO_COMPILE)
"""All metrics of one chip, scalar leaves, with a block of mappings, leaves (BLOCK,)."""

evaluate_pairs_block = jax.jit(evaluate, compiler_options=QUICK_TO_COMPILE)
"""All metrics of designs with a mapping each, leaves (FEW_DESIGNS,)."""


def compilations() -> int:
    """Programs compiled so far in this process by the functions above [1]."""
    functions = (score_block, evaluate_block, evaluate_pairs_block)
    # JAX counts the programs of a jitted function but leaves the counter out of its types.
    return sum(function._cache_size() for function in functions)  # pyright: ignore[reportAttributeAccessIssue]


def blocks(count: int, size: int) -> Iterator[int]:
    """Starts of the blocks that cover so many entries."""
    return iter(range(0, count, size))


def score_designs(
    chips: Chip,
    transformer: Transformer,
    traffic: Traffic,
    mappings: Mapping,
    assumptions: Assumptions,
    weights: Number,
    slowest: Number | None = None,
    workers: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """Best score, to the digits of float32, and its place in the lattice for every design.

    chips: leaves (designs,) or scalar, and so the silicon and economics of the assumptions, whose serving is scalar;
    mappings: leaves (mappings,); weights: of the OBJECTIVES (3,); slowest: limit on the time per output token of each
    design (designs,) [s]; workers: blocks in flight. Returns (designs,) twice.
    """
    own = (chips, assumptions.silicon, assumptions.economics)
    designs, count = count_of(own), count_of(mappings)
    limit = np.full(designs, 1e9) if slowest is None else np.broadcast_to(slowest, (designs,))
    model, asked, serving, wanted = as_type((transformer, traffic, assumptions.serving, weights), np.float32)
    lattice_blocks = [jax.device_put(padded(mappings, BLOCK, start, np.float32)) for start in blocks(count, BLOCK)]

    size = DESIGNS if designs > 2 * FEW_DESIGNS else FEW_DESIGNS

    def one(start: int) -> tuple[np.ndarray, np.ndarray]:
        padding = padded((*own, limit), size, start, np.float32)
        some, silicon, economics, limits = jax.tree.map(lambda leaf: leaf[:, None], padding)
        given = Assumptions(silicon=silicon, economics=economics, serving=serving)
        scores = np.concatenate(
            [score_block(some, model, asked, block, given, wanted, limits) for block in lattice_blocks], axis=1
        )
        # The arg-max of numpy is vectorised; XLA's on the CPU costs as much as the evaluation.
        places = np.nan_to_num(scores, nan=-np.inf).argmax(axis=1)
        return np.take_along_axis(scores, places[:, None], 1)[:, 0], places

    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(one, blocks(designs, size)))
    values, places = (np.concatenate(parts)[:designs] for parts in zip(*done, strict=True))
    return values.astype(np.float64), np.minimum(places, count - 1)


def evaluate_pairs(
    chips: Chip, transformer: Transformer, traffic: Traffic, mappings: Mapping, assumptions: Assumptions
) -> Metrics:
    """All metrics, in float64, of designs with a mapping each, and a traffic and assumptions each where they vary.

    chips, traffic, mappings, assumptions: leaves (designs,) or scalar. Returns leaves (designs,).
    """
    each = (chips, traffic, mappings, assumptions)
    count, model = count_of(each), as_type(transformer, np.float64)
    parts = []
    for start in blocks(count, FEW_DESIGNS):
        chip, asked, mapping, given = padded(each, FEW_DESIGNS, start, np.float64)
        parts.append(jax.device_get(evaluate_pairs_block(chip, model, asked, mapping, given)))
    return joined(parts, FEW_DESIGNS, count)


def joined(parts: list[Metrics], size: int, count: int) -> Metrics:
    """Blocks of metrics as one, every leaf of the same length; leaves (count,)."""
    return jax.tree.map(lambda *leaves: np.concatenate([np.broadcast_to(x, (size,)) for x in leaves])[:count], *parts)


def all_mappings(
    chip: Chip, transformer: Transformer, traffic: Traffic, mappings: Mapping, assumptions: Assumptions
) -> Metrics:
    """All metrics, in float64, of one chip with every mapping of a lattice; leaves (mappings,)."""
    count = count_of(mappings)
    one, *rest = as_type((chip, transformer, traffic, assumptions), np.float64)
    parts = []
    for start in blocks(count, BLOCK):
        block = padded(mappings, BLOCK, start, np.float64)
        parts.append(jax.device_get(evaluate_block(one, rest[0], rest[1], block, rest[2])))
    return joined(parts, BLOCK, count)


def objective_weights(objective: str | dict[str, float]) -> np.ndarray:
    """Weights of the OBJECTIVES, from one name or from name -> weight; (3,)."""
    wanted = {objective: 1.0} if isinstance(objective, str) else objective
    return np.array([wanted.get(name, 0.0) for name in OBJECTIVES])


def best_mapping(
    chips: Chip,
    transformer: Transformer,
    traffic: Traffic,
    assumptions: Assumptions,
    *,
    mappings: Mapping | None = None,
    objective: str | dict[str, float] = "tokens_per_dollar",
    slowest: Number | None = None,
    most_chips: int = 1024,
) -> Best:
    """The best mapping of each chip, exactly, over the whole lattice.

    Scored in float32, the winners re-scored in float64. Where no mapping is feasible the one that comes closest is
    returned and its limits say what is missing.
    chips: leaves (designs,) or scalar, and so the silicon and economics of the assumptions; objective: name or weights
    of OBJECTIVES; slowest: limits (designs,) [s].
    """
    mappings = mappings or mapping_lattice(transformer, traffic, most_chips)
    weights = objective_weights(objective)
    _, places = score_designs(chips, transformer, traffic, mappings, assumptions, weights, slowest)
    chosen = Mapping(**{name: np.asarray(getattr(mappings, name))[places] for name in leaf_names(Mapping)})
    metrics = evaluate_pairs(chips, transformer, traffic, chosen, assumptions)
    return Best(index=places, mapping=chosen, metrics=metrics)
