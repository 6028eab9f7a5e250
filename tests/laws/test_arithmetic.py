"""Is the arithmetic itself right? Whole divisions, expected experts, single precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from builders import assumptions, catalogued_chips, chip, model, names, traffic, whole_lattice
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.arrays import ceil_div
from dse.best_mapping import all_mappings, as_type, objective_weights, score_designs
from dse.evaluate import evaluate
from dse.workload.operators import distinct_experts

NUMERATORS = np.arange(1, 4097)
DENOMINATORS = np.arange(1, 1025)
CONSTANTS = (
    1,
    2,
    3,
    5,
    7,
    10,
    24,
    41,
    49,
    83,
    96,
    97,
    107,
    128,
    132,
    187,
    193,
    197,
    256,
    383,
    528,
    765,
    1000,
    1023,
    1024,
)
WHOLE = -(-NUMERATORS[:, None] // DENOMINATORS[None, :])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ceil_div_is_exact(kind: type) -> None:
    """All numerators up to 4,096 over all denominators up to 1,024, compiled, broadcast and in full shape."""
    rows, columns = NUMERATORS.astype(kind)[:, None], DENOMINATORS.astype(kind)[None, :]
    compiled = jax.jit(ceil_div)
    assert (np.asarray(compiled(rows, columns)) == WHOLE).all()
    full = [np.ascontiguousarray(np.broadcast_to(side, WHOLE.shape)) for side in (rows, columns)]
    assert (np.asarray(compiled(*full)) == WHOLE).all()
    assert (np.asarray(compiled(*full)).dtype) == kind


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ceil_div_is_exact_by_constants(kind: type) -> None:
    """Constant divisors, which a compiler turns into reciprocals."""
    compiled = jax.jit(lambda numerators: jnp.stack([ceil_div(numerators, float(constant)) for constant in CONSTANTS]))
    found = np.asarray(compiled(NUMERATORS.astype(kind)))
    assert (found == -(-NUMERATORS[None, :] // np.array(CONSTANTS)[:, None])).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ceil_div_of_exact_multiples(kind: type) -> None:
    """Every multiple below the documented range, up to 2**20 in float32."""
    times = np.arange(1, 1024)
    products = times[:, None] * DENOMINATORS[None, :-1]
    found = jax.jit(ceil_div)(products.astype(kind), DENOMINATORS[None, :-1].astype(kind))
    assert (np.asarray(found) == times[:, None]).all()


@settings(max_examples=20)
@given(
    count=st.integers(2, 256),
    share=st.floats(0.01, 1.0),
    tokens=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
)
def test_distinct_experts_are_those_drawn(count: int, share: float, tokens: int, seed: int) -> None:
    """Against drawing the experts of each token without replacement, within five standard errors."""
    active = max(1, int(share * count))
    draws = 60
    generator = np.random.default_rng(seed)
    keys = generator.random((draws * tokens, count))
    chosen = np.argpartition(keys, active - 1, axis=1)[:, :active].reshape(draws, -1)
    awake = np.array([np.unique(row).size for row in chosen])
    expected = float(distinct_experts(float(count), float(active), float(tokens)))
    assert expected <= count
    assert expected >= active * (1.0 - 1e-12)
    assert abs(awake.mean() - expected) <= 5.0 * max(awake.std(), 0.3) / np.sqrt(draws)


@pytest.mark.parametrize("name", ["llama-3.1-70b", "deepseek-v3"])
def test_single_precision_finds_the_same_best_mapping(name: str) -> None:
    """The winner in float32 is as good as that in float64, within 1e-4, on every fourth catalogued chip."""
    lattice, requests = whole_lattice(name, 16), traffic(1024.0, 512.0, time_per_output_token=0.2)
    weights = objective_weights("tokens_per_dollar")
    _, places = score_designs(catalogued_chips(), model(name), requests, lattice, assumptions(), weights)
    for place, which in list(zip(places, names("chip"), strict=False))[::4]:
        exact = all_mappings(chip(which), model(name), requests, lattice, assumptions())
        feasible = exact.worst_limit <= 0.0
        if feasible.any():
            best = exact.tokens_per_dollar[feasible].max()
            assert exact.worst_limit[place] <= 1e-5, which
            assert exact.tokens_per_dollar[place] >= best * (1.0 - 1e-4), which
        else:
            assert exact.worst_limit[place] <= exact.worst_limit.min() * (1.0 + 1e-4) + 1e-6, which


def test_single_precision_stays_single() -> None:
    """One number in double precision would draw those that follow from it along, and halve the speed of each."""
    mappings = whole_lattice("llama-3.1-8b", 8)
    job = as_type((chip("h100-sxm"), model("llama-3.1-8b"), traffic(2048.0), mappings, assumptions()), np.float32)
    assert {found.dtype for found in jax.make_jaxpr(evaluate)(*job).out_avals} == {np.dtype(np.float32)}
