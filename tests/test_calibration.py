"""Do measured rows move the coefficients of software as they should, and only those that they speak of?"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from builders import assumptions, catalogue
from hypothesis import given
from hypothesis import strategies as st

from dse.analysis.calibration import Noise, expressed, fit, prior_for, prior_over, split
from dse.analysis.calibration_file import Scatter, calibration_text
from dse.analysis.measurements import Row, calibration_rows
from dse.analysis.points import Points, points_of
from dse.analysis.profiles import COEFFICIENTS, belief_of, from_scale, machine_of, prior_of, software_of, to_scale
from dse.catalogue.read import parse_entry

SOFTWARE = ("gpu-general", "gpu-tuned", "neuron", "vllm")


@cache
def rows() -> tuple[Row, ...]:
    """Shipped rows of static batches on GPUs: few, of several chips and models."""
    return tuple(row for row in calibration_rows() if row.phase in ("prefill", "decode", "generate"))


@cache
def points(with_rows_of: tuple[str, ...]) -> Points:
    """The rows of some profiles, over all the profiles of SOFTWARE."""
    cases, _ = expressed(rows(), catalogue())
    chosen = [case for case in cases if case.software in with_rows_of]
    return points_of(chosen, assumptions(), SOFTWARE)[0]


@given(st.lists(st.floats(-6.0, 6.0), min_size=len(COEFFICIENTS), max_size=len(COEFFICIENTS)))
def test_scales_are_inverse(scaled: list[float]) -> None:
    np.testing.assert_allclose(to_scale(from_scale(np.array(scaled))), scaled, atol=1e-5)


def test_prior_has_the_value_and_the_range_of_its_file() -> None:
    figures = catalogue().entry("software", "vllm").figures
    prior = prior_of("vllm", catalogue().library)
    low, high = prior.bounds()
    for name in COEFFICIENTS:
        cited = figures[f"execution.{name}"]
        assert prior.values[name] == pytest.approx(cited.value, rel=1e-6)
        width = to_scale_of(name, high[name]) - to_scale_of(name, low[name])
        assert width == pytest.approx(to_scale_of(name, cited.high) - to_scale_of(name, cited.low), rel=1e-6)


def to_scale_of(name: str, value: float | None) -> float:
    """One coefficient on its scale."""
    place = COEFFICIENTS.index(name)
    assert value is not None
    return float(to_scale(np.full(len(COEFFICIENTS), value))[place])


def synthetic(shift: float) -> tuple[Points, np.ndarray]:
    """Rows of one profile whose values are what the model says after its coefficients were shifted on their scales."""
    given_ = points(("gpu-tuned",))
    prior = prior_for(given_, catalogue())
    truth = prior.mean.copy()
    slower = np.array([-1.0 if name.endswith("efficiency") else 1.0 for name in COEFFICIENTS])
    truth[:-1] += shift * np.tile(slower, len(SOFTWARE))
    chosen = given_.best(*split(truth, len(SOFTWARE)))
    values = chosen.values(*split(truth, len(SOFTWARE)))
    measured = dict(zip(chosen.row.tolist(), values.tolist(), strict=True))
    cases = tuple(
        type(case)(**{**vars(case), "row": type(case.row)(**{**vars(case.row), "value": measured[number]})})
        for number, case in enumerate(given_.cases)
    )
    return type(given_)(**{**vars(given_), "cases": cases}), values


@pytest.mark.parametrize("shift", [-0.3, 0.3])
def test_known_coefficients_are_found_again(shift: float) -> None:
    """What rows say is predicted by the fit to within 3 %, though the prior was far off."""
    given_, values = synthetic(shift)
    prior = prior_for(given_, catalogue())
    before = given_.best(*split(prior.mean, len(SOFTWARE))).values(*split(prior.mean, len(SOFTWARE)))
    found = fit(given_, prior, Noise())
    after = given_.best(*split(found.mean, len(SOFTWARE))).values(*split(found.mean, len(SOFTWARE)))
    assert np.median(np.abs(np.log(before / values))) > 0.05
    assert np.median(np.abs(np.log(after / values))) < 0.03


def test_same_rows_give_the_same_fit() -> None:
    given_ = points(("gpu-tuned",))
    one, two = (fit(given_, prior_for(given_, catalogue()), Noise()) for _ in range(2))
    assert (one.mean == two.mean).all()


def test_profiles_for_one_machine_inform_each_other_and_no_others() -> None:
    """Rows of one GPU profile move and narrow another; a profile for another machine stays where it was."""
    given_ = points(("gpu-tuned",))
    prior = prior_for(given_, catalogue())
    found = fit(given_, prior, Noise())
    size = len(COEFFICIENTS)
    parts = {name: slice(place * size, (place + 1) * size) for place, name in enumerate(SOFTWARE)}
    moved = {name: np.abs(found.mean[part] - prior.mean[part]).max() for name, part in parts.items()}
    assert moved["gpu-tuned"] > moved["vllm"] > 1e-3
    assert moved["neuron"] < 1e-9
    narrower = np.diag(found.covariance) / np.diag(prior.covariance)
    assert narrower[parts["gpu-tuned"]].min() < narrower[parts["vllm"]].min() < 1.0
    np.testing.assert_allclose(narrower[parts["neuron"]], 1.0, rtol=1e-6)


def test_calibration_file_reads_back_to_the_fit() -> None:
    given_ = points(("gpu-tuned",))
    found = fit(given_, prior_for(given_, catalogue()), Noise())
    text = calibration_text(found, Scatter({"decode": 0.25, "online tpot_s": 0.5}, {"decode": 0.75}))
    entry = parse_entry(text, Path("default.toml"), "calibration")
    for name, value in found.belief("gpu-tuned").values.items():
        assert entry.figures[f"profile.gpu-tuned.{name}"].value == pytest.approx(value, rel=1e-5)
    table = entry.document.profile["gpu-tuned"]  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(table.covariance, found.belief("gpu-tuned").covariance, rtol=1e-4, atol=1e-12)
    assert entry.figures["scatter.online tpot_s"].value == 0.5
    assert entry.figures["prior_scatter.decode"].value == 0.75


def test_shipped_calibration_is_of_the_shipped_rows() -> None:
    """It holds the profiles that have rows, as many rows as can be expressed, and shares within their bounds."""
    cases, _ = expressed(calibration_rows(), catalogue())
    library = catalogue().library
    assert library.calibration is not None
    used = {case.software for case in cases}
    assert set(library.calibration.document.profile) == used  # pyright: ignore[reportAttributeAccessIssue]
    for name in used:
        belief = belief_of(name, library)
        assert belief.rows == sum(case.software == name for case in cases)
        assert all(0.0 < belief.values[key] < 1.0 for key in COEFFICIENTS if key.endswith("efficiency"))
        assert np.linalg.eigvalsh(belief.covariance).min() > 0.0
    assert belief_of("wafer", library).rows == 0


@pytest.mark.parametrize(
    ("written", "usual", "expected"),
    [
        ("vllm 0.18.0", "gpu-tuned", "vllm"),
        ("vLLM", "gpu-general", "vllm"),
        ("vllm 2023", "gpu-tuned", "gpu-general"),
        ("vllm", "xla-tpu", "xla-tpu"),
        ("something new", "gaudi", "gaudi"),
        ("", "neuron", "neuron"),
    ],
)
def test_software_is_known_by_name_and_machine(written: str, usual: str, expected: str) -> None:
    assert software_of(written, usual, catalogue()) == expected


def test_prior_correlates_profiles_of_one_machine_only() -> None:
    machines = {name: machine_of(name, catalogue()) for name in SOFTWARE}
    prior = prior_over(SOFTWARE, machines, catalogue().library)
    size = len(COEFFICIENTS)
    assert prior.covariance[0, size] > 0.0
    assert prior.covariance[0, 2 * size] == 0.0
    assert np.linalg.eigvalsh(prior.covariance).min() > 0.0
