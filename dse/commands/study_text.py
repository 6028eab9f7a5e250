"""What does a study come to? Its plan, state and best design in lines, every number with its unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dse.catalogue.read import dimension_of
from dse.reporting.text import MEASURES, counted, measured, quantity, significant
from dse.search.objective import QUALITY_METRICS
from dse.units import readable

__all__ = ["status_lines", "study_line", "study_lines", "value_text"]

DIMENSIONS = {"time_to_first_token": "s", "time_per_output_token": "s", "power": "W"}
RATES = {"output_tokens_per_s": "tokens/s"}
"""Units of the recorded metrics that are no objectives; all others are counts."""


def value_text(metric: str, value: float) -> str:
    """The value of a metric [base units] with its unit.

    >>> value_text("tokens_per_dollar", 8.314e6), value_text("time_per_output_token", 0.0321)
    ('8.31 M tokens/USD', '32.1 ms')
    """
    measure = metric.partition(".")[0]
    if measure in MEASURES:
        return " ".join(measured(measure, value))
    if metric in DIMENSIONS:
        return quantity(value, DIMENSIONS[metric])
    return f"{significant(value)} {RATES[metric]}" if metric in RATES else counted(value)


def study_line(row: dict[str, Any]) -> str:
    """One study of a storage."""
    best = f"best {value_text(row['objective'], row['best'])}" if row["feasible"] else "none feasible"
    return f"{row['name']}  {row['trials']} trials, {row['feasible']} feasible, {best}"


def field_text(path: str, value: object) -> str:
    """A field of a design as a chip file would say it."""
    if isinstance(value, bool | str) or not isinstance(value, int | float):
        return str(value)
    return readable(float(value), "s" if path.startswith("target.") else dimension_of("space", path), 6)


def plan_text(name: str, value: object) -> str:
    """A part of the plan: names as a command takes them."""
    if name == "objectives" and isinstance(value, list | tuple):
        called = {field: name for name, field in QUALITY_METRICS.items()}
        return ", ".join(called.get(str(item), str(item).replace("_", "-")) for item in value)
    return str(value)


def study_lines(document: dict[str, Any]) -> Iterator[str]:
    """What `described` says of a study, for a person."""
    state, objective = document["state"], document["plan"]["objectives"][0]
    yield document["name"]
    parts: dict[str, dict[str, str]] = {
        "plan": {name.replace("_", " "): plan_text(name, value) for name, value in document["plan"].items()},
        "state": {"trials": counted(state["done"]), "feasible": counted(state["feasible"])},
    }
    if state["feasible"]:
        best = f"{value_text(objective, state['best'])} (trial {state['best_number']})"
        parts["state"]["best"] = best
        parts["best design"] = {path: field_text(path, value) for path, value in document["best_design"].items()}
        mapping = document["best_mapping"].items()
        parts["best mapping"] = {name.replace("_", " "): counted(value) for name, value in mapping}
        metrics = document["best_metrics"].items()
        parts["best metrics"] = {name.replace("_", " "): value_text(name, value) for name, value in metrics}
    for part, values in parts.items():
        yield part
        yield from (f"  {name:<30} {text}" for name, text in values.items())


def status_lines(document: dict[str, Any]) -> Iterator[str]:
    """What `status` says of a study, for a person."""
    trials = ", ".join(f"{counted(n)} {state}" for state, n in document["trials"].items() if n)
    best = "none feasible yet"
    if document["feasible"]:
        best = f"{value_text(document['objective'], document['best'])} (trial {document['best_trial']})"
    pace = document["trials_per_second"]
    since = document["seconds_since_last_tell"]
    yield document["study"]
    for name, text in {
        "trials": trials or "none yet",
        "best": best,
        "feasible": counted(document["feasible"]),
        "rate": f"{significant(pace)} trials/s" if pace else "unknown",
        "last told": f"{quantity(since, 's')} ago" if since is not None else "never",
        "workers": f"{document['workers_alive']} alive, {document['workers_dead']} dead",
    }.items():
        yield f"  {name:<12} {text}"
    for row in document["workers"]:
        if row["state"] != "ended":
            seen = quantity(row["last_seen_seconds"], "s")
            yield f"    {row['name']:<36} {row['state']}, told {row['told']} trials, seen {seen} ago"
