"""How many operations does a point cost? Counted in the program that JAX traces."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.extend
import numpy as np

from dse.analysis.comparison import Job
from dse.best_mapping import BLOCK, as_type, padded
from dse.hardware.chip import Chip
from dse.timing.inference import decode_tokens, lengths_of, prefill_tokens
from dse.workload.operators import operator_table

__all__ = ["operations_per_point"]

FREE = {"broadcast_in_dim", "reshape", "convert_element_type", "squeeze", "slice", "concatenate", "transpose", "copy"}


def inner_jaxprs(equation: Any) -> list[Any]:
    """Programs called by an equation, apart from scan and cond."""
    found = [value for value in equation.params.values() if hasattr(value, "jaxpr") or hasattr(value, "eqns")]
    return [getattr(value, "jaxpr", value) for value in found]


def count(jaxpr: Any, points: int, rows: float) -> float:
    """Element-wise operations on arrays of the full size, in a traced program [1].

    points: size that counts; rows: operator rows that the model really has, of all that the table scans over.
    """
    total = 0.0
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name == "scan":
            total += (
                rows * count(equation.params["jaxpr"].jaxpr, points, rows)
                if deepest(equation)
                else 2.0 * count(equation.params["jaxpr"].jaxpr, points, rows)
            )
        elif name == "cond":
            total += max(count(branch.jaxpr, points, rows) for branch in equation.params["branches"])
        elif inner_jaxprs(equation):
            total += sum(count(inner, points, rows) for inner in inner_jaxprs(equation))
        elif name not in FREE:
            total += sum(1.0 for out in equation.outvars if math.prod(out.aval.shape) >= points)
    return total


def deepest(equation: Any) -> bool:
    """Whether a scan holds no other scan: the operator table, and not the two phases around it."""
    return not any(inner.primitive.name == "scan" for inner in equation.params["jaxpr"].jaxpr.eqns)


def operations_per_point(function: Callable[..., Any], chips: Chip, job: Job) -> float:
    """Operations of one point of a model: what touches every design x mapping, skipped operators left out [1].

    function: evaluate; chips: leaves (designs, 1); job: its first block of mappings is taken.
    """
    block = padded(job.mappings, BLOCK, 0, np.float32)
    model, traffic, assumptions = as_type((job.transformer, job.requests, job.assumptions), np.float32)
    traced = jax.make_jaxpr(function)(chips, model, traffic, block, assumptions)
    designs = np.size(chips.matrix.units)
    return count(traced.jaxpr, designs * BLOCK, busy_rows(job))


def busy_rows(job: Job) -> float:
    """Rows of the operator table that run for a model, the mean of prefill and decode [1]."""
    lengths = lengths_of(job.requests, job.transformer)
    passes = (prefill_tokens(lengths, job.mappings), decode_tokens(lengths, job.mappings, 0.0))
    tables = [operator_table(job.transformer, job.mappings, tokens) for tokens in passes]
    return float(np.mean([np.count_nonzero(np.max(table.layers, axis=-1) > 0) for table in tables]))
