"""What may the recipe of a report say?"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dse.catalogue.declarations import Document, Words, name_of
from dse.catalogue.fields import Figure

__all__ = ["ReportDocument"]


class ReportDocument(Document):
    """How a committed comparison is made again: a study by its arguments, against every chip of the catalogue."""

    title: Words
    space: Annotated[Figure, name_of("space")]
    model: Annotated[Figure, name_of("transformer")]
    traffic: Annotated[Figure, name_of("traffic")]
    price_basis: Words
    objectives: Annotated[tuple[str, ...], Field(min_length=1)]
    sampler: Words
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    trials: Annotated[int, Field(ge=1, le=1_000_000)]
