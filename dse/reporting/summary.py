"""What does one candidate come to? Its numbers as JSON, what binds it, and which limits it breaks."""

from __future__ import annotations

import math
from typing import Any

from dse.analysis.comparison import Candidate
from dse.evaluate import LIMITS, Metrics
from dse.reporting.breakdown import (
    SECONDS_PER_HOUR,
    named_parts,
    pass_parts,
    power_parts,
    resource_shares,
)
from dse.reporting.text import quantity
from dse.timing.inference import Pass
from dse.timing.mapping import Mapping, mapping_words

__all__ = [
    "binding",
    "binds",
    "finite",
    "limit_numbers",
    "mapping_text",
    "metrics_json",
    "quality_json",
    "reason_of",
    "reasons",
    "slack_of",
    "tightest",
]

MANY = 1e6
RESOURCE_NAMES = {
    "matrix": "matrix units",
    "vector": "vector units",
    "sram": "SRAM bandwidth",
    "memory": "memory bandwidth",
    "far_memory": "far-memory bandwidth",
    "fixed": "fixed overhead",
    "communication": "communication",
    "power": "power limit",
}


def binding(work: Pass) -> tuple[str, float]:
    """The busiest resource of a pass and the share of its time that it is busy [1]; ('', 0) when that is unknown."""
    shares = {name: share for name, share in resource_shares(work).items() if math.isfinite(share)}
    if not shares:
        return "", 0.0
    name = max(shares, key=lambda resource: shares[resource])
    return name, shares[name]


def binds(metrics: Metrics) -> str:
    """What binds decode, in words: 'memory bandwidth 87 %'."""
    name, share = binding(metrics.decode)
    if not name:
        return "unknown"
    return RESOURCE_NAMES[name] if name == "power" else f"{RESOURCE_NAMES[name]} {100.0 * min(share, 1.0):.0f} %"


def limit_numbers(metrics: Metrics) -> dict[str, tuple[float, float, str]]:
    """Need, limit and dimension of each limit, in the order of LIMITS; need is a ratio where only that is known."""
    hardware, service = metrics.hardware, metrics.service
    excess = float(metrics.limits.quantisation_noise)
    needs: dict[str, tuple[Any, str]] = {
        "idle_power": (hardware.static_power + hardware.energy.links, "W"),
        "accuracy_loss": (metrics.accuracy_loss, "1"),
        "memory": (metrics.footprint.total, "bytes"),
        "time_to_first_token": (metrics.time_to_first_token, "s"),
        "time_per_output_token": (metrics.time_per_output_token, "s"),
        "concurrency": (service.output_rate * service.time_per_output_token, "1"),
    }
    found = {}
    for name in LIMITS:
        ratio = 1.0 + float(getattr(metrics.limits, name))
        need, dimension = needs.get(name, (ratio, "1"))
        found[name] = (float(need), float(need) / ratio if ratio else math.inf, dimension)
    level = float(metrics.qsnr)
    found["quantisation_noise"] = (level, level + 10.0 * math.log10(1.0 + excess) if excess > -1.0 else math.inf, "dB")
    return found


SENTENCES = {
    "die_area": "a compute die is {ratio} x the largest that can be made",
    "silicon_area": "its dies are {ratio} x what the package holds",
    "die_edge": "memory and links need {ratio} x the die edge there is",
    "sram_bandwidth": "its SRAM is asked for {ratio} x the bandwidth that its banks can give",
    "idle_power": "it burns {ratio} x its power limit before any work ({need} against {limit})",
    "rack_power": "a rack of it draws {ratio} x what the rack feeds and cools",
    "quantisation_noise": "its formats add {ratio} x the noise allowed (signal over noise of {need} against {limit})",
    "accuracy_loss": "its formats lose {ratio} x the rank correlation allowed ({need} against {limit})",
    "memory": "needs {ratio} x the memory it has ({need} against {limit} on each chip)",
    "layout": "deals experts to {ratio} x as many groups as it has experts or chips",
    "time_to_first_token": "the first token takes {ratio} x the time allowed ({need} against {limit})",
    "time_per_output_token": "an output token takes {ratio} x the time allowed ({need} against {limit})",
    "concurrency": "needs {ratio} x the sequences that the traffic has in flight ({need} against {limit})",
}


def reasons(metrics: Metrics) -> list[str]:
    """A sentence for each limit that is exceeded, with need and limit; empty for a feasible candidate."""
    found = []
    for name, (need, limit, dimension) in limit_numbers(metrics).items():
        excess = float(getattr(metrics.limits, name))
        if excess > 0.0 or math.isnan(excess):
            texts = {"need": quantity(need, dimension), "limit": quantity(limit, dimension)}
            found.append(sentence_for(name).format(ratio=ratio_text(1.0 + excess), **texts))
    return found


def sentence_for(limit: str) -> str:
    """The sentence of a limit, with places for ratio, need and limit."""
    return SENTENCES.get(limit, f"its {limit.replace('_', ' ')} is {{ratio}} x the limit")


def reason_of(limit: str, excess: float) -> str:
    """The sentence for one limit, without its numbers: 'needs 4.1 x the memory it has'."""
    sentence = sentence_for(limit).format(ratio=ratio_text(1.0 + excess), need="", limit="")
    return sentence.partition(" (")[0]


def ratio_text(ratio: float) -> str:
    """A ratio with as many digits as tell it from 1."""
    if not ratio < MANY:
        return "over a million"
    if ratio < 1.095:
        return f"{ratio:.4g}" if ratio >= 1.001 else f"{ratio:.7g}"
    return f"{ratio:.1f}" if ratio < 100.0 else f"{ratio:,.0f}"


