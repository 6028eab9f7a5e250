"""What may a file say? Every kind of file as frozen tables of declared fields; unknown keys are refused.

A chip and a search space share one schema: a chip is a space without a free field.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dse.catalogue.fields import Figure, Spec

__all__ = ["KINDS", "Document", "Table", "spec_of", "specs"]


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
    aliases: list[Words] = []
    note: str = ""
    sources: dict[str, SourceTable] = {}

    @property
    def heading(self) -> str:
        """The title, where the kind of file has one."""
        return str(getattr(self, "title", ""))


class ProcessTable(Table):
    """Where it is made."""

    node: Annotated[Figure, name_of("process")]


class MatrixTable(Table):
    """Matrix arithmetic; rates: every natively multiplied format over the native one."""

    units: CitedCount
    rows: CitedCount
    columns: CitedCount
    split: Count
    clock: Annotated[Figure, Spec("1/s", high=1e11, above=True, cited=True)]
    native: FormatName
    rates: dict[str, Annotated[Figure, Spec(high=64)]]
    published_peak: Annotated[Figure, Spec("FLOP/s", high=1e20, above=True, cited=True)] | None = None


class SramTable(Table):
    """On-chip memory."""

    capacity: Bytes
    bandwidth: ByteRate
    local: Bytes
    resident_share: Share
    weight_priority: Share


class MemoryTable(Table):
    """Main memory beside the die; only `kind` where there is none."""

    kind: Annotated[Figure, name_of("memory")]
    stacks: CitedCountOrZero | None = None
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


class PackageTable(Table):
    """What holds the dies; die_area: all of them together."""

    kind: Annotated[Figure, name_of("package")]
    dies: CitedCount
    die_area: Area | None = None
    tdp: Watts


class NumericsTable(Table):
    """Formats in which models run by default."""

    weights: FormatName
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
    process: ProcessTable
    matrix: MatrixTable
    sram: SramTable
    memory: MemoryTable
    far_memory: FarMemoryTable
    scale_up: LinkTable
    scale_out: LinkTable
    package: PackageTable
    numerics: NumericsTable
    price: PriceTable


class ChipDocument(ChipBody):
    """An accelerator."""

    title: Words
    vendor: Words
    status: Annotated[Figure, name_of("status", ("shipping", "legacy", "internal", "announced", "hypothetical"))]


class SpaceTable(Table):
    """The job that a space is searched for; grid: number of values a free field takes in a sweep."""

    model: Words
    traffic: Words
    objective: Words
    price_basis: Words
    grid: dict[str, Annotated[int, Field(ge=1)]] = {}


class SpaceDocument(ChipBody):
    """A box of chips, or any other shape that conditions give it."""

    title: str = ""
    vendor: str = ""

    space: SpaceTable


class ArchitectureTable(Table):
    """Sizes of the whole model; extra_parameters: vectors of its own that no other field counts."""

    layers: Count
    hidden: Count
    vocabulary: Count
    tied_embeddings: Flag
    positions: CountOrZero
    norm: Annotated[Figure, name_of("norm", ("rms", "layer", "layer-nobias"))]
    norms_per_layer: CountOrZero
    final_norm: Flag
    biases: Annotated[Figure, name_of("biases", ("none", "qkv", "all"))]
    parallel_block: Flag
    embedding_norm: Flag
    extra_parameters: Annotated[Figure, Spec(high=1e13, integer=True, cited=True)] | None = None


class AttentionTable(Table):
    """Attention with key-value heads; layers: with full context."""

    layers: CountOrZero
    window_layers: CountOrZero
    window: CountOrZero
    heads: Count
    kv_heads: Count
    head_dim: Count
    qk_norm: Flag
    sinks: Flag
    output_bias: Flag


class LatentAttentionTable(Table):
    """Multi-head latent attention; query_rank 0: the query is projected at once."""

    layers: Count
    heads: Count
    query_rank: CountOrZero
    kv_rank: Count
    nope_dim: Count
    rope_dim: CountOrZero
    value_dim: Count


class FeedForwardTable(Table):
    """Dense layers."""

    layers: Count
    width: Count
    gated: Flag


class ExpertsTable(Table):
    """Expert layers; shared_width: always active, all shared experts together."""

    layers: Count
    count: Count
    active: Count
    width: Count
    shared_width: CountOrZero
    gated: Flag
    router_bias: Flag
    bias: Flag


class StateSpaceTable(Table):
    """State-space layers; heads 0: Mamba-1; step_rank 0: Mamba-2."""

    layers: Count
    inner: Count
    state: Count
    heads: CountOrZero
    groups: CountOrZero
    convolution: CountOrZero
    step_rank: CountOrZero


class TransformerDocument(Document):
    """A language model; parameters: the published count, which the computed one must meet within the tolerance."""

    title: Words
    parameters: Annotated[Figure, Spec(low=1, high=1e15, integer=True, cited=True)]
    parameters_tolerance: Share
    architecture: ArchitectureTable
    attention: AttentionTable | None = None
    latent_attention: LatentAttentionTable | None = None
    feed_forward: FeedForwardTable | None = None
    experts: ExpertsTable | None = None
    state_space: StateSpaceTable | None = None


class TrafficDocument(Document):
    """A stream of requests."""

    title: Words
    input_tokens: Annotated[Figure, Spec("tokens", high=1e9, above=True)]
    output_tokens: Tokens
    input_variation: Annotated[Figure, Spec(high=100)]
    output_variation: Annotated[Figure, Spec(high=100)]
    prefix_hit_rate: Share
    time_to_first_token: Limit
    time_per_output_token: Limit
    concurrency: Annotated[Figure, Spec(high=1e9, above=True, none=True)]


class ProcessEntry(Table):
    """A manufacturing node, against 7 nm."""

    aliases: list[Words] = []
    title: str = ""
    logic_area_scale: Positive
    mac_energy_scale: Positive
    sram_density: Annotated[Figure, Spec("bytes/mm2", high=1e9, above=True)]
    wafer_price: Dollars
    defect_density: Annotated[Figure, Spec("1/mm2", high=1.0)]
    logic_leakage: WattsPerArea
    sram_leakage: WattsPerArea


class StyleEntry(Table):
    """How the silicon around the arithmetic is organised."""

    aliases: list[Words] = []
    title: str = ""
    control_area_ratio: Ratio
    control_energy: Joules
    sram_density_ratio: Positive
    sram_energy: JoulesPerByte
    transport_energy: JoulesPerByte


class MemoryEntry(Table):
    """A kind of memory, per stack or device."""

    aliases: list[Words] = []
    title: str = ""
    bandwidth: ByteRate
    capacity: Bytes
    energy: JoulesPerByte
    phy_area: Area
    controller_area: Area
    shoreline: Length
    price: DollarsPerByte
    idle_power: Watts


class LinkEntry(Table):
    """A kind of link."""

    aliases: list[Words] = []
    title: str = ""
    latency: Seconds
    energy: JoulesPerByte
    price: Annotated[Figure, Spec("USD/(byte/s)", high=1.0)]


class TopologyEntry(Table):
    """A network shape: 0 switch, 1 ring, 2 or 3 torus or mesh."""

    aliases: list[Words] = []
    title: str = ""
    dimensions: Annotated[Figure, Spec(high=8)]


class PackageEntry(Table):
    """A way of packaging dies."""

    aliases: list[Words] = []
    title: str = ""
    die_area_limit: Area
    silicon_limit: Area
    cost_per_area: Annotated[Figure, Spec("USD/mm2", high=1e3)]
    fixed_cost: Dollars
    test_cost: Dollars
    bond_yield: Share
    defect_recovery: Share
    power_density_limit: WattsPerArea


class MarginEntry(Table):
    """A vendor's position in the market."""

    aliases: list[Words] = []
    title: str = ""
    gross_margin: Share


