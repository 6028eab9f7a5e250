"""Which arrays are meant? Values of files, and columns of free fields, as the dataclasses that the physics reads.

Columnar: a path may hold one value or a column with one value a design, names included, and nothing here runs
once a design; one chip and sixteen thousand take the same few calls of numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import jax
import numpy as np
from jaxtyping import Bool

from dse.arrays import Number, leaf_names
from dse.assumptions import Assumptions, Economics, Serving, Silicon
from dse.catalogue.count import other_parameters
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.library import Column, Library, Names, Numbers, codes_of, section
from dse.catalogue.numerics import arithmetic_of
from dse.hardware import chip as parts
from dse.sources import Cited
from dse.workload import transformer as model
from dse.workload.traffic import NO_LIMIT, Traffic

__all__ = ["BUYER", "PRICE_BASES", "build_assumptions", "build_chips", "build_traffic", "build_transformer"]

T = TypeVar("T")
PRICE_BASES = ("make", "buy", "rent", "tco")
BUYER = "hyperscaler"
"""Whose money is counted where nobody says."""
QUALITY = ("quantisation_noise", "accuracy_loss")
YIELD_WEIGHTS = ("yield_negative_binomial", "yield_poisson", "yield_murphy", "yield_seeds")


class Columns:
    """Values by dotted path, one or a column of them; CatalogueError when one is missing."""

    def __init__(self, values: Mapping[str, Column]) -> None:
        self.values = values

    def number(self, path: str, default: Numbers | None = None) -> Numbers:
        """A number or a column of numbers in base units; the default where the path is absent."""
        value = self.values.get(path, default)
        if value is None:
            raise CatalogueError([Problem("missing", key=path)])
        return value.astype(np.float64, copy=False) if isinstance(value, np.ndarray) else float(value)

    def names(self, path: str, default: str | None = None) -> Names:
        """A name or a column of names."""
        value = self.values.get(path, default)
        if value is None:
            raise CatalogueError([Problem("missing", key=path)])
        return value if isinstance(value, np.ndarray) else str(value)

    def absent(self, path: str) -> Bool[np.ndarray, "*designs"]:
        """Where the name at the path is 'none'."""
        return np.asarray(np.equal(self.names(path), "none"))


def build_chips(columns: Mapping[str, Column], library: Library) -> parts.Chip:
    """One chip, or a column of designs, from flattened values in base units (names as strings).

    columns: dotted path -> value or array over designs; library: technology, formats, software. Every leaf is a
    float64 array of the number of designs, without axes for one chip. CatalogueError for unknown names.
    """
    given = Columns(columns)
    shelves = library.shelves
    arithmetic = arithmetic_of(columns, library)
    chip = parts.Chip(
        process=process_of(given, library, "process.node"),
        style=parts.Style(**shelves["style"].gather(given.names("style"))),
        matrix=matrix_of(given, arithmetic.area_ratio, library),
        vector_lanes=given.number("vector_lanes"),
        double_lanes=given.number("double_lanes", 0.0),
        sram=sram_of(given),
        memory=memory_of(given, library),
        far_memory=far_memory_of(given, library),
        scale_up=link_of(given, library, "scale_up"),
        scale_out=link_of(given, library, "scale_out"),
        package=package_of(given, library),
        base=base_of(given, library),
        numerics=arithmetic.numerics,
        execution=execution_of(given, library),
        development=parts.Development(**shelves["development"].gather(given.names("process.node"))),
        price=price_of(given, library),
    )
    return as_arrays(chip)


def as_arrays(tree: T) -> T:
    """Every leaf as float64, broadcast to the designs."""
    shape = np.broadcast_shapes(*(np.shape(leaf) for leaf in jax.tree.leaves(tree)))

    def filled(leaf: Number) -> np.ndarray:
        array = np.asarray(leaf, dtype=np.float64)
        return array if array.shape == shape else np.broadcast_to(array, shape)

    return jax.tree.map(filled, tree)


def process_of(given: Columns, library: Library, path: str) -> parts.Process:
    """The node named at a path, at the supply voltage of the chip, which defaults to the nominal one of the node."""
    node = library.shelves["process"].gather(given.names(path))
    fields = {name: node[name] for name in leaf_names(parts.Process) if name != "voltage"}
    return parts.Process(**fields, voltage=given.number("process.voltage", node["nominal_voltage"]))


def sram_of(given: Columns) -> parts.Sram:
    """On-chip memory."""
    stated = ("capacity", "bandwidth", "local", "resident_share", "weight_priority")
    absent = {name: given.number(f"sram.{name}", 0.0) for name in ("spare", "local_cache")}
    return parts.Sram(**{name: given.number(f"sram.{name}") for name in stated}, **absent)


def matrix_of(given: Columns, area_ratio: Numbers, library: Library) -> parts.MatrixUnits:
    """The matrix units, with the silicon of a cell over that of a bf16 cell [1]."""
    return parts.MatrixUnits(
        **{name: given.number(f"matrix.{name}") for name in ("units", "rows", "columns", "split", "clock")},
        spare_units=given.number("matrix.spare_units", 0.0),
        units_per_core=given.number("matrix.units_per_core", 1.0),
        area_ratio=area_ratio,
        sustained=sustained_of(given, library),
    )


def sustained_of(given: Columns, library: Library) -> Number:
    """Share of the peak that the best product reaches: measured on the chip, else usual for its style [1]."""
    usual = library.shelves["style"].gather(given.names("style"))["matrix_sustained"]
    measured, published = (given.number(f"matrix.{kind}_peak", 0.0) for kind in ("measured", "published"))
    known = np.asarray(measured) * np.asarray(published) > 0.0
    share = np.where(known, measured / np.maximum(published, 1.0), usual)
    return share if share.ndim else float(share)


def memory_of(given: Columns, library: Library) -> parts.Memory:
    """Main memory; capacity and bandwidth default to what the stacks of its kind have."""
    kind = library.shelves["memory"].gather(given.names("memory.kind"))
    present = ~given.absent("memory.kind")
    stacks = given.number("memory.stacks", 0.0) * present
    return parts.Memory(
        stacks=stacks,
        spare_stacks=given.number("memory.spare_stacks", 0.0) * present,
        bonded=np.nan_to_num(kind["needs_carrier"]) * present,
        capacity=given.number("memory.capacity", stacks * kind["capacity"]) * present,
        bandwidth=given.number("memory.bandwidth", stacks * kind["bandwidth"]) * present,
        **{key: kind[key] for key in ("energy", "phy_area", "controller_area", "shoreline", "price", "idle_power")},
    )


def far_memory_of(given: Columns, library: Library) -> parts.FarMemory:
    """The slower tier."""
    kind = library.shelves["memory"].gather(given.names("far_memory.kind"))
    present = ~given.absent("far_memory.kind")
    return parts.FarMemory(
        capacity=given.number("far_memory.capacity", 0.0) * present,
        bandwidth=given.number("far_memory.bandwidth", 0.0) * present,
        energy=kind["energy"],
        price=kind["price"],
    )


LINK_COLUMNS = ("energy", "adapter_energy", "adapter_price", "cable_price", "switch_price", "controller_area")


def link_of(given: Columns, library: Library, name: str) -> parts.Link:
    """A network; latency defaults to that of its kind, and where there is no network the chip is alone."""
    kind = library.shelves["link"].gather(given.names(f"{name}.kind"))
    shape = library.shelves["topology"].gather(given.names(f"{name}.topology", "switch"))
    present = ~given.absent(f"{name}.kind")
    domain = np.where(present, given.number(f"{name}.domain", 1.0), 1.0)
    return parts.Link(
        bandwidth=given.number(f"{name}.bandwidth", 0.0) * present,
        latency=given.number(f"{name}.latency", kind["latency"]),
        dimensions=shape["dimensions"],
        domain=domain,
        tiers=switch_tiers(shape["dimensions"], domain, number_of(library.silicon, "switch_radix")),
        **{key: kind[key] for key in LINK_COLUMNS},
    )


def switch_tiers(dimensions: Number, domain: Number, radix: float) -> Number:
    """Tiers of switches between the chips of a domain, log(domain) / log(radix) where that is above 1 [1]."""
    tiers = np.log(np.maximum(domain, 1.0)) / np.log(radix)
    return np.where(np.asarray(dimensions) > 0.0, 1.0, np.maximum(tiers, 1.0))


def package_of(given: Columns, library: Library) -> parts.Package:
    """The package, with the limits and costs of its kind."""
    kind = library.shelves["package"].gather(given.names("package.kind"))
    return parts.Package(
        **{key: column for key, column in kind.items() if key not in ("carrier", "holds_stacks")},
        dies=given.number("package.dies"),
        power_limit=given.number("package.tdp"),
        published_die_area=given.number("package.die_area", 0.0),
        rack_chips=given.number("rack.chips", 1.0),
        rack_power=given.number("rack.power", NO_LIMIT),
    )


def base_of(given: Columns, library: Library) -> parts.BaseDies:
    """Dies of a second kind, in the node of the compute dies where there are none."""
    path = "base.node" if "base.node" in given.values else "process.node"
    return parts.BaseDies(
        dies=given.number("base.dies", 0.0),
        under=given.number("base.under", 0.0),
        process=process_of(given, library, path),
        published_die_area=given.number("base.die_area", 0.0),
    )


def execution_of(given: Columns, library: Library) -> parts.Execution:
    """What the chip's software achieves."""
    names = given.names("software")
    distinct = [names] if isinstance(names, str) else codes_of(names)[0]
    found = library.software(distinct).gather(names)
    return parts.Execution(**{name: found[name] for name in leaf_names(parts.Execution)})


