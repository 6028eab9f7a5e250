"""What does a fit not see when a chip, a die or a class of machines is left out, and how wide are ranges then?"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from builders import assumptions, catalogue

from dse.analysis.calibration import expressed, prior_for
from dse.analysis.cases import Case
from dse.analysis.cross_validation import FEW_ROWS, FOLDS, LEAST_SCATTER, HeldOut, held_out, scatter_from
from dse.analysis.measurements import Row, calibration_rows
from dse.analysis.points import Points, points_of
from dse.analysis.profiles import EIGHTY

CHIPS = ("a100-80gb-sxm", "h100-sxm", "inferentia-2", "wormhole-n150")


@cache
def cases() -> tuple[Case, ...]:
    """A few rows of every class of machines, of several dies."""
    rows: dict[str, list[Row]] = {}
    for row in calibration_rows():
        if row.phase == "decode" and row.chip in CHIPS:
            rows.setdefault(row.chip, []).append(row)
    return tuple(expressed([row for some in rows.values() for row in some[:3]], catalogue())[0])


@cache
def points() -> Points:
    return points_of(cases(), assumptions())[0]


def on(chip: str, **texts: str) -> Case:
    """The first case as if its row named another chip."""
    case = cases()[0]
    row: Row = replace(case.row, chip=chip, texts=case.row.texts | texts)
    return replace(case, row=row)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("h100-sxm", "H100", True),
        ("h100-sxm", "h200-sxm", True),
        ("a100-40gb", "a100-pcie", True),
        ("rtx-4090", "l40s", True),
        ("h100-sxm", "a100-80gb-sxm", False),
        ("tpu-v5e", "tpu-v6e", False),
    ],
)
def test_chips_of_one_die_leave_together_whatever_they_are_called(one: str, other: str, same: bool) -> None:
    folds = [FOLDS["chip"](on(chip.lower(), family=chip), catalogue()) for chip in (one, other)]
    assert (folds[0] == folds[1]) is same


def test_every_die_is_of_one_vendor_and_node() -> None:
    """A die that several files name is one: their vendor, node and published area agree to a per cent."""
    found: dict[str, set[tuple[str, str]]] = {}
    areas: dict[str, list[float]] = {}
    for name in catalogue().files("chip"):
        entry = catalogue().entry("chip", name)
        die = entry.values.get("package.die")
        if die and "package.die_area" in entry.values:
            vendor = entry.document.vendor  # pyright: ignore[reportAttributeAccessIssue]
            found.setdefault(str(die), set()).add(vendor)
            areas.setdefault(str(die), []).append(float(entry.values["package.die_area"]))
    assert {"GH100", "GA100"} <= set(found)
    assert all(len(vendors) == 1 for vendors in found.values())
    assert all(max(some) <= 1.01 * min(some) for some in areas.values())


def moved(out: str) -> dict[str, np.ndarray]:
    """Names of the folds, and by how much predictions move when rows of a fold say something else."""
    prior = prior_for(points(), catalogue())
    plain = held_out(points(), points(), prior, out, catalogue())
    names = np.array([FOLDS[out](case, catalogue()) for case in points().cases])
    told = {}
    for name in sorted(set(names))[:1]:
        changed = [
            replace(case, row=replace(case.row, value=case.row.value * (3.0 if fold == name else 1.0)))
            for case, fold in zip(points().cases, names, strict=True)
        ]
        again = held_out(points(), replace(points(), cases=tuple(changed)), prior, out, catalogue())
        told[name] = np.abs(np.log(again.value / plain.value))[names == name]
    return told


@pytest.mark.parametrize("out", ["chip", "machine"])
def test_rows_of_a_fold_do_not_move_their_own_predictions(out: str) -> None:
    for name, change in moved(out).items():
        assert change.max() < 1e-9, name


def test_a_family_that_rows_state_is_left_out_beside_the_die() -> None:
    """A row of one's own that states the family of shipped rows is predicted without these."""
    prior = prior_for(points(), catalogue())
    place = next(place for place, case in enumerate(cases()) if case.row.chip == "wormhole-n150")
    stated = cases()[place].row.texts["family"]
    mine = [
        replace(case, row=replace(case.row, texts=case.row.texts | {"family": stated}))
        if case.row.chip == "inferentia-2"
        else case
        for case in cases()
    ]
    with_hint = held_out(replace(points(), cases=tuple(mine)), points(), prior, "chip", catalogue())
    without = held_out(points(), points(), prior, "chip", catalogue())
    tensix = np.array([case.software == "tt-metal" for case in cases()])
    assert not with_hint.informed[tensix].any()
    np.testing.assert_allclose(with_hint.value, without.value, rtol=1e-9)


def test_without_its_class_of_machines_a_row_is_predicted_from_the_prior() -> None:
    prior = prior_for(points(), catalogue())
    held = held_out(points(), points(), prior, "machine", catalogue())
    kept = held_out(points(), points(), prior, "model", catalogue())
    assert not held.informed.any()
    assert kept.informed.any()
    assert np.median(held.spread) > np.median(kept.spread)


def made_up(errors: list[float], phases: list[str], spread: float = 0.0) -> tuple[Points, HeldOut]:
    """Rows that are off by these errors of ln."""
    some = tuple(
        replace(cases()[0], row=replace(cases()[0].row, phase=phase, value=float(np.exp(error))))
        for error, phase in zip(errors, phases, strict=True)
    )
    ones = np.ones(len(errors))
    return replace(points(), cases=some), HeldOut(ones, spread * ones, ones > 0.0)


def test_scatter_puts_four_fifths_of_the_rows_into_their_ranges() -> None:
    errors = np.linspace(-1.0, 1.0, 50).tolist()
    given, held = made_up(errors, ["decode"] * 50, 0.1)
    scatter = scatter_from(given, held, ["any"] * 50)["decode"]
    inside = np.mean(np.abs(errors) <= EIGHTY * np.hypot(0.1, scatter) + 1e-12)
    assert inside == pytest.approx(0.8)


def test_groups_count_alike_few_rows_are_pooled_and_nothing_falls_below_the_least() -> None:
    given, held = made_up([0.1] * 90 + [0.5] * 10, ["decode"] * 100)
    alike = scatter_from(given, held, ["gpu"] * 90 + ["neuron"] * 10)
    assert alike["decode"] == pytest.approx(0.5 / EIGHTY)
    assert scatter_from(given, held, ["any"] * 100)["decode"] == pytest.approx(0.1 / EIGHTY)
    few = FEW_ROWS - 1
    given, held = made_up([0.9] * few + [0.1] * 93, ["prefill"] * few + ["decode"] * 93)
    assert scatter_from(given, held, ["any"] * 100)["prefill"] == pytest.approx(0.1 / EIGHTY)
    given, held = made_up([0.0] * 9, ["decode"] * 9)
    assert scatter_from(given, held, ["any"] * 9) == {"decode": LEAST_SCATTER}
    assert scatter_from(given, held, ["any"] * 9, {"decode": 0.3}) == {"decode": 0.3}