def mapping_text(mapping: Mapping) -> str:
    """A mapping in a few words: 'TP2 PP4 b1024 pf2048', degrees of 1 left out; '+P' for a separate prefill pool."""
    return mapping_words({name: float(getattr(mapping, name)) for name in Mapping.__dataclass_fields__})


def finite(value: Any) -> Any:
    """The same document with every NaN and infinity as None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def headline(candidate: Candidate) -> dict[str, float]:
    """The metrics of a candidate, over the whole deployment unless the name says per chip."""
    metrics = candidate.metrics
    chips, rate, power = float(metrics.chips), float(metrics.rate.chosen), float(metrics.power)
    output = float(metrics.output_tokens_per_s)
    return {
        "time_to_first_token_s": float(metrics.time_to_first_token),
        "time_per_output_token_s": float(metrics.time_per_output_token),
        "output_tokens_per_s": output,
        "output_tokens_per_s_per_user": float(metrics.output_tokens_per_s_per_user),
        "output_tokens_per_s_per_chip": output / chips,
        "usd_per_million_output_tokens": 1e6 * float(metrics.usd_per_output_token),
        "tokens_per_dollar": float(metrics.tokens_per_dollar),
        "tokens_per_joule": float(metrics.tokens_per_joule),
        "chips": chips,
        "power_w": chips * power,
        "power_w_per_chip": power,
        "usd_per_hour": chips * rate * SECONDS_PER_HOUR,
        "usd_per_hour_per_chip": rate * SECONDS_PER_HOUR,
        "chip_price_usd": float(metrics.hardware.price),
    }


def quality_json(metrics: Metrics) -> dict[str, float]:
    """Signal over noise [dB] and loss [1] of the formats of a candidate."""
    return {"qsnr_db": float(metrics.qsnr), "accuracy_loss": float(metrics.accuracy_loss)}


RANGED = {
    "time_to_first_token_s": ("time_to_first_token", 1.0),
    "time_per_output_token_s": ("time_per_output_token", 1.0),
    "output_tokens_per_s": ("output_tokens_per_s", 1.0),
    "output_tokens_per_s_per_user": ("output_tokens_per_s_per_user", 1.0),
    "usd_per_million_output_tokens": ("usd_per_output_token", 1e6),
    "tokens_per_dollar": ("tokens_per_dollar", 1.0),
    "tokens_per_joule": ("tokens_per_joule", 1.0),
}
"""Numbers of the headline that carry a range -> the metric and its scale."""


def ranges_json(candidate: Candidate) -> dict[str, dict[str, float]]:
    """Value and 80 % range of each number that has one."""
    found = {}
    for name, (metric, scale) in RANGED.items():
        low, high = candidate.range_of(metric)
        value = float(getattr(candidate.metrics, metric))
        found[name] = {"value": scale * value, "low": scale * low, "high": scale * high}
    return found


def phase_json(work: Pass) -> dict[str, Any]:
    """One pass of one stage: its parts, which add up to its time, and how busy each resource is."""
    classes = pass_parts(work)
    return {"time_s": float(work.time), "classes": classes, "resources": resource_shares(work)}


def breakdown_json(metrics: Metrics) -> dict[str, Any]:
    """Named parts of time, area, power and money; area, power, cost and footprint of one chip."""
    return {
        "prefill": phase_json(metrics.prefill),
        "decode": phase_json(metrics.decode),
        "area_mm2": named_parts(metrics.hardware.area),
        "power_w": power_parts(metrics),
        "make_usd": named_parts(metrics.hardware.make),
        "tco_usd_per_hour": named_parts(metrics.owned, SECONDS_PER_HOUR),
        "footprint_bytes": named_parts(metrics.footprint),
    }


NEVER_BINDS = 0.999
"""Room above which a limit was not stated: traffics and racks without one carry a billion [1]."""


OPEN_ENDED = (
    "rack_power",
    "quantisation_noise",
    "accuracy_loss",
    "time_to_first_token",
    "time_per_output_token",
    "concurrency",
)
"""Limits that need not be stated."""


def slack_of(metrics: Metrics) -> dict[str, float]:
    """Room left in each limit as a share of it, negative where it is exceeded; nan where none is stated [1]."""
    room = {name: -float(getattr(metrics.limits, name)) for name in LIMITS if name != "layout"}
    return {name: math.nan if name in OPEN_ENDED and value > NEVER_BINDS else value for name, value in room.items()}


def tightest(metrics: Metrics, count: int = 3) -> list[tuple[str, float]]:
    """The limits with the least room and what is left in each [1]."""
    known = [(name, value) for name, value in slack_of(metrics).items() if not math.isnan(value)]
    return sorted(known, key=lambda item: item[1])[:count]


def metrics_json(candidate: Candidate) -> dict[str, Any]:
    """A candidate as a JSON document; NaN and infinity are None, and so is every metric of an infeasible one."""
    metrics = candidate.metrics
    feasible = candidate.feasible
    numbers: dict[str, Any] = {name: value if feasible else None for name, value in headline(candidate).items()}
    return finite(
        {
            "metrics": numbers,
            "ranges": ranges_json(candidate) if feasible and candidate.spreads else {},
            "mapping": named_parts(candidate.mapping),
            "quality": quality_json(metrics),
            "breakdown": breakdown_json(metrics),
            "binds": binds(metrics),
            "feasible": feasible,
            "reasons": reasons(metrics),
            "slack": slack_of(metrics),
        }
    )
