"""What do people edit, and what does it mean? The only place that knows files, units and messages about input.

Nothing here imports JAX; the arrays are built in dse.catalogue.build, which does.
"""

from __future__ import annotations

from dse.catalogue.check import check, taken_name
from dse.catalogue.count import matrix_parameters, other_parameters, parameters
from dse.catalogue.errors import CatalogueError, Problem, nearest
from dse.catalogue.fields import Choices, Range
from dse.catalogue.huggingface import import_config
from dse.catalogue.library import Library
from dse.catalogue.listing import kind_of, list_entries, resolve, used_sources
from dse.catalogue.read import Entry
from dse.catalogue.space import Space, activate
from dse.catalogue.store import Catalogue, load_space, open_catalogue
from dse.catalogue.write import write_chip

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Choices",
    "Entry",
    "Library",
    "Problem",
    "Range",
    "Space",
    "activate",
    "check",
    "import_config",
    "kind_of",
    "list_entries",
    "load_space",
    "matrix_parameters",
    "nearest",
    "open_catalogue",
    "other_parameters",
    "parameters",
    "resolve",
    "taken_name",
    "used_sources",
    "write_chip",
]
