"""Do the ranges hold what they claim, and is the committed validation that of the committed calibration?"""

from __future__ import annotations

import csv

import pytest
from builders import catalogue

from dse.analysis.measurements import calibration_rows
from dse.analysis.validation import predict, summary
from dse.catalogue.locate import shipped_root

SUMMARY = shipped_root() / "reports" / "validation" / "summary.csv"
HELD_OUT = ("chip", "model", "chip-model")


def committed(fold: str) -> dict[str, dict[str, str]]:
    """Phase -> figures of one fold of the committed validation."""
    with SUMMARY.open(encoding="utf-8") as text:
        return {row["name"]: row for row in csv.DictReader(text) if (row["fold"], row["table"]) == (fold, "phase")}


@pytest.mark.parametrize("fold", HELD_OUT)
def test_ranges_of_eighty_per_cent_hold_seventy_to_ninety(fold: str) -> None:
    """Of the rows that were in no fit, all phases together; each phase alone within what so few rows can tell."""
    rows = committed(fold)
    counts = {phase: int(row["n"]) for phase, row in rows.items()}
    inside = {phase: float(row["within_range"]) for phase, row in rows.items()}
    together = sum(counts[phase] * inside[phase] for phase in rows) / sum(counts.values())
    assert 0.7 <= together <= 0.9
    for phase, share in inside.items():
        chance = (0.8 * 0.2 / counts[phase]) ** 0.5
        assert 0.7 - 2.0 * chance <= share <= 0.9 + 2.0 * chance, phase


def test_the_committed_validation_is_of_the_committed_calibration() -> None:
    """An old fit or an old table is found at once: every phase of what was fitted, predicted anew."""
    found = summary(predict(calibration_rows(), catalogue()))["summary"]
    rows = committed("nothing")
    assert set(found) == set(rows)
    for phase, figures in found.items():
        for name in ("n", "median_abs_log_error", "p90_abs_log_error", "bias"):
            assert figures[name] == pytest.approx(float(rows[phase][name]), rel=0.01, abs=0.003), (phase, name)
