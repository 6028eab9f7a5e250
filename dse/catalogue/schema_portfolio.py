"""What may a portfolio say? The jobs that a buyer has for one kind of chip, and how much each of them counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dse.catalogue.declarations import Document, Table, Words, name_of
from dse.catalogue.fields import Figure, Spec

__all__ = ["PortfolioDocument"]


class PairTable(Table):
    """A model under a traffic; weight: its share of the bill, over the sum of all weights."""

    model: Annotated[Figure, name_of("transformer")]
    traffic: Annotated[Figure, name_of("traffic")]
    weight: Annotated[Figure, Spec(high=1e9)]


class PortfolioDocument(Document):
    """Weighted pairs of model and traffic, by names of their own."""

    title: Words
    pair: dict[str, PairTable] = Field(default_factory=dict)
