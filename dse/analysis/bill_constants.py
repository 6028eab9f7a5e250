"""Which sourced constants does a chip rest on? Every figure with a range of belief, and the leaf that it fills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import TypeGuard

import jax
import numpy as np

from dse.arrays import leaf_names
from dse.assumptions import Assumptions, Economics, Silicon
from dse.catalogue.library import Library, section
from dse.catalogue.read import Entry
from dse.hardware.chip import Chip
from dse.sources import Cited, Source

__all__ = ["Constant", "constants_of", "one_at_a_time"]

# Part of a chip -> table of the technology that fills its leaves, and the field of a chip file that names the entry.
TABLES = {
    "process": ("process", "process.node"),
    "style": ("style", "style"),
    "memory": ("memory", "memory.kind"),
    "far_memory": ("memory", "far_memory.kind"),
    "scale_up": ("link", "scale_up.kind"),
    "scale_out": ("link", "scale_out.kind"),
    "package": ("package", "package.kind"),
    "development": ("development", "process.node"),
    "price": ("margin", "price.margin"),
}
# Leaves that a chip file fills under another name.
OWN_NAMES = {
    "package.power_limit": "package.tdp",
    "package.published_die_area": "package.die_area",
    "base.published_die_area": "base.die_area",
}


@dataclass(frozen=True)
class Constant:
    """A figure with a range.

    name: as people write it, 'package.test_cost (cowos-s)'; tree: 'chip', 'silicon' or 'economics'; path: of the leaf
    in it; cited: value, range [base units] and source; entry: of the file that says so.
    """

    name: str
    tree: str
    path: str
    cited: Cited
    entry: Entry

    @property
    def work(self) -> Source | None:
        """The work that the figure is taken from, if any."""
        return self.entry.sources.get(self.cited.source)


def has_range(cited: Cited | None) -> TypeGuard[Cited]:
    """Whether a figure is a number with an end that differs from it."""
    return cited is not None and isinstance(cited.value, float) and any(end != cited.value for end in cited.range)


def constants_of(entry: Entry, chip: Chip, library: Library, buyer: str) -> list[Constant]:
    """Every constant with a range behind a chip, in the order of its parts; then silicon, economics and the buyer.

    chip: what the entry was built into; buyer: a name or alias.
    """
    buyers, economics = library.shelves["buyer"], section(library.economics, "economics")
    tables: tuple[tuple[str, str, Mapping[str, Cited], type], ...] = (
        ("silicon", "silicon", library.silicon, Silicon),
        ("economics", "economics", economics, Economics),
        ("economics", f"buyer ({buyer})", buyers.figures[buyers.names[buyers.row(buyer)]], Economics),
    )
    found = list(chip_constants(entry, chip, library, economics))
    for tree, label, figures, kind in tables:
        named = [(name, figures.get(name)) for name in leaf_names(kind)]
        home = library.economics if tree == "economics" else library.silicon_file
        found += [Constant(f"{label}.{name}", tree, name, cited, home) for name, cited in named if has_range(cited)]
    return found


def chip_constants(entry: Entry, chip: Chip, library: Library, economics: Mapping[str, Cited]) -> Iterator[Constant]:
    """Those of the chip's own file, else of the technology that it names, else of the defaults of the economics."""
    for part in leaf_names(Chip):
        figures, kind, home = named_figures(entry, part, library)
        value = getattr(chip, part)
        leaves = [f"{part}.{leaf}" for leaf in leaf_names(type(value))] if is_dataclass(value) else [part]
        for path in leaves:
            leaf = path.rpartition(".")[2]
            own, default = entry.figures.get(OWN_NAMES.get(path, path)), economics.get(leaf)
            said = ((path, own, entry), (f"{path} ({kind})", figures.get(leaf), home))
            for label, cited, where in (*said, (f"economics.{leaf}", default, library.economics)):
                if cited is not None:
                    if has_range(cited):
                        yield Constant(label, "chip", path, cited, where)
                    break


def named_figures(entry: Entry, part: str, library: Library) -> tuple[Mapping[str, Cited], str, Entry]:
    """The figures of the technology that a part of the chip is made of, its name and its file; or none of them."""
    table, key = TABLES.get(part, ("", ""))
    if not table:
        return {}, "", entry
    kind, shelf = str(entry.values.get(key, "none")), library.shelves[table]
    name = shelf.names[shelf.row(kind)]
    files = {str(one.path): one for one in (*library.technology, library.economics)}
    return shelf.figures[name], kind, files[shelf.files[name]]


def one_at_a_time(chip: Chip, assumptions: Assumptions, constants: list[Constant]) -> tuple[Chip, Assumptions]:
    """The chip and the assumptions as columns: as they are, then with each constant at its low and at its high end.

    Leaves get shape (1 + 2 x constants,).
    """
    count = 1 + 2 * len(constants)
    trees = jax.tree.map(lambda leaf: np.full(count, float(leaf)), {"chip": chip, "all": assumptions})
    for place, constant in enumerate(constants):
        column = trees["chip"] if constant.tree == "chip" else getattr(trees["all"], constant.tree)
        for name in constant.path.split("."):
            column = getattr(column, name)
        column[1 + 2 * place : 3 + 2 * place] = constant.cited.range
    return trees["chip"], trees["all"]
