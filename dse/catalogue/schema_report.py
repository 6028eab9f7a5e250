"""What may the recipe of a report say?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from dse.catalogue.declarations import Document, Table, Words, name_of
from dse.catalogue.errors import FieldError, Problem
from dse.catalogue.fields import Figure

__all__ = [
    "FormatsTable",
    "LogarithmicTable",
    "MoneyTable",
    "ReportDocument",
    "SamplersTable",
    "SearchTable",
    "SiliconTable",
    "StudyTable",
    "ValidationTable",
    "WeightsTable",
]


def ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    """Bounds of which the second is the larger; FieldError else."""
    if bounds[0] >= bounds[1]:
        raise FieldError(Problem("the second must be larger than the first", value=f"{bounds[0]:g}, {bounds[1]:g}"))
    return bounds


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


Names = Annotated[tuple[Words, ...], Field(min_length=1)]
Bounds = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(ascending)]


class SearchTable(Table):
    """How hard a space is searched: evolutions that start apart, random designs and rounds of each, children [1]."""

    islands: Annotated[int, Field(ge=1, le=100)]
    designs: Annotated[int, Field(ge=8, le=10_000)]
    rounds: Annotated[int, Field(ge=0, le=10_000)]
    children: Annotated[int, Field(ge=1, le=10_000)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]


class LogarithmicTable(Table):
    """A logarithmic format with unknown figures against rivals on the die, package and memory of a chip.

    format: the one whose file bounds energy and widths; known: one whose figures are in the literature; as_accurate:
    how much less QSNR still counts as the same [dB]; area_ratio: of a multiply-accumulate over bf16 [1], bits: of an
    element, from and to.
    """

    format: Words
    chip: Words
    model: Words
    traffics: Names
    price_basis: Words
    known: Words
    rivals: Names
    as_accurate: NonNegativeFloat
    area_ratio: Bounds
    bits: Bounds


class WeightsTable(Table):
    """A space re-designed for each format of the weights, with activations in the first format and in the others."""

    space: Words
    weights: Names
    activations: Names


class FormatsTable(Table):
    """What number formats cost, lose and buy.

    spaces: in which the best chip of each format is looked for; baseline: the format that others are held against;
    largest_loss: of the sentence model, that the answers are held to [1].
    """

    spaces: Names
    baseline: Words
    largest_loss: PositiveFloat
    search: SearchTable
    logarithmic: LogarithmicTable
    weights: WeightsTable


class SamplersTable(Table):
    """Searches by several samplers against the optimum, from what `dse bench search` kept.

    courses: a Parquet file of searches, optima: a CSV file of what sweeps have proven, their fronts beside it in
    fronts.csv; from the folder that holds reports/.
    """

    courses: Words
    optima: Words


class ReportDocument(Document):
    """How a committed result is made again: by a study, a validation, money, silicon, formats, or kept searches."""

    title: Words
    study: StudyTable | None = None
    validation: ValidationTable | None = None
    money: MoneyTable | None = None
    silicon: SiliconTable | None = None
    formats: FormatsTable | None = None
    samplers: SamplersTable | None = None

    @model_validator(mode="after")
    def one_way(self) -> ReportDocument:
        """Exactly one of the tables that say how."""
        ways = ("study", "validation", "money", "silicon", "formats", "samplers")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            value = " and ".join(f"[{name}]" for name in given) or "none"
            tables = ", ".join(f"[{name}]" for name in ways)
            raise FieldError(Problem(f"must have one of the tables {tables}", value=value))
        return self
