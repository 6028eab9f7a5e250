"""What is it made of? The named parts of time, power, area and money of one candidate; every total is their sum."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from dse.evaluate import Metrics
from dse.timing.inference import Pass, busy_shares
from dse.workload.operators import CLASSES

__all__ = [
    "chip_time_parts",
    "energy_parts",
    "named_parts",
    "pass_parts",
    "power_parts",
    "resource_shares",
    "token_time_parts",
]

Parts = dict[str, float]

SECONDS_PER_HOUR = 3600.0


def named_parts(tree: Any, factor: float = 1.0) -> Parts:
    """The fields of a dataclass of scalars by name, times a factor."""
    return {field.name: float(getattr(tree, field.name)) * factor for field in fields(tree)}


def pass_parts(work: Pass) -> Parts:
    """Time of one pass of one stage, cut into operator classes, boundaries, communication, overhead and throttling [s].

    A class is what its operators take of the machine, without the fixed time of each; boundaries: those fixed times,
    of all operators together; communication is what arithmetic does not hide.
    """
    fixed = float(work.demand.fixed)
    count = {name: float(work.operators[name]) for name in CLASSES}
    each = fixed / max(sum(count.values()), 1e-30)
    parts = {name: max(float(work.classes[name]) - count[name] * each, 0.0) for name in CLASSES}
    parts["boundaries"] = fixed
    parts["communication"] = float(work.communication) - float(work.hidden)
    parts["overhead"] = float(work.step)
    parts["throttling"] = float(work.throttled)
    return parts


def token_time_parts(metrics: Metrics) -> Parts:
    """Time per output token as one sequence sees it [s]: the decode step, and what comes in between.

    prefill: of other prompts on shared chips; handover: waiting for separate pools to hand sequences over.
    """
    decode, service = metrics.decode, metrics.service
    scale = float(service.step_time) / float(decode.time)
    parts = {name: time * scale for name, time in pass_parts(decode).items()}
    between = max(float(metrics.time_per_output_token) - sum(parts.values()), 0.0)
    apart = float(service.prefill_share) > 0.0
    return parts | {"prefill": 0.0 if apart else between, "handover": between if apart else 0.0}


def chip_time_parts(metrics: Metrics) -> Parts:
    """Time of one chip that one output token takes [s], prefill included: what it costs, before prices.

    The parts of both phases are added up by name; idle: what separate pools wait.
    """
    service, share = metrics.service, float(metrics.service.prefill_share)
    per_token = float(metrics.chips) / float(metrics.output_tokens_per_s) / (1.0 + share)
    on_prefill = float(service.prefill_load) * (share if share > 0.0 else 1.0)
    on_decode = float(service.decode_load)
    parts: Parts = {}
    for work, load in ((metrics.prefill, on_prefill), (metrics.decode, on_decode)):
        for name, time in pass_parts(work).items():
            parts[name] = parts.get(name, 0.0) + time / float(work.time) * load * per_token
    idle = share * (1.0 - float(service.prefill_load)) + 1.0 - on_decode if share > 0.0 else 0.0
    return parts | {"idle": idle * per_token}


def resource_shares(work: Pass) -> Parts:
    """Share of a pass in which each resource is busy [1], as of `busy_shares`."""
    return {name: float(share) for name, share in busy_shares(work).items()}


def energy_parts(metrics: Metrics, work: Pass) -> Parts:
    """Energy of one chip in one pass by what burns it, above what flows without work [J].

    Where the power limit slows the clock, what the lower voltage saves is taken from all parts but links alike.
    """
    demand, each = work.demand, metrics.hardware.energy
    links = float(each.links) * float(work.time)
    parts = {
        "clocks": (float(demand.time) + float(work.communication) - float(work.hidden)) * float(each.clocks),
        "matrix": float(demand.macs) * float(each.mac),
        "vector": float(demand.operations) * float(each.vector),
        "sram": float(demand.sram_bytes) * float(each.sram),
        "memory": float(demand.memory_bytes) * float(each.memory),
        "far_memory": float(demand.far_bytes) * float(each.far_memory),
    }
    saved = (float(work.energy) - links) / sum(parts.values())
    return {name: part * saved for name, part in parts.items()} | {"links": links}


def power_parts(metrics: Metrics) -> Parts:
    """Mean power of one package by what burns it [W]; sums to metrics.power."""
    service, share = metrics.service, float(metrics.service.prefill_share)
    load = float(service.decode_load)
    on_decode = load * float(service.stages_busy) / (1.0 + share)
    between = 1.0 - load if share == 0.0 else share * float(service.prefill_load)
    on_prefill = between / (1.0 + share)
    prefill, decode = energy_parts(metrics, metrics.prefill), energy_parts(metrics, metrics.decode)
    per_decode, per_prefill = on_decode / float(metrics.decode.time), on_prefill / float(metrics.prefill.time)
    parts = {name: decode[name] * per_decode + prefill[name] * per_prefill for name in decode}
    return parts | {"static": float(metrics.hardware.static_power)}
