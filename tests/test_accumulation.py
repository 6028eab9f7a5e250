"""What sums in another format than fp32 change: silicon, energy, noise, and what is refused."""

from __future__ import annotations

import math

import jax
import ml_dtypes
import numpy as np
import pytest
from builders import catalogue, change, model

from dse.analysis.quality import Quality, check_chip, check_values
from dse.catalogue import CatalogueError
from dse.catalogue.build import build_chips
from dse.catalogue.consistency import checked_entry
from dse.catalogue.format_costs import modelled_costs
from dse.catalogue.formats import quantiser_of
from dse.hardware.chip import Chip
from dse.numerics.accumulate import sum_noise
from dse.numerics.parameters import Float

FP16, BF16 = Float(5, 10), Float(8, 7, specials="ieee")
KEY = "matrix.accumulation"


def summing(sums: str | np.ndarray | None, **formats: str) -> Chip:
    """A B200 that adds up in a format."""
    own = {} if sums is None else {KEY: sums}
    values = catalogue().entry("chip", "b200-sxm").values
    return build_chips(
        {**values, **own, **{f"numerics.{use}": name for use, name in formats.items()}}, catalogue().library
    )


def test_fp32_is_what_is_meant_where_nothing_is_said() -> None:
    assert jax.tree.leaves(summing(None)) == jax.tree.leaves(summing("fp32"))


def test_narrower_sums_save_silicon_and_energy_and_change_nothing_else() -> None:
    wide, middle, narrow = (summing(name) for name in ("fp32", "tf32", "fp16"))
    for leaf in (lambda one: one.matrix.area_ratio, lambda one: one.numerics.mac_energy_ratio):
        assert leaf(wide) > leaf(middle) > leaf(narrow) > 0.5 * leaf(wide)
    same = change(
        narrow,
        matrix__area_ratio=wide.matrix.area_ratio,
        numerics__mac_energy_ratio=wide.numerics.mac_energy_ratio,
        numerics__accuracy_loss=wide.numerics.accuracy_loss,
        numerics__dense_loss=wide.numerics.dense_loss,
    )
    assert jax.tree.leaves(same) == jax.tree.leaves(wide)  # fp4 elements are noisier than any of these sums


def test_sums_of_integers_are_exact_and_stay_as_wide() -> None:
    gates = catalogue().library.gates
    integer, block = (quantiser_of(catalogue().entry("format", name)) for name in ("int8", "mxfp8"))
    assert modelled_costs(integer, gates, FP16) == modelled_costs(integer, gates)
    for ratio, usual in modelled_costs(block, gates).items():
        assert modelled_costs(block, gates, FP16)[ratio] < usual


def test_a_column_of_sums_is_each_of_them() -> None:
    names = np.array(["fp32", "bf16", "fp16", "fp32"])
    columns = summing(names)
    for place, name in enumerate(names):
        one = jax.tree.map(lambda leaf, place=place: float(leaf[place]), columns)
        np.testing.assert_array_equal(jax.tree.leaves(one), jax.tree.leaves(summing(str(name))))


@pytest.mark.parametrize(("element", "kind"), [(FP16, np.float16), (BF16, ml_dtypes.bfloat16)])
@pytest.mark.parametrize("terms", [256, 4096])
def test_the_noise_of_sums_is_that_of_adding_one_by_one(element: Float, kind: type, terms: int) -> None:
    """2,000 sums of products of Gaussian values, each addition rounded: within 1 dB."""
    generator = np.random.default_rng(1)
    exact, rounded = np.zeros(2000), np.zeros(2000, kind)
    for _ in range(terms):
        products = generator.standard_normal(2000) * generator.standard_normal(2000)
        exact, rounded = exact + products, (rounded.astype(np.float64) + products).astype(kind)
    noise = np.sum((rounded.astype(np.float64) - exact) ** 2) / np.sum(exact**2)
    assert abs(10.0 * math.log10(noise / sum_noise(element, float(terms)))) < 1.0


def test_noise_of_sums_counts_where_it_is_the_most() -> None:
    formats = dict.fromkeys(("weights", "activations", "kv_cache"), "bf16")
    level = {name: -10.0 * math.log10(summing(name, **formats).numerics.noise) for name in ("fp32", "fp16", "bf16")}
    assert level["fp32"] == pytest.approx(55.6, abs=0.1)
    assert level["fp16"] == pytest.approx(40.5, abs=0.1)
    assert level["bf16"] == pytest.approx(22.5, abs=0.1)


def test_a_loss_of_sums_that_nobody_measured_is_not_made_up() -> None:
    values = catalogue().entry("chip", "b200-sxm").values | {KEY: "fp16"}
    chip = build_chips(values, catalogue().library)
    assert np.isnan(chip.numerics.accuracy_loss)
    dense = model("llama-3.1-8b")
    check_chip(values, chip, dense, Quality(15.0), catalogue().library)
    with pytest.raises(CatalogueError, match=r"matrix.accumulation: the loss .* 'fp16'; sum in fp32"):
        check_chip(values, chip, dense, Quality(None, 0.1), catalogue().library)
    with pytest.raises(CatalogueError, match="'bf16'"):
        check_values({KEY: ("fp32", "bf16")}, catalogue().library, noise=False, loss=True)


@pytest.mark.parametrize(
    ("name", "words"), [("int8", "'fp32|no format that sums can be in"), ("fp23", "unknown format")]
)
def test_sums_in_what_is_no_float_are_refused_by_the_check_of_the_file(name: str, words: str) -> None:
    path = catalogue().files("chip")["b200-sxm"]
    text = path.read_text(encoding="utf-8").replace("\n[matrix]\n", f'\n[matrix]\naccumulation = "{name}"\n')
    with pytest.raises(CatalogueError, match=words) as error:
        checked_entry(text, path, catalogue())
    assert [(problem.file, problem.key) for problem in error.value.problems] == [(str(path), KEY)]
