"""What may a chip file say, and a search space? One schema: a chip is a space without a free field."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dse.catalogue.declarations import (
    Area,
    ByteRate,
    Bytes,
    CitedCount,
    CitedCountOrZero,
    Count,
    Date,
    Document,
    DollarRate,
    Dollars,
    Flag,
    FormatName,
    Share,
    Table,
    Watts,
    Words,
    name_of,
)
from dse.catalogue.fields import Figure, Spec


class ProcessTable(Table):
    """Where it is made; voltage: supply that it runs at, the nominal one of the node when absent."""

    node: Annotated[Figure, name_of("process")]
    voltage: Annotated[Figure, Spec("V", high=2.0, above=True)] | None = None


class MatrixTable(Table):
    """Matrix arithmetic; rates: every natively multiplied format over the native one; peaks: of the native one.

    measured_peak: of the best product of any shape, on the vendor's own kernels.
    accumulation: the floating-point format in which products are added up, fp32 when absent.
    spare_units: on the dies beside those that are sold; units_per_core: fed by one scheduler.
    """

    units: CitedCount
    rows: CitedCount
    columns: CitedCount
    split: Count
    clock: Annotated[Figure, Spec("1/s", high=1e11, above=True, cited=True)]
    native: FormatName
    rates: dict[str, Annotated[Figure, Spec(high=64)]]
    accumulation: FormatName | None = None
    published_peak: Annotated[Figure, Spec("FLOP/s", high=1e20, above=True, cited=True)] | None = None
    measured_peak: Annotated[Figure, Spec("FLOP/s", high=1e20, above=True, cited=True)] | None = None
    spare_units: CitedCountOrZero | None = None
    units_per_core: CitedCount | None = None


class SramTable(Table):
    """On-chip memory; local_cache: the part of local that is a cache of many cores, built like the shared SRAM."""

    capacity: Bytes
    bandwidth: ByteRate
    local: Bytes
    local_cache: Bytes | None = None
    resident_share: Share
    weight_priority: Share
    spare: Bytes | None = None


class MemoryTable(Table):
    """Main memory beside the die; only `kind` where there is none; spare_stacks: interfaces without a stack."""

    kind: Annotated[Figure, name_of("memory")]
    stacks: CitedCountOrZero | None = None
    spare_stacks: CitedCountOrZero | None = None
    capacity: Bytes | None = None
    bandwidth: ByteRate | None = None


class FarMemoryTable(Table):
    """A slower tier behind it; only `kind` where there is none."""

    kind: Annotated[Figure, name_of("memory")]
    capacity: Bytes | None = None
    bandwidth: ByteRate | None = None


class LinkTable(Table):
    """A network between chips; only `kind` where there is none."""

    kind: Annotated[Figure, name_of("link")]
    bandwidth: ByteRate | None = None
    latency: Annotated[Figure, Spec("s", high=1.0)] | None = None
    topology: Annotated[Figure, name_of("topology")] | None = None
    domain: Count | None = None


class BaseTable(Table):
    """Dies of a second kind that hold shared memory and interfaces; die_area: all of them together.

    under: whether the compute dies stand on them.
    """

    dies: CitedCount
    node: Annotated[Figure, name_of("process")]
    under: Flag
    die_area: Area | None = None


class RackTable(Table):
    """How many chips share a rack, and what it feeds and cools."""

    chips: CitedCount
    power: Watts


class PackageTable(Table):
    """What holds the dies; dies: compute dies; die_area: all of these together.

    die: its maker's name for it, by which products of one die are known; whole_system: whether processors, video and
    the like share it; full_load: power measured, or provided for, at full load where that is not the tdp.
    """

    kind: Annotated[Figure, name_of("package")]
    dies: CitedCount
    die: Annotated[Figure, name_of()] | None = None
    die_area: Area | None = None
    whole_system: Flag | None = None
    tdp: Watts
    full_load: Watts | None = None


class NumericsTable(Table):
    """Formats in which models run by default; expert_weights: of routed experts, as the weights when absent."""

    weights: FormatName
    expert_weights: FormatName | None = None
    activations: FormatName
    kv_cache: FormatName


class PriceTable(Table):
    """What is asked for it."""

    margin: Annotated[Figure, name_of("margin")]
    buy: Dollars | None = None
    rent: DollarRate | None = None
    host: Dollars | None = None
    server_power_ratio: Annotated[Figure, Spec(low=1, high=10)] | None = None


class ChipBody(Document):
    """The tables that chips and search spaces share."""

    launch: Date = ""
    software: Annotated[Figure, name_of("software")]
    style: Annotated[Figure, name_of("style")]
    vector_lanes: CitedCountOrZero
    double_lanes: CitedCountOrZero | None = None
    process: ProcessTable
    matrix: MatrixTable
    sram: SramTable
    memory: MemoryTable
    far_memory: FarMemoryTable
    scale_up: LinkTable
    scale_out: LinkTable
    package: PackageTable
    base: BaseTable | None = None
    rack: RackTable | None = None
    numerics: NumericsTable
    price: PriceTable


class ChipDocument(ChipBody):
    """An accelerator."""

    title: Words
    vendor: Words
    status: Annotated[Figure, name_of("status", ("shipping", "legacy", "internal", "announced", "hypothetical"))]


class SpaceTable(Table):
    """The job that a space is searched for, or the portfolio of jobs; grid: values a free field takes in a sweep."""

    model: Words
    traffic: Words
    objective: Words
    price_basis: Words
    portfolio: str = ""
    grid: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)


class SpaceDocument(ChipBody):
    """A box of chips, or any other shape that conditions give it."""

    title: str = ""
    vendor: str = ""

    space: SpaceTable