class SiliconTable(Table):
    """Coefficients that depend on neither node nor design; see dse.assumptions.Silicon.

    shared_format_overhead: extra area of an array for each further width of format that it multiplies [1].
    """

    mac_area: Area
    edge_cell_area: Area
    vector_lane_area: Area
    mac_energy: Joules
    vector_energy: Annotated[Figure, Spec("J/FLOP", high=1.0)]
    local_density_ratio: Positive
    local_energy: JoulesPerByte
    sram_bandwidth_area: Annotated[Figure, Spec("mm2/(byte/s)", high=1.0)]
    serdes_area_density: Annotated[Figure, Spec("bytes/s/mm2", high=1e18, above=True)]
    serdes_edge_density: Annotated[Figure, Spec("bytes/s/mm", high=1e18, above=True)]
    noc_area_ratio: Ratio
    other_area: Area
    usable_edge: Share
    memory_edge_share: Share
    die_to_die_edge_share: Share
    stack_footprint: Area
    wafer_diameter: Length
    edge_exclusion: Length
    scribe: Length
    yield_alpha: Positive
    probe_cost: Dollars
    shared_format_overhead: Ratio


class TechnologyDocument(Document):
    """Tables of the silicon, memory, link and package industry; a file holds one or more of them."""

    title: str = ""
    process: dict[str, ProcessEntry] = {}
    style: dict[str, StyleEntry] = {}
    memory: dict[str, MemoryEntry] = {}
    link: dict[str, LinkEntry] = {}
    topology: dict[str, TopologyEntry] = {}
    package: dict[str, PackageEntry] = {}
    silicon: SiliconTable | None = None


