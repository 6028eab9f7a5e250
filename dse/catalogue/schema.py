"""What may a file say? The kinds of file, and every declared field of each by its dotted path."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from dse.catalogue.declarations import Document
from dse.catalogue.fields import Spec
from dse.catalogue.schema_chip import ChipDocument, SpaceDocument, SpaceTable
from dse.catalogue.schema_format import FormatDocument
from dse.catalogue.schema_model import TrafficDocument, TransformerDocument
from dse.catalogue.schema_portfolio import PortfolioDocument
from dse.catalogue.schema_report import ReportDocument
from dse.catalogue.schema_software import CalibrationDocument, SoftwareDocument
from dse.catalogue.schema_technology import EconomicsDocument, TechnologyDocument

__all__ = [
    "KINDS",
    "Document",
    "PortfolioDocument",
    "ReportDocument",
    "SpaceDocument",
    "SpaceTable",
    "is_table",
    "spec_of",
    "specs",
    "specs_of_kind",
]


KINDS: dict[str, type[Document]] = {
    "chip": ChipDocument,
    "transformer": TransformerDocument,
    "traffic": TrafficDocument,
    "portfolio": PortfolioDocument,
    "technology": TechnologyDocument,
    "economics": EconomicsDocument,
    "software": SoftwareDocument,
    "calibration": CalibrationDocument,
    "format": FormatDocument,
    "space": SpaceDocument,
    "report": ReportDocument,
}


def specs(table: type[BaseModel], prefix: str = "") -> dict[str, Spec]:
    """Every field of a table and its sub-tables by dotted path; '*' stands for a free key.

    >>> specs(KINDS["chip"])["numerics.weights"].names
    'format'
    """
    found: dict[str, Spec] = {}
    for name, field in table.model_fields.items():
        declared = [item for item in field.metadata if isinstance(item, Spec)] + declared_in(field.annotation)
        inner = next((kind for kind in [field.annotation, *get_args(field.annotation)] if is_table(kind)), None)
        if declared:
            path = f"{prefix}{name}.*" if str(field.annotation).startswith("dict") else prefix + name
            found[path] = declared[0]
        elif inner is not None:
            starred = "*." if str(field.annotation).startswith("dict") else ""
            found |= specs(inner, f"{prefix}{name}.{starred}")
    return found


def declared_in(annotation: Any) -> list[Spec]:
    """Declarations inside `Annotated[Figure, Spec] | None` or `dict[str, Annotated[Figure, Spec]]`."""
    metadata = [item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, Spec)]
    return metadata + [spec for argument in get_args(annotation) for spec in declared_in(argument)]


def is_table(kind: Any) -> bool:
    """Whether a type is one of the tables above."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def spec_of(kind: str, path: str) -> Spec | None:
    """The declaration of a dotted path in files of a kind; None when there is no such field.

    >>> spec_of("chip", "memory.bandwidth").dimension
    'bytes/s'
    """
    declared = specs_of_kind(kind)
    return declared.get(path) or declared.get(path.rpartition(".")[0] + ".*")


SPECS: dict[str, dict[str, Spec]] = {}


def specs_of_kind(kind: str) -> dict[str, Spec]:
    """All declared fields of files of a kind, computed once."""
    if kind not in SPECS:
        SPECS[kind] = specs(KINDS[kind])
    return SPECS[kind]
