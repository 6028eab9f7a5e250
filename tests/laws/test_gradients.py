"""Is the gradient the slope? Against finite differences away from kinks, and never NaN."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from builders import PAIRS, assumptions, catalogued_chips, catalogued_traffic, change, model, names, run, traffic
from builders import mapping as one_mapping

from dse.evaluate import evaluate
from dse.hardware.chip import Chip
from dse.timing.mapping import Mapping

LEAVES = (
    "matrix__clock",
    "vector_lanes",
    "sram__capacity",
    "sram__bandwidth",
    "memory__capacity",
    "memory__bandwidth",
    "memory__energy",
    "memory__price",
    "scale_up__bandwidth",
    "scale_up__latency",
    "process__wafer_price",
    "process__logic_leakage",
    "package__power_limit",
    "package__bond_yield",
    "numerics__weight",
    "numerics__expert_weight",
    "numerics__state",
    "numerics__activation",
    "execution__matrix_efficiency",
    "execution__memory_efficiency",
    "execution__network_efficiency",
    "execution__operator_time",
    "execution__collective_time",
    "execution__overlap",
    "price__buy",
    "price__host",
    "price__server_power_ratio",
)
MODELS = ("llama-3.1-8b", "deepseek-v3", "jamba")


@jax.jit
def gradient(chips: Chip, transformer: object, requests: object, mappings: Mapping, given: object) -> Chip:
    """Slope of the logarithm of tokens per dollar in every leaf of every chip."""

    def total(designs: Chip) -> jax.Array:
        return jnp.log(evaluate(designs, transformer, requests, mappings, given).tokens_per_dollar).sum()

    return jax.grad(total)(chips)


def leaf_of(tree: Chip, path: str) -> np.ndarray:
    """One leaf by its name, part__leaf."""
    for name in path.split("__"):
        tree = getattr(tree, name)
    return np.asarray(tree)


def eight_chips(batch: float = 32.0) -> Mapping:
    """Eight chips, for every design."""
    return jax.tree.map(
        lambda leaf: np.full(PAIRS, leaf), one_mapping(tensor_parallel=8.0, batch=batch, prefill_tokens=2048.0)
    )


@pytest.mark.parametrize("name", MODELS)
def test_gradient_is_the_slope(name: str) -> None:
    """Where the slopes to the left and to the right agree; at least four in five of all points are such."""
    chips, transformer, requests = catalogued_chips(), model(name), traffic(1024.0, 256.0)
    slopes = gradient(chips, transformer, requests, eight_chips(), assumptions())

    def value(path: str, step: float) -> np.ndarray:
        moved = change(chips, **{path: lambda old: old * (1.0 + step)})
        return np.log(run(moved, transformer, requests, eight_chips()).tokens_per_dollar)

    smooth = []
    here = value("price__host", 0.0)
    for path in LEAVES:
        step = 1e-5
        left, right = (here - value(path, -step)) / step, (value(path, step) - here) / step
        scaled = leaf_of(slopes, path) * leaf_of(chips, path)
        straight = np.abs(left - right) <= 1e-3 * np.maximum(np.abs(left), np.abs(right)) + 1e-8
        smooth.append(straight)
        middle = (left + right) / 2.0
        wrong = straight & (np.abs(scaled - middle) > 2e-3 * np.abs(middle) + 1e-7)
        assert not wrong.any(), (path, scaled[wrong], middle[wrong])
    assert np.mean(smooth) > 0.8


@pytest.mark.parametrize("requests", ["chat", "long-context"])
def test_no_gradient_is_nan(requests: str) -> None:
    """On any catalogued chip with any catalogued model, in any leaf."""
    compute = partial(gradient, catalogued_chips())
    for name in names("transformer"):
        slopes = compute(model(name), catalogued_traffic(requests), eight_chips(), assumptions())
        for path, leaf in jax.tree_util.tree_leaves_with_path(slopes):
            assert np.isfinite(np.asarray(leaf)).all(), (name, jax.tree_util.keystr(path))
