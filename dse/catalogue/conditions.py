"""When is a field free? `memory.kind != 'none' and memory.stacks >= 2`, on one design or on columns of them."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from dse.catalogue.errors import FieldError, Problem

__all__ = ["Comparison", "Condition", "dependency_order", "holds", "parse_condition"]

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, literal: np.isin(value, list(literal)),
    "not in": lambda value, literal: ~np.isin(value, list(literal)),
}
COMPARISON = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(==|!=|<=|>=|<|>|not\s+in\b|in\b)\s*(.+?)\s*", re.DOTALL)
QUOTED_OR_AND = re.compile(r"('[^']*'|\"[^\"]*\")|\band\b")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A dotted path, an operator and the literal that the value is compared with, as it was written."""

    path: str
    operator: str
    literal: Any


@dataclass(frozen=True, slots=True)
class Condition:
    """Comparisons that must all hold; text: as it was written."""

    text: str
    comparisons: tuple[Comparison, ...]

    @property
    def paths(self) -> frozenset[str]:
        """The fields that the condition looks at."""
        return frozenset(comparison.path for comparison in self.comparisons)


def parse_condition(text: Any) -> Condition:
    """Read comparisons joined by `and`; FieldError when it is anything else."""
    if not isinstance(text, str) or not text.strip():
        raise FieldError(Problem("must be a condition in quotes", value=repr(text), way_out=EXAMPLE))
    pieces = QUOTED_OR_AND.sub(lambda match: match[1] or "\0", text).split("\0")
    return Condition(text, tuple(parse_comparison(piece) for piece in pieces))


EXAMPLE = "for example when = \"memory.kind != 'none' and memory.stacks >= 2\""


def parse_comparison(text: str) -> Comparison:
    """Read `path operator literal`; a literal is a number, a quoted string, true, false or a list of these."""
    match = COMPARISON.fullmatch(text)
    if match is None:
        raise FieldError(Problem("is no comparison", value=repr(text.strip()), way_out=EXAMPLE))
    path, name, written = match[1], " ".join(match[2].split()), match[3]
    try:
        literal = ast.literal_eval({"true": "True", "false": "False"}.get(written, written))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        fault = Problem("must compare with a number, a quoted string or a list", value=repr(written), way_out=EXAMPLE)
        raise FieldError(fault) from error
    listing = isinstance(literal, list | tuple)
    if listing != name.endswith("in") or not all(
        isinstance(item, str | int | float) for item in (literal if listing else [literal])
    ):
        raise FieldError(Problem(f"cannot use {name!r} with {written}", value=repr(text.strip()), way_out=EXAMPLE))
    return Comparison(path, name, tuple(literal) if listing else literal)


def holds(condition: Condition, values: Mapping[str, Any]) -> Any:
    """Whether the condition is met: a bool for scalars, an array of them where a value is a column."""
    results = [
        OPERATORS[comparison.operator](values[comparison.path], comparison.literal)
        for comparison in condition.comparisons
    ]
    met = results[0]
    for result in results[1:]:
        met = np.logical_and(met, result)
    return bool(met) if np.ndim(met) == 0 else met


def dependency_order(conditions: Mapping[str, Condition]) -> list[str]:
    """The conditional paths, each after those that its condition looks at; FieldError naming a cycle."""
    graph = {path: condition.paths & conditions.keys() for path, condition in conditions.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        fault = Problem("the conditions form a circle", value=cycle, way_out="make one of these fields unconditional")
        raise FieldError(fault) from error