class EconomicsTable(Table):
    """Inputs of the cost of ownership; see dse.assumptions.Economics.

    host_margin: of who sells servers, for checks of server prices; host, server_power_ratio: of a chip that gives none.
    """

    depreciation: Span
    facility_life: Span
    interest_rate: Annotated[Figure, Spec("1/s", high=1.0)]
    facility_price: Annotated[Figure, Spec("USD/W", high=1e6)]
    electricity_price: Annotated[Figure, Spec("USD/J", high=1.0)]
    pue: Annotated[Figure, Spec(low=1, high=10)]
    maintenance_rate: Annotated[Figure, Spec("1/s", high=1.0)]
    utilisation: Annotated[Figure, Spec(high=1, above=True)]
    rent_margin: Annotated[Figure, Spec(high=0.99)]
    host_margin: Share | None = None
    host: Dollars | None = None
    server_power_ratio: Annotated[Figure, Spec(low=1, high=10)] | None = None


class ServingTable(Table):
    """How requests are served; see dse.assumptions.Serving."""

    prefill_utilisation: Annotated[Figure, Spec(high=1, above=True)]
    draft_tokens: Annotated[Figure, Spec(high=64)]
    draft_acceptance: Share
    draft_time: Share


class EconomicsDocument(Document):
    """What money costs: power, space, interest, margins; and how requests are served."""

    title: str = ""
    economics: EconomicsTable
    serving: ServingTable | None = None
    margin: dict[str, MarginEntry] = {}


class ExecutionTable(Table):
    """What software achieves on a class of machines."""

    matrix_efficiency: Annotated[Figure, Spec(high=1, above=True)]
    memory_efficiency: Annotated[Figure, Spec(high=1, above=True)]
    network_efficiency: Annotated[Figure, Spec(high=1, above=True)]
    usable_memory: Annotated[Figure, Spec(high=1, above=True)]
    operator_time: Seconds
    step_time: Seconds
    collective_time: Seconds
    overlap: Share
    expert_imbalance: Annotated[Figure, Spec(low=1, high=100)]


class SoftwareDocument(Document):
    """An execution profile: a family of software on a class of machines."""

    title: str = ""
    execution: ExecutionTable


class FormatDocument(Document):
    """A number format; ratios against a bf16 multiplication with fp32 accumulation on the same node."""

    title: Words
    family: str = ""
    bits: Annotated[Figure, Spec(high=64, above=True)]
    mac_energy_ratio: Positive
    mac_area_ratio: Positive
    multiplies: Flag


KINDS: dict[str, type[Document]] = {
    "chip": ChipDocument,
    "transformer": TransformerDocument,
    "traffic": TrafficDocument,
    "technology": TechnologyDocument,
    "economics": EconomicsDocument,
    "software": SoftwareDocument,
    "format": FormatDocument,
    "space": SpaceDocument,
}


def specs(table: type[BaseModel], prefix: str = "") -> dict[str, Spec]:
    """Every field of a table and its sub-tables by dotted path; '*' stands for a free key.

    >>> specs(NumericsTable)["weights"].names
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
