"""How far is the model from silicon? The data of the tables and figures that compare predictions with measurements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import erf

from dse.analysis.profiles import EIGHTY
from dse.analysis.validation import Prediction, summary

__all__ = [
    "ALL_ROWS",
    "COLUMNS",
    "NOTHING",
    "PHASES",
    "SCORE_COLUMNS",
    "SPLITS",
    "TABLES",
    "Coverage",
    "Groups",
    "Panel",
    "Score",
    "Trend",
    "coverages",
    "groups",
    "left_out_words",
    "panels",
    "phase_name",
    "prediction_rows",
    "score_rows",
    "scored",
    "scores",
    "skipped",
    "slower",
    "trends",
    "worst",
]

NOTHING = "nothing"
"""What a prediction has not seen that uses the profiles as they are."""

UNITS = {
    "ttft_s": "s",
    "tpot_s": "s",
    "output_tokens_per_s": "tokens/s",
    "output_tokens_per_s_per_user": "tokens/s",
    "input_tokens_per_s": "tokens/s",
    "mfu": "share of peak",
}
"""Metric of a measured row -> its unit."""

TIME_METRICS = ("ttft_s", "tpot_s")
"""Metrics that grow as a machine gets slower; all others fall."""

PHASES = ("prefill", "decode", "generate", "offline", "online ttft_s", "online tpot_s")
"""Phases in the order in which they are shown; any other comes behind them."""

TABLES = {"summary": "phase", "by_chip": "chip", "by_model_class": "model class", "by_software": "software"}
"""Table of dse.analysis.validation.summary -> what its rows are."""

SPLITS: dict[str, Callable[[Prediction], str]] = {
    "Chip": lambda one: one.chip or one.row.chip,
    "Model class": lambda one: one.model_class,
    "Software profile": lambda one: one.software,
    "Stated release": lambda one: one.row.software.lower(),
}
"""What residuals are split by, and the group of a row."""

AGAINST = {
    "batch": "Batch or concurrency [sequences]",
    "input_tokens": "Input length [tokens]",
    "output_tokens": "Output length [tokens]",
    "tp": "Tensor parallel [chips]",
}
"""Column of a measured row -> the name of the axis along which residuals are shown."""


def phase_name(phase: str) -> str:
    """A phase of the summary in words.

    >>> phase_name("online tpot_s"), phase_name("decode")
    ('online, time per output token', 'decode')
    """
    words = {"ttft_s": "time to first token", "tpot_s": "time per output token"}
    name, _, metric = phase.partition(" ")
    return f"{name}, {words.get(metric, metric.replace('_', ' '))}" if metric else name


def phase_place(phase: str) -> tuple[int, str]:
    """Sorts phases in the order of PHASES."""
    return (PHASES.index(phase) if phase in PHASES else len(PHASES), phase)


def left_out_words(left_out: str) -> str:
    """What a prediction has seen no row of; left_out: a fold of the cross-validation."""
    known = {
        NOTHING: "nothing (profiles as they are)",
        "chip": "its chip, nor another of its die",
        "model": "its class of model",
        "chip-model": "the same model on the same chip",
        "machine": "its class of machines",
    }
    return known.get(left_out, left_out)


def scored(predictions: Sequence[Prediction]) -> list[Prediction]:
    """The rows that have a prediction."""
    return [one for one in predictions if one.log_error is not None and math.isfinite(one.log_error)]


def slower(one: Prediction) -> float:
    """ln(predicted time / measured time) [1]: above 0 where the model is slower than silicon, whatever the metric."""
    error = one.log_error
    assert error is not None
    return error if one.row.metric in TIME_METRICS else -error


@dataclass(frozen=True)
class Score:
    """Errors of a group of rows; table: a key of TABLES; shares and |ln(predicted / measured)| [1]."""

    table: str
    name: str
    n: int
    median_abs_log_error: float
    p90_abs_log_error: float
    bias: float
    within_25_percent: float
    within_range: float


def scores(predictions: Sequence[Prediction]) -> list[Score]:
    """The summary as rows: phases in their order, other groups with the most rows first."""
    rows = []
    for table, found in summary(scored(predictions)).items():
        some = [Score(table, name, **figures) for name, figures in found.items()]  # pyright: ignore[reportArgumentType]
        key: Callable[[Score], Any] = (
            (lambda row: phase_place(row.name)) if table == "summary" else (lambda row: (-row.n, row.name))
        )
        rows += sorted(some, key=key)
    return rows


def skipped(predictions: Sequence[Prediction]) -> list[tuple[str, int, list[str]]]:
    """Why rows were skipped, how many, and their ids; the most frequent reason first."""
    reasons: dict[str, list[str]] = {}
    for one in predictions:
        if one.skipped is not None:
            reasons.setdefault(one.skipped, []).append(one.row.id)
    found = [(reason, len(ids), ids) for reason, ids in reasons.items()]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def worst(predictions: Sequence[Prediction], most: int = 12) -> list[Prediction]:
    """The rows that are farthest off, those first."""
    return sorted(scored(predictions), key=lambda one: (-abs(one.log_error or 0.0), one.row.id))[:most]


def seconds_of(one: Prediction) -> float | None:
    """What a rate must divide to become the time of its phase [unit of the rate x s], None where it has none.

    Prefill: of the whole batch; decode: of one step. Exact, as batch and lengths cover the whole deployment.
    """
    batch, tokens = one.row.numbers.get("batch"), one.row.numbers.get("input_tokens")
    if (one.row.phase, one.row.metric) == ("decode", "output_tokens_per_s_per_user"):
        return 1.0
    if (one.row.phase, one.row.metric) == ("decode", "output_tokens_per_s"):
        return batch
    if (one.row.phase, one.row.metric) == ("prefill", "input_tokens_per_s"):
        return None if batch is None or tokens is None else batch * tokens
    return None


def plotted(one: Prediction) -> tuple[str, tuple[float, float, float, float]]:
    """Unit of a row on its panel, and measured, predicted, low and high in it: rates of prefill and decode as times."""
    assert one.predicted is not None
    assert one.low is not None
    assert one.high is not None
    whole = seconds_of(one)
    if whole is None:
        return UNITS[one.row.metric], (one.row.value, one.predicted, one.low, one.high)
    return "s", (whole / one.row.value, whole / one.predicted, whole / one.high, whole / one.low)


@dataclass(frozen=True)
class Panel:
    """Predicted against measured in one phase and unit; a place for each row in all columns.

    software: profile of each row; low, high: ends of the 80 % range; all four values in the unit. within_quarter: share
    of rows within 25 % in the metric that was measured, as in the summary [1].
    """

    phase: str
    unit: str
    measured: Float[np.ndarray, " rows"]
    predicted: Float[np.ndarray, " rows"]
    low: Float[np.ndarray, " rows"]
    high: Float[np.ndarray, " rows"]
    software: tuple[str, ...]
    within_quarter: float


def panels(predictions: Sequence[Prediction]) -> list[Panel]:
    """A panel for each phase and unit that has rows."""
    found: dict[tuple[str, str], list[Prediction]] = {}
    for one in scored(predictions):
        found.setdefault((one.row.summary_phase, plotted(one)[0]), []).append(one)
    made = []
    for (phase, unit), some in sorted(found.items(), key=lambda item: (phase_place(item[0][0]), item[0][1])):
        measured, predicted, low, high = np.array([plotted(one)[1] for one in some], float).T
        ratio = np.exp([one.log_error for one in some])  # pyright: ignore[reportCallIssue, reportArgumentType]
        inside = float(np.mean((ratio >= 0.75) & (ratio <= 1.25)))
        software = tuple(one.software for one in some)
        made.append(Panel(phase, unit, measured, predicted, low, high, software, inside))
    return made


@dataclass(frozen=True)
class Groups:
    """Residuals by the groups of a split, the group with the most rows first.

    place: of the group of each row; error: ln(predicted time / measured time) [1]; quartiles: first, second (the
    median) and third of each group.
    """

    title: str
    names: tuple[str, ...]
    counts: Int[np.ndarray, " groups"]
    place: Int[np.ndarray, " rows"]
    error: Float[np.ndarray, " rows"]
    phase: tuple[str, ...]
    quartiles: Float[np.ndarray, "groups 3"]


def groups(predictions: Sequence[Prediction], title: str) -> Groups:
    """Residuals by one of SPLITS; at least one row must have a prediction."""
    some = scored(predictions)
    answers = [SPLITS[title](one) or "unknown" for one in some]
    count = Counter(answers)
    names = sorted(count, key=lambda name: (-count[name], name))
    place = np.array([names.index(answer) for answer in answers])
    error = np.array([slower(one) for one in some])
    return Groups(
        title=title,
        names=tuple(names),
        counts=np.array([count[name] for name in names]),
        place=place,
        error=error,
        phase=tuple(one.row.summary_phase for one in some),
        quartiles=np.array([np.quantile(error[place == number], (0.25, 0.5, 0.75)) for number in range(len(names))]),
    )


@dataclass(frozen=True)
class Trend:
    """Residuals along a number of the rows that state it.

    value: that number; error: ln(predicted time / measured time) [1]; edges: bounds of the octaves around the powers
    of two that hold rows, (octaves, 2); quartiles: of each octave.
    """

    title: str
    value: Float[np.ndarray, " some"]
    error: Float[np.ndarray, " some"]
    phase: tuple[str, ...]
    edges: Float[np.ndarray, "octaves 2"]
    quartiles: Float[np.ndarray, "octaves 3"]


def trend(predictions: Sequence[Prediction], column: str) -> Trend:
    """Residuals along one of AGAINST; empty where no row states it."""
    some = [one for one in scored(predictions) if column in one.row.numbers]
    value = np.array([one.row.numbers[column] for one in some], float)
    error = np.array([slower(one) for one in some], float)
    octave = np.rint(np.log2(value))
    present = np.unique(octave)
    return Trend(
        title=AGAINST[column],
        value=value,
        error=error,
        phase=tuple(one.row.summary_phase for one in some),
        edges=np.column_stack([2.0 ** (present - 0.5), 2.0 ** (present + 0.5)]),
        quartiles=np.array([np.quantile(error[octave == one], (0.25, 0.5, 0.75)) for one in present]).reshape(-1, 3),
    )


def trends(predictions: Sequence[Prediction]) -> list[Trend]:
    """Residuals along every number that some row states."""
    return [one for one in (trend(predictions, column) for column in AGAINST) if one.value.size]


@dataclass(frozen=True)
class Coverage:
    """How often ranges hold what was measured.

    level: for each row, ascending, the narrowest range that holds it, as the share that the model claims for it;
    share: of the rows whose narrowest range is at most so wide; eighty: share of the rows inside the 80 % range [1].
    """

    phase: str
    level: Float[np.ndarray, " rows"]
    share: Float[np.ndarray, " rows"]
    eighty: float


def level_of(one: Prediction) -> float:
    """Share that the model claims for the narrowest range around its prediction that holds what was measured [1].

    The range is normal in ln: its ends lie EIGHTY standard deviations away when it claims 80 %.
    """
    assert one.log_error is not None
    assert one.predicted is not None
    assert one.high is not None
    spread = math.log(one.high / one.predicted) / EIGHTY
    if spread <= 0.0:
        return 1.0 if one.log_error else 0.0
    return float(erf(abs(one.log_error) / spread / math.sqrt(2.0)))


ALL_ROWS = "all rows"


def coverages(predictions: Sequence[Prediction]) -> list[Coverage]:
    """Coverage in each phase, in order, and at last of all rows where there are several phases."""
    found: dict[str, list[Prediction]] = {}
    some = scored(predictions)
    for one in some:
        found.setdefault(one.row.summary_phase, []).append(one)
    ordered = sorted(found.items(), key=lambda item: phase_place(item[0]))
    if len(ordered) > 1:
        ordered.append((ALL_ROWS, some))
    made = []
    for phase, rows in ordered:
        level = np.sort([level_of(one) for one in rows])
        share = np.arange(1, level.size + 1) / level.size
        made.append(Coverage(phase, level, share, float(np.mean([one.within_range for one in rows]))))
    return made


COLUMNS = (
    *("fold", "id", "chip", "chips", "model", "model_class", "software", "profile", "phase", "metric"),
    *AGAINST,
    *("measured", "predicted", "low", "high", "log_error", "within_range", "skipped"),
)
"""Columns of the table of rows."""


def prediction_rows(predictions: Sequence[Prediction], fold: str) -> list[dict[str, Any]]:
    """Every row, skipped ones too, as a line of a table; values in the unit of the metric, an absent one is None."""
    rows = []
    for one in predictions:
        row, numbers = one.row, one.row.numbers
        inside = None if one.predicted is None else one.within_range
        cells = (fold, row.id, row.chip, numbers.get("chips"), row.model, one.model_class, row.software, one.software)
        cells += (row.phase, row.metric, *(numbers.get(name) for name in AGAINST))
        cells += (row.value, one.predicted, one.low, one.high, one.log_error, inside, one.skipped)
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def score_rows(predictions: Sequence[Prediction], fold: str) -> list[dict[str, Any]]:
    """The summary as lines of a table, six digits each; fold: what no prediction has seen."""
    rows = []
    for score in scores(predictions):
        cells = {
            name: float(f"{cell:.6g}") if isinstance(cell, float) else cell for name, cell in asdict(score).items()
        }
        rows.append({"fold": fold} | cells | {"table": TABLES[score.table]})
    return rows


SCORE_COLUMNS = ("fold", *(field.name for field in fields(Score)))
"""Columns of the summary."""