def price_of(given: Columns, library: Library) -> parts.Price:
    """Prices; host and server power default to those of the economics table."""
    economics = section(library.economics, "economics")
    defaults = {key: number_of(economics, key) for key in ("host", "server_power_ratio") if key in economics}
    margin = library.shelves["margin"].gather(given.names("price.margin"))
    return parts.Price(
        buy=given.number("price.buy", 0.0),
        rent=given.number("price.rent", 0.0),
        gross_margin=margin["gross_margin"],
        negotiable=margin["negotiable"],
        host=given.number("price.host", defaults.get("host")),
        server_power_ratio=given.number("price.server_power_ratio", defaults.get("server_power_ratio")),
    )


def number_of(figures: Mapping[str, Cited], key: str) -> float:
    """The figure of a table as a number [base units]; CatalogueError when it is missing."""
    if key not in figures:
        raise CatalogueError([Problem("missing", key=key)])
    return float(figures[key].value)


def build_transformer(values: Mapping[str, Column]) -> model.Transformer:
    """A model from its flattened values; a part that it has not gets no layers and sizes of one."""
    given = Columns(values)
    flat = {key: value for key, value in values.items() if not isinstance(value, np.ndarray)}
    built = model.Transformer(
        layers=given.number("architecture.layers"),
        hidden=given.number("architecture.hidden"),
        vocabulary=given.number("architecture.vocabulary"),
        tied=given.number("architecture.tied_embeddings"),
        blocks_per_reduction=1.0 + given.number("architecture.parallel_block"),
        other_parameters=float(sum(other_parameters(flat).values())),
        attention=sizes_of(model.Attention, given, "attention"),
        latent=sizes_of(model.LatentAttention, given, "latent_attention"),
        feed_forward=sizes_of(model.FeedForward, given, "feed_forward"),
        experts=sizes_of(model.Experts, given, "experts"),
        state_space=sizes_of(model.StateSpace, given, "state_space"),
        linear_attention=sizes_of(model.LinearAttention, given, "linear_attention"),
    )
    return as_arrays(built)


