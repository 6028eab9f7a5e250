"""What may the recipe of a report say?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dse.catalogue.declarations import Document, Table, Words, name_of
from dse.catalogue.errors import FieldError, Problem
from dse.catalogue.fields import Figure

__all__ = ["MoneyTable", "ReportDocument", "SiliconTable", "StudyTable", "ValidationTable"]


class StudyTable(Table):
    """A study by its arguments, what it finds against every chip of the catalogue."""

    space: Annotated[Figure, name_of("space")]
    model: Annotated[Figure, name_of("transformer")]
    traffic: Annotated[Figure, name_of("traffic")]
    price_basis: Words
    objectives: Annotated[tuple[str, ...], Field(min_length=1)]
    sampler: Words
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    trials: Annotated[int, Field(ge=1, le=1_000_000)]


class ValidationTable(Table):
    """Measured rows against the model.

    files: CSV files, from the folder that holds reports/; left_out: what the profiles that rows are predicted from have
    not seen: nothing for the profiles as they are, else a fold of the cross-validation. Figures show the last one.
    """

    files: Annotated[tuple[Words, ...], Field(min_length=1)]
    left_out: Annotated[tuple[Literal["nothing", "chip", "model", "machine", "chip-model"], ...], Field(min_length=1)]


class MoneyTable(Table):
    """Published bills, machines and costs of ownership against the modelled ones.

    published: a CSV file, from the folder that holds reports/.
    """

    published: Words


class SiliconTable(Table):
    """Chips as silicon beside what is published of them; chips: all of the catalogue."""

    chips: Literal["all"]


class ReportDocument(Document):
    """How a committed result is made again: by a study, a validation, published money, or by looking at silicon."""

    title: Words
    study: StudyTable | None = None
    validation: ValidationTable | None = None
    money: MoneyTable | None = None
    silicon: SiliconTable | None = None

    @model_validator(mode="after")
    def one_way(self) -> ReportDocument:
        """Exactly one of the tables that say how."""
        ways = ("study", "validation", "money", "silicon")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            value = " and ".join(f"[{name}]" for name in given) or "none"
            tables = ", ".join(f"[{name}]" for name in ways)
            raise FieldError(Problem(f"must have one of the tables {tables}", value=value))
        return self
