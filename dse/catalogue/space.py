"""What may vary? A search space: the fixed part of a chip, its free fields, and when each of them is free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dse.catalogue.conditions import Comparison, Condition, dependency_order, holds
from dse.catalogue.errors import CatalogueError, FieldError, Problem, nearest
from dse.catalogue.fields import Choices, Range
from dse.catalogue.library import Column
from dse.catalogue.read import Entry
from dse.catalogue.schema import SpaceDocument, spec_of

__all__ = ["Space", "activate", "space_of"]


@dataclass(frozen=True)
class Space:
    """A box of chips and the job that it is searched for.

    portfolio: of jobs in place of the one, '' for none; fixed: values in base units by dotted path; free: fields that
    vary; conditions: when the conditional ones do, in an order in which each comes after those that it looks at;
    grid: values a field takes in a sweep.
    """

    name: str
    title: str
    model: str
    traffic: str
    objective: str
    price_basis: str
    portfolio: str
    grid: dict[str, int]
    fixed: dict[str, float | str | bool]
    free: dict[str, Range | Choices]
    conditions: dict[str, Condition]
    entry: Entry


def space_of(entry: Entry) -> Space:
    """The space of an entry; CatalogueError when its conditions cannot be used."""
    document = entry.document
    assert isinstance(document, SpaceDocument)
    conditions, faults = usable_conditions(entry)
    if faults:
        raise CatalogueError(faults)
    job = document.space
    free = {path: replace(field, when=conditions.get(path)) for path, field in entry.free.items()}
    return Space(
        name=entry.name,
        title=document.title,
        model=job.model,
        traffic=job.traffic,
        objective=job.objective,
        price_basis=job.price_basis,
        portfolio=job.portfolio,
        grid=dict(job.grid),
        fixed=dict(entry.values),
        free=free,
        conditions=conditions,
        entry=entry,
    )


def usable_conditions(entry: Entry) -> tuple[dict[str, Condition], list[Problem]]:
    """Conditions by path with literals in base units, in order of dependence, and what is wrong with them."""
    found: dict[str, Condition] = {}
    faults: list[Problem] = []
    known = [*entry.values, *entry.free, *entry.broken]
    for path, field in entry.free.items():
        if field.when is not None:
            try:
                found[path] = in_base_units(field.when, known)
            except FieldError as error:
                faults += error.at(str(entry.path), f"{path}.when")
    try:
        order = dependency_order(found)
    except FieldError as error:
        return {}, faults + error.at(str(entry.path), "when")
    return {path: found[path] for path in order}, faults


def in_base_units(condition: Condition, known: list[str]) -> Condition:
    """The condition with every literal as the field that it is compared with holds it."""
    converted, faults = [], []
    for comparison in condition.comparisons:
        try:
            converted.append(converted_comparison(comparison, known))
        except FieldError as error:
            faults += error.problems
    if faults:
        raise FieldError(*faults)
    return replace(condition, comparisons=tuple(converted))


def converted_comparison(comparison: Comparison, known: list[str]) -> Comparison:
    """One comparison with its literal in base units; FieldError when its field or literal cannot be."""
    spec = spec_of("space", comparison.path)
    if spec is None or comparison.path not in known:
        close = nearest(comparison.path, known)
        raise FieldError(Problem("looks at an unknown field", value=repr(comparison.path), nearest=close))
    if spec.kind != "number" and comparison.operator in ("<", "<=", ">", ">="):
        text = f"{comparison.path} {comparison.operator} {comparison.literal!r}"
        raise FieldError(Problem("compares the order of names", value=text))
    listing = isinstance(comparison.literal, tuple)
    values = tuple(spec.value(item) for item in (comparison.literal if listing else (comparison.literal,)))
    return replace(comparison, literal=values if listing else values[0])


def activate(space: Space, columns: Mapping[str, Column]) -> dict[str, Column]:
    """A value for every path of the space: the fixed ones, the sampled ones, and `otherwise` where a condition fails.

    columns: sampled values by path, one or a column; a conditional field may be left out where it is not free.
    """
    values: dict[str, Column] = {**space.fixed, **columns}
    for path, condition in space.conditions.items():
        otherwise = space.free[path].otherwise
        assert otherwise is not None
        met = holds(condition, values)
        if isinstance(met, bool):
            values[path] = values.get(path, otherwise) if met else otherwise
        else:
            values[path] = np.where(met, np.asarray(values.get(path, otherwise)), np.asarray(otherwise))
    return values
