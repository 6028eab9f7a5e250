"""Does more of a resource, or fewer bytes, ever make a pass slower? Fixed clock, before the power limit throttles."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from builders import (
    FAMILIES,
    PAIRS,
    assumptions,
    catalogued_chips,
    change,
    chip,
    model,
    random_chips,
    random_mappings,
    random_traffic,
    run,
    seeds,
    traffic,
    whole_lattice,
)
from hypothesis import example, given
from hypothesis import strategies as st

from dse.analysis.quality import has_experts
from dse.best_mapping import OBJECTIVES, best_mapping, mapping_lattice
from dse.evaluate import Metrics
from dse.timing.memory import Footprint, residency

BETTER = {
    "memory bandwidth": {"memory__bandwidth": 1},
    "memory capacity": {"memory__capacity": 1},
    "SRAM capacity": {"sram__capacity": 1},
    "SRAM bandwidth": {"sram__bandwidth": 1},
    "local buffers": {"sram__local": 1},
    "scale-up bandwidth": {"scale_up__bandwidth": 1},
    "scale-out bandwidth": {"scale_out__bandwidth": 1},
    "scale-up latency": {"scale_up__latency": -1},
    "far-memory bandwidth": {"far_memory__bandwidth": 1},
    "clock": {"matrix__clock": 1},
    "vector lanes": {"vector_lanes": 1},
    "narrower weights": {"numerics__weight": -1, "numerics__expert_weight": -1},
    "narrower weights of experts": {"numerics__expert_weight": -1},
    "narrower state": {"numerics__state": -1},
    "narrower activations": {"numerics__activation": -1},
    "narrower everything": {f"numerics__{kind}": -1 for kind in ("weight", "expert_weight", "state", "activation")},
    "memory efficiency": {"execution__memory_efficiency": 1},
    "matrix efficiency": {"execution__matrix_efficiency": 1},
    "network efficiency": {"execution__network_efficiency": 1},
    "operator time": {"execution__operator_time": -1},
    "step time": {"execution__step_time": -1},
    "collective time": {"execution__collective_time": -1},
    "expert balance": {"execution__expert_imbalance": 0},
    "grouped products": {"execution__grouped_overhead": -1},
}


def pass_times(metrics: Metrics) -> dict[str, np.ndarray]:
    """Time of a prefill and a decode pass without throttling [s]."""
    return {name: getattr(metrics, name).time - getattr(metrics, name).throttled for name in ("prefill", "decode")}


def pair(place: int, trees: object) -> object:
    """One pair out of PAIRS, as plain numbers, to be pasted into a script."""
    return jax.tree.map(lambda leaf: np.broadcast_to(leaf, PAIRS)[place].item(), trees)


@seeds(2)
@pytest.mark.parametrize("name", FAMILIES.values(), ids=FAMILIES.keys())
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(1.0, 16.0))
def test_better_is_never_slower(name: str, seed: int, factor: float) -> None:
    generator = np.random.default_rng(seed)
    # Out of reach, as a bound far below the leakage leaves a difference of two huge times.
    chips = change(random_chips(generator), package__power_limit=1e18, package__power_density_limit=1e18)
    mappings, requests = random_mappings(generator, name), random_traffic(generator)
    before = pass_times(run(chips, model(name), requests, mappings))
    for what, leaves in BETTER.items():
        changes = {
            path: (lambda old: np.ones(PAIRS)) if sign == 0 else (lambda old, sign=sign: old * factor**sign)
            for path, sign in leaves.items()
        }
        after = pass_times(run(change(chips, **changes), model(name), requests, mappings))
        for phase, time in after.items():
            slower = time / before[phase] - 1.0
            assert slower.max() <= 1e-9, (
                f"{what} x {factor:.3g} makes {phase} of {name} slower by {slower.max():.3%}: "
                f"{pair(int(slower.argmax()), (chips, mappings, requests))}"
            )


@pytest.mark.parametrize("far", [0.0, 10e9, 1e12])
def test_fewer_bytes_of_one_kind_send_no_other_kind_farther(far: float) -> None:
    """Also where nothing fits: the share of the weights that comes from behind never rises as they shrink."""
    given = change(chip("b200-sxm"), memory__capacity=64e9, far_memory__capacity=far, far_memory__bandwidth=50e9)
    shares = [
        residency(given, Footprint(weights=weights, state=150e9, activations=1e9))
        for weights in np.geomspace(1e9, 1e12, 64)
    ]
    for leaf in ("weights_far", "weights_in_memory", "spill"):
        assert (np.diff([float(getattr(one, leaf)) for one in shares]) >= -1e-12).all(), leaf


@seeds(6)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(sorted(FAMILIES.values())),
    objective=st.sampled_from(OBJECTIVES),
    share=st.floats(0.05, 0.9),
)
@example(seed=12912, name="nemotron-3-super-120b-a12b", objective="tokens_per_dollar", share=0.27234551928443546)
def test_larger_lattice_is_never_worse(seed: int, name: str, objective: str, share: float) -> None:
    """A chip that a part of the lattice serves, the whole serves too.

    Scores are float32: where the tokens of an expert come to a whole number but for rounding, float64 may count one row
    more, which moves a time by a few per cent of its tiles.
    """
    generator = np.random.default_rng(seed)
    whole = whole_lattice(name, 16)
    size = whole.batch.size
    kept = np.sort(generator.choice(size, max(int(size * share), 1), replace=False))
    part = jax.tree.map(lambda leaf: leaf[kept], whole)
    requests = traffic(2048.0, 256.0, time_per_output_token=0.1, time_to_first_token=5.0)
    few, all_of_them = (
        best_mapping(catalogued_chips(), model(name), requests, assumptions(), mappings=lattice, objective=objective)
        for lattice in (part, whole)
    )
    served = few.metrics.worst_limit <= 0.0
    assert (all_of_them.metrics.worst_limit[served] <= 0.02).all()
    best, smaller = (np.asarray(getattr(found.metrics, objective))[served] for found in (all_of_them, few))
    slack = 5e-3 if has_experts(model(name)) else 1e-4
    assert (best >= smaller * (1.0 - slack)).all()


@pytest.mark.parametrize("name", ["llama-3.1-70b", "mixtral-8x7b"])
def test_lattice_for_more_chips_contains_the_smaller(name: str) -> None:
    rows = [
        set(zip(*(np.asarray(leaf).tolist() for leaf in jax.tree.leaves(whole_lattice(name, chips))), strict=True))
        for chips in (4, 16, 64)
    ]
    assert rows[0] < rows[1] < rows[2]


@pytest.mark.parametrize("name", ["llama-3.1-8b", "llama-2-70b", "mixtral-8x7b"])
@pytest.mark.parametrize("degrees", [{}, {"tensor_parallel": 4.0}, {"pipeline_parallel": 5.0}])
def test_no_explicit_mapping_is_much_better_than_the_default(name: str, degrees: dict[str, float]) -> None:
    """Every way to divide up to 24 chips, with batches between those of the lattice, gains at most 10 % on 128.

    Chips that serve fewer than sixteen sequences at once are left out: one more counts for much there.
    """
    requests = traffic(1024.0, 512.0, time_per_output_token=0.03, time_to_first_token=2.0)
    usual = best_mapping(catalogued_chips(), model(name), requests, assumptions(), most_chips=128)
    served = (usual.metrics.worst_limit <= 0.0) & (usual.mapping.batch >= 16.0)
    assert served.any()
    best = np.asarray(usual.metrics.tokens_per_dollar)[served]
    for chips in (1, 2, 3, 6, 8, 12, 24):
        coarse = mapping_lattice(model(name), requests, chips, degrees, exactly=True)
        if not np.size(coarse.batch):
            continue
        for finer in np.linspace(1.0, 1.5, 4)[:-1]:
            between = replace(coarse, batch=np.floor(coarse.batch * finer))
            found = best_mapping(catalogued_chips(), model(name), requests, assumptions(), mappings=between)
            value = np.where(found.metrics.worst_limit <= 0.0, found.metrics.tokens_per_dollar, 0.0)[served]
            assert (value <= 1.10 * best).all(), (chips, finer, (value / best).max())
