"""What kinds of value are there? The declarations that the tables of every kind of file are made of."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dse.catalogue.fields import Figure, Spec


def name_of(names: str = "", choices: tuple[str, ...] = (), cited: bool = False) -> Spec:
    """The declaration of a field that holds a name."""
    return Spec(kind="name", names=names, choices=choices, cited=cited)


Count = Annotated[Figure, Spec(low=1, high=1e9, integer=True)]
CountOrZero = Annotated[Figure, Spec(high=1e9, integer=True)]
CitedCount = Annotated[Figure, Spec(low=1, high=1e9, integer=True, cited=True)]
CitedCountOrZero = Annotated[Figure, Spec(high=1e9, integer=True, cited=True)]
Share = Annotated[Figure, Spec(high=1)]
Ratio = Annotated[Figure, Spec(high=1e6)]
Positive = Annotated[Figure, Spec(high=1e6, above=True)]
Flag = Annotated[Figure, Spec(kind="flag")]
Tokens = Annotated[Figure, Spec("tokens", high=1e9)]
Bytes = Annotated[Figure, Spec("bytes", high=1e18, cited=True)]
ByteRate = Annotated[Figure, Spec("bytes/s", high=1e18, cited=True)]
Seconds = Annotated[Figure, Spec("s", high=1e3)]
Limit = Annotated[Figure, Spec("s", high=1e9, above=True, none=True)]
Watts = Annotated[Figure, Spec("W", high=1e6, cited=True)]
Joules = Annotated[Figure, Spec("J", high=1.0)]
JoulesPerByte = Annotated[Figure, Spec("J/byte", high=1.0)]
Area = Annotated[Figure, Spec("mm2", high=1e6, cited=True)]
Dollars = Annotated[Figure, Spec("USD", high=1e9, cited=True)]
DollarRate = Annotated[Figure, Spec("USD/s", high=1e6, cited=True)]
DollarsPerByteRate = Annotated[Figure, Spec("USD/(byte/s)", high=1.0)]
DollarsPerByte = Annotated[Figure, Spec("USD/byte", high=1.0)]
Length = Annotated[Figure, Spec("mm", high=1e4)]
Span = Annotated[Figure, Spec("s", high=1e10, above=True)]
WattsPerArea = Annotated[Figure, Spec("W/mm2", high=1e3)]
FormatName = Annotated[Figure, name_of("format")]
Words = Annotated[str, Field(min_length=1)]
Date = Annotated[str, BeforeValidator(lambda raw: raw.isoformat() if isinstance(raw, datetime.date) else raw)]


class Table(BaseModel):
    """A frozen table that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)


class SourceTable(Table):
    """A work that the file's figures are taken from."""

    title: Words
    locator: Words
    date: Date = ""


class Document(Table):
    """What every file states; kind and name, the other names it answers to, its sources."""

    kind: Words
    name: Words
    aliases: list[Words] = Field(default_factory=list)
    note: str = ""
    sources: dict[str, SourceTable] = Field(default_factory=dict)

    @property
    def heading(self) -> str:
        """The title, where the kind of file has one."""
        return str(getattr(self, "title", ""))
