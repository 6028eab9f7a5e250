"""How far is a prediction from silicon? Measured rows against the model, each row under its own configuration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from dse.analysis.measurements import Row
from dse.assumptions import Assumptions
from dse.best_mapping import evaluate_pairs, mapping_lattice
from dse.catalogue.build import build_assumptions, build_chips, build_transformer
from dse.catalogue.errors import CatalogueError
from dse.catalogue.store import Catalogue
from dse.evaluate import Metrics
from dse.hardware.chip import Chip
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["Prediction", "predict", "summary"]

NO_LIMIT = 1e9


@dataclass(frozen=True)
class Prediction:
    """A measured row beside what the model says of it; predicted is None and skipped says why when it cannot."""

    row: Row
    predicted: float | None
    skipped: str | None

    @property
    def log_error(self) -> float | None:
        """ln(predicted / measured) [1]."""
        return None if self.predicted is None else math.log(self.predicted / self.row.value)


@dataclass(frozen=True)
class Case:
    """A row as arrays: its chip, traffic and the mappings that its configuration leaves open, leaves (mappings,)."""

    row: Row
    chip: Chip
    model: str
    transformer: Transformer
    traffic: Traffic
    mappings: Mapping


class UnexpressedError(Exception):
    """A row that the model cannot express; the message is the reason."""


def lengths_of_row(row: Row) -> tuple[float, float]:
    """Input and output length [tokens]; UnexpressedError where the phase needs one that is missing."""
    given, made = row.numbers.get("input_tokens"), row.numbers.get("output_tokens")
    if given is None:
        raise UnexpressedError("no input length")
    if made is None and row.phase in ("generate", "offline", "online"):
        raise UnexpressedError("no output length")
    return given, made or 1.0


def case_of(row: Row, catalogue: Catalogue) -> Case:
    """A row resolved against the catalogue; UnexpressedError with the reason where that is not possible."""
    if row.phase == "train":
        raise UnexpressedError("training is not modelled yet")
    try:
        entry = catalogue.entry("chip", row.chip)
        model = catalogue.entry("transformer", row.model)
        formats = {"weights": "bf16", "kv_cache": "bf16"} | {
            key: row.texts[key] for key in ("weights", "kv_cache", "activations") if row.texts.get(key)
        }
        formats.setdefault("activations", formats["weights"])
        values = {**entry.values}
        for key, name in formats.items():
            values[f"numerics.{key}"] = catalogue.entry("format", name).name
        chip = build_chips(values, catalogue.library)
    except CatalogueError as error:
        raise UnexpressedError(str(error.problems[0])) from None
    given, made = lengths_of_row(row)
    traffic = Traffic(
        input_tokens=given,
        output_tokens=made,
        input_variation=0.0,
        output_variation=0.0,
        prefix_hit_rate=0.0,
        time_to_first_token=NO_LIMIT,
        time_per_output_token=NO_LIMIT,
        concurrency=NO_LIMIT,
    )
    transformer = build_transformer(model.values)
    return Case(row, chip, model.name, transformer, traffic, mappings_of(row, transformer, traffic))


def mappings_of(row: Row, transformer: Transformer, traffic: Traffic) -> Mapping:
    """The mappings that a row leaves open; UnexpressedError when there are none."""
    chips = int(row.numbers.get("chips", 1.0))
    given = {
        field: row.numbers[key]
        for key, field in (
            ("tp", "tensor_parallel"),
            ("pp", "pipeline_parallel"),
            ("ep", "expert_parallel"),
            ("dp", "data_parallel"),
            ("batch", "batch"),
        )
        if key in row.numbers
    }
    found = mapping_lattice(transformer, traffic, chips, given | {"disaggregated": 0.0}, exactly=True)
    if not np.size(found.batch):
        raise UnexpressedError(f"no mapping on {chips} chips has the degrees of the row")
    return found


def predicted_values(case: Case, metrics: Metrics) -> np.ndarray:
    """What the metric of the row comes to under each mapping; leaves (mappings,)."""
    service, mapping, row = metrics.service, case.mappings, case.row
    sequences = mapping.batch / mapping.data_parallel
    filling = (mapping.pipeline_parallel - 1.0) * metrics.prefill.time
    first = service.prefill_time * sequences + filling
    steps = float(case.traffic.output_tokens)
    if row.phase == "prefill":
        times = {"ttft_s": first, "input_tokens_per_s": mapping.batch * float(case.traffic.input_tokens) / first}
    elif row.phase == "decode":
        rate = mapping.batch / service.step_time
        times = {
            "tpot_s": service.step_time,
            "output_tokens_per_s": rate,
            "output_tokens_per_s_per_user": 1.0 / service.step_time,
        }
    elif row.phase == "generate":
        total = first + steps * service.step_time
        times = {"ttft_s": first, "tpot_s": service.step_time, "output_tokens_per_s": mapping.batch * steps / total}
        times["output_tokens_per_s_per_user"] = steps / total
    else:
        times = {"ttft_s": metrics.time_to_first_token, "tpot_s": metrics.time_per_output_token}
        times |= {
            "output_tokens_per_s": service.output_rate,
            "output_tokens_per_s_per_user": 1.0 / metrics.time_per_output_token,
        }
        times["input_tokens_per_s"] = service.output_rate * float(case.traffic.input_tokens) / steps
    if row.metric not in times:
        raise UnexpressedError(f"the metric {row.metric} is not defined in the phase {row.phase}")
    return np.asarray(times[row.metric])


def best_of(case: Case, metrics: Metrics) -> float:
    """The prediction under the best open mapping that fits: the shortest time or the highest rate."""
    values = predicted_values(case, metrics)
    fits = np.maximum(metrics.limits.memory, metrics.limits.concurrency) <= 0.0
    if not fits.any():
        short = float(np.min(metrics.limits.memory)) + 1.0
        raise UnexpressedError(
            f"does not fit: needs {short:.2f} x the memory of its {int(case.row.numbers.get('chips', 1))} chips"
        )
    values = values[fits]
    return float(values.min() if case.row.metric.endswith("_s") and "per_s" not in case.row.metric else values.max())


def run_cases(cases: list[Case], assumptions: Assumptions) -> Iterable[tuple[Case, Metrics]]:
    """Metrics of every case, all cases of one model in one call."""
    sizes = [np.size(case.mappings.batch) for case in cases]

    def spread(trees: list[Any]) -> Any:
        return jax.tree.map(
            lambda *leaves: np.concatenate([np.broadcast_to(x, (n,)) for x, n in zip(leaves, sizes, strict=True)]),
            *trees,
        )

    chips, traffic = spread([case.chip for case in cases]), spread([case.traffic for case in cases])
    mappings = spread([case.mappings for case in cases])
    metrics = evaluate_pairs(chips, cases[0].transformer, traffic, mappings, assumptions)
    start = 0
    for case, size in zip(cases, sizes, strict=True):
        part = slice(start, start + size)
        start += size
        yield case, jax.tree.map(lambda leaf, part=part: leaf[part], metrics)


def predict(rows: Iterable[Row], catalogue: Catalogue) -> list[Prediction]:
    """A prediction for every row, or the reason why there is none."""
    assumptions = build_assumptions(catalogue.library)
    found: dict[str, Prediction] = {}
    by_model: dict[str, list[Case]] = {}
    rows = list(rows)
    for row in rows:
        try:
            case = case_of(row, catalogue)
            by_model.setdefault(case.model, []).append(case)
        except UnexpressedError as reason:
            found[row.id] = Prediction(row, None, str(reason))
    for cases in by_model.values():
        for case, metrics in run_cases(cases, assumptions):
            try:
                found[case.row.id] = Prediction(case.row, best_of(case, metrics), None)
            except UnexpressedError as reason:
                found[case.row.id] = Prediction(case.row, None, str(reason))
    return [found[row.id] for row in rows]


def figures(errors: list[float]) -> dict[str, float | int]:
    """Error of a group: count, median and 90th percentile of |ln|, bias, share within a quarter."""
    size = np.abs(errors)
    ratio = np.exp(errors)
    return {
        "n": len(errors),
        "median_abs_log_error": float(np.median(size)),
        "p90_abs_log_error": float(np.quantile(size, 0.9)),
        "bias": float(np.exp(np.median(errors))),
        "within_25_percent": float(np.mean((ratio >= 0.75) & (ratio <= 1.25))),
    }


def summary(predictions: Iterable[Prediction]) -> dict[str, dict[str, dict[str, float | int]]]:
    """Errors by phase, by chip and by model; online rows apart by metric."""
    groups: dict[str, dict[str, list[float]]] = {"summary": {}, "by_chip": {}, "by_model_class": {}}
    for one in predictions:
        if one.log_error is None:
            continue
        phase = f"online {one.row.metric}" if one.row.phase == "online" else one.row.phase
        groups["summary"].setdefault(phase, []).append(one.log_error)
        groups["by_chip"].setdefault(one.row.chip, []).append(one.log_error)
        groups["by_model_class"].setdefault(one.row.texts.get("family", "").split(" x ")[-1], []).append(one.log_error)
    return {name: {key: figures(errors) for key, errors in sorted(group.items())} for name, group in groups.items()}