# Sizes that are zero, not one, in a part that a model has not: each means that something is absent.
ZERO_WHEN_ABSENT = frozenset({"layers", "window_layers", "window", "shared_width", "latent"})
# Products with the state that each rule of linear attention needs for a token.
RULES = {"additive": 2.0, "delta": 3.0, "generalised-delta": 4.0}


def sizes_of(part: type[T], given: Columns, table: str) -> T:
    """A part of a model from its table; gated networks have three matrices, others two; rules as in RULES."""
    sizes: dict[str, Numbers] = {}
    for name in getattr(part, "__dataclass_fields__"):  # noqa: B009
        if name == "matrices":
            sizes[name] = 2.0 + given.number(f"{table}.gated", 0.0)
        elif name == "gate":
            sizes[name] = given.number(f"{table}.output_gate", 0.0)
        elif name == "products":
            sizes[name] = RULES[str(given.names(f"{table}.rule", "additive"))]
        else:
            sizes[name] = given.number(f"{table}.{name}", 0.0 if name in ZERO_WHEN_ABSENT else 1.0)
    return part(**sizes)


def build_traffic(values: Mapping[str, Column]) -> Traffic:
    """A traffic from its flattened values; 'none' is a limit that is never reached [s or sequences].

    How good formats must be is nowhere in its file: commands ask for it.
    """
    given = Columns({key: NO_LIMIT if isinstance(value, str) else value for key, value in values.items()})
    asked = [name for name in leaf_names(Traffic) if name not in QUALITY]
    return as_arrays(Traffic(**{name: given.number(name) for name in asked}))


def build_assumptions(
    library: Library, price_basis: str = "tco", buyer: str = BUYER, volume: float | int | None = None
) -> Assumptions:
    """Silicon, economics and serving; CatalogueError for unknown names.

    price_basis: which price comparisons use, one of PRICE_BASES; buyer: whose money it is; volume: chips over which the
    development of a chip without a market price is spread, the catalogue's when none is given.
    """
    if price_basis not in PRICE_BASES:
        close = nearest(price_basis, PRICE_BASES)
        raise CatalogueError(
            [Problem("unknown price basis", "", "price_basis", price_basis, listed(PRICE_BASES), close)]
        )
    economics, serving = section(library.economics, "economics"), section(library.economics, "serving")
    given: dict[str, Numbers] = {f"basis_{name}": float(name == price_basis) for name in PRICE_BASES}
    given |= library.shelves["buyer"].gather(buyer)
    if volume is not None:
        given["volume"] = float(volume)
    built = Assumptions(
        silicon=silicon_of(library),
        economics=Economics(
            **given,
            **{name: number_of(economics, name) for name in Economics.__dataclass_fields__ if name not in given},
        ),
        serving=Serving(**{name: number_of(serving, name) for name in Serving.__dataclass_fields__}),
    )
    return as_arrays(built)


def silicon_of(library: Library) -> Silicon:
    """Coefficients of silicon; the yield model that is named gets the weight 1, the others none."""
    silicon = library.silicon
    named = str(silicon["yield_model"].value).replace("-", "_")
    weights = {name: float(name == f"yield_{named}") for name in leaf_names(Silicon) if name in YIELD_WEIGHTS}
    numbers = {name: number_of(silicon, name) for name in leaf_names(Silicon) if name not in YIELD_WEIGHTS}
    return Silicon(**numbers, **weights)
