"""Chips, models and mappings for the tests of the physics: catalogued, neutral and random ones."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import jax
import numpy as np
from hypothesis import Phase, settings

from dse.arrays import Number
from dse.assumptions import Assumptions, Silicon
from dse.best_mapping import DESIGNS, evaluate_pairs, mapping_lattice
from dse.catalogue.build import build_assumptions, build_chips, build_traffic, build_transformer
from dse.catalogue.store import Catalogue, open_catalogue
from dse.evaluate import Metrics
from dse.hardware.chip import Chip
from dse.hardware.yields import dies_per_wafer
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

PAIRS = DESIGNS
"""Chips with a mapping each that the tests evaluate at once: the one shape that evaluate_pairs compiles."""


def seeds(count: int) -> settings:
    """Settings of a law that draws arrays of random designs: so many draws, which no shrinking can make plainer."""
    return settings(max_examples=count, phases=(Phase.explicit, Phase.reuse, Phase.generate))


FAMILIES = {
    "dense, many heads": "gpt-3-6.7b",
    "dense, grouped heads": "llama-3.1-70b",
    "dense, parallel blocks": "falcon-180b",
    "sliding window": "gemma-3-27b",
    "experts": "mixtral-8x7b",
    "experts, window": "gpt-oss-120b",
    "latent attention, experts": "deepseek-v3",
    "state space": "mamba-2-2.7b",
    "state space, first form": "mamba-2.8b",
    "state space, attention and experts": "jamba",
    "state space, latent experts": "nemotron-3-super-120b-a12b",
    "linear attention": "rwkv-7-7b",
    "linear attention, gated attention and experts": "qwen3.5-397b-a17b",
}
"""A catalogued model for each kind of layer."""


@cache
def catalogue() -> Catalogue:
    """The shipped catalogue."""
    return open_catalogue()


@cache
def names(kind: str) -> tuple[str, ...]:
    """All entries of a kind."""
    return tuple(sorted(catalogue().files(kind)))


@cache
def chip(name: str) -> Chip:
    """A catalogued chip."""
    return build_chips(catalogue().entry("chip", name).values, catalogue().library)


@cache
def model(name: str) -> Transformer:
    """A catalogued model."""
    return build_transformer(catalogue().entry("transformer", name).values)


@cache
def assumptions(basis: str = "tco") -> Assumptions:
    """The catalogued assumptions."""
    return build_assumptions(catalogue().library, basis)


def change(tree: Any, **changes: Any) -> Any:
    """A copy with some leaves replaced, named part__leaf; a function is applied to the old value."""
    for path, new in changes.items():
        part, _, rest = path.partition("__")
        old = getattr(tree, part)
        value = change(old, **{rest: new}) if rest else new(old) if callable(new) else new
        tree = dataclasses.replace(tree, **{part: value})
    return tree


def traffic(input_tokens: float = 1024.0, output_tokens: float = 512.0, **changes: Any) -> Traffic:
    """Requests of one length without limits."""
    plain = Traffic(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        input_variation=0.0,
        output_variation=0.0,
        prefix_hit_rate=0.0,
        time_to_first_token=1e9,
        time_per_output_token=1e9,
        concurrency=1e9,
    )
    return change(plain, **changes)


def catalogued_traffic(name: str) -> Traffic:
    """A catalogued traffic."""
    return build_traffic(catalogue().entry("traffic", name).values)


def mapping(**changes: Any) -> Mapping:
    """One chip, one sequence, whole prompts of up to 2,048 tokens, and what is changed."""
    alone = Mapping(
        tensor_parallel=1.0,
        context_parallel=1.0,
        pipeline_parallel=1.0,
        data_parallel=1.0,
        expert_parallel=1.0,
        batch=1.0,
        prefill_tokens=2048.0,
        disaggregated=0.0,
    )
    return change(alone, **changes)


def neutral(base: Chip) -> Chip:
    """A chip without software: full efficiency, no fixed times, even experts, and a power limit out of reach."""
    return change(
        base,
        execution__matrix_efficiency=1.0,
        execution__memory_efficiency=1.0,
        execution__network_efficiency=1.0,
        execution__usable_memory=1.0,
        execution__operator_time=0.0,
        execution__step_time=0.0,
        execution__sequence_time=0.0,
        execution__request_time=0.0,
        execution__collective_time=0.0,
        execution__overlap=0.0,
        execution__expert_imbalance=1.0,
        execution__grouped_overhead=0.0,
        matrix__sustained=1.0,
        package__power_limit=1e18,
        package__power_density_limit=1e18,
    )


def sixteen_bit(base: Chip) -> Chip:
    """The chip with two bytes for every element, at the rate of its native format."""
    return change(
        base,
        numerics__weight=2.0,
        numerics__expert_weight=2.0,
        numerics__state=2.0,
        numerics__activation=2.0,
        numerics__rate=1.0,
    )


def stacked(trees: list[Any]) -> Any:
    """Leaves (PAIRS,) from a list of trees, repeated from the start to fill it."""
    filled = [trees[i % len(trees)] for i in range(PAIRS)]
    return jax.tree.map(lambda *leaves: np.array(leaves, np.float64), *filled)


@cache
def catalogued_chips() -> Chip:
    """The catalogue as leaves (PAIRS,); places beyond its end repeat it from the start."""
    assert len(names("chip")) <= PAIRS
    return stacked([chip(name) for name in names("chip")])


SCALED = (
    "matrix__clock",
    "vector_lanes",
    "sram__capacity",
    "sram__bandwidth",
    "sram__local",
    "memory__capacity",
    "memory__bandwidth",
    "memory__energy",
    "scale_up__bandwidth",
    "scale_up__latency",
    "scale_out__bandwidth",
    "process__wafer_price",
    "process__defect_density",
    "package__power_limit",
    "execution__operator_time",
    "execution__step_time",
    "price__buy",
)


def random_chips(generator: np.random.Generator) -> Chip:
    """Leaves (PAIRS,): catalogued chips whose sizes and rates are stretched up to eightfold either way."""
    base = catalogued_chips()
    order = generator.integers(0, len(names("chip")), PAIRS)
    picked = jax.tree.map(lambda leaf: leaf[order], base)
    stretched = {path: lambda old: old * 2.0 ** generator.uniform(-3.0, 3.0, PAIRS) for path in SCALED}
    bytes_each = generator.choice([0.53125, 1.0, 2.0], (2, PAIRS))
    far = generator.choice([0.0, 1.0], PAIRS)
    return change(
        picked,
        **stretched,
        matrix__rows=generator.choice([16.0, 24.0, 64.0, 128.0, 256.0], PAIRS),
        matrix__columns=generator.choice([16.0, 32.0, 128.0, 256.0], PAIRS),
        matrix__units=np.floor(2.0 ** generator.uniform(0.0, 11.0, PAIRS)),
        matrix__split=generator.choice([1.0, 2.0, 4.0], PAIRS),
        sram__resident_share=generator.uniform(0.0, 1.0, PAIRS),
        sram__weight_priority=generator.uniform(0.0, 1.0, PAIRS),
        far_memory__capacity=far * 2.0 ** generator.uniform(33.0, 42.0, PAIRS),
        far_memory__bandwidth=far * 2.0 ** generator.uniform(34.0, 40.0, PAIRS),
        scale_up__dimensions=generator.choice([0.0, 1.0, 2.0, 3.0], PAIRS),
        numerics__weight=bytes_each[0],
        numerics__state=bytes_each[1],
        execution__overlap=generator.uniform(0.0, 1.0, PAIRS),
    )


@cache
def whole_lattice(name: str, chips: int) -> Mapping:
    """The lattice of a catalogued model, with context parallelism."""
    return mapping_lattice(model(name), traffic(32768.0), chips)


def random_mappings(generator: np.random.Generator, name: str, chips: int = 256) -> Mapping:
    """Leaves (PAIRS,): mappings of a catalogued model on at most so many chips, drawn from its lattice."""
    lattice = whole_lattice(name, chips)
    picked = generator.integers(0, lattice.batch.size, PAIRS)
    return jax.tree.map(lambda leaf: leaf[picked], lattice)


def random_traffic(generator: np.random.Generator) -> Traffic:
    """Requests of random lengths."""
    return traffic(
        float(2 ** generator.integers(4, 15)),
        float(2 ** generator.integers(0, 12)),
        input_variation=float(generator.uniform(0.0, 1.5)),
        output_variation=float(generator.uniform(0.0, 1.5)),
        prefix_hit_rate=float(generator.choice([0.0, 0.25, 0.75])),
    )


def run(
    chips: Chip, transformer: Transformer, requests: Traffic, mappings: Mapping, given: Assumptions | None = None
) -> Metrics:
    """Metrics of pairs, padded to the one compiled shape; leaves as long as the longest given."""
    return evaluate_pairs(chips, transformer, requests, mappings, given or assumptions())


def single(
    chips: Chip, transformer: Transformer, requests: Traffic, mappings: Mapping, given: Assumptions | None = None
) -> Metrics:
    """Metrics of one chip with one mapping, plain floats."""
    return jax.tree.map(lambda leaf: float(leaf[0]), run(chips, transformer, requests, mappings, given))


def dies_on(area: Number, silicon: Silicon) -> Number:
    """Dies of an area [mm2] on the wafer of the technology tables."""
    return dies_per_wafer(area, silicon.wafer_diameter, silicon.edge_exclusion, silicon.scribe)
