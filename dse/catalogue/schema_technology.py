"""What may the tables say? Technology, money and number formats."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dse.catalogue.declarations import (
    Area,
    ByteRate,
    Bytes,
    CountOrZero,
    Document,
    Dollars,
    DollarsPerByte,
    DollarsPerByteRate,
    Flag,
    Joules,
    JoulesPerByte,
    Length,
    Positive,
    Ratio,
    Seconds,
    Share,
    Span,
    Table,
    Watts,
    WattsPerArea,
    Words,
    name_of,
)
from dse.catalogue.fields import Figure, Spec

BandwidthArea = Annotated[Figure, Spec("mm2/(byte/s)", high=1.0)]
Volts = Annotated[Figure, Spec("V", high=2.0, above=True)]
YIELD_MODELS = ("negative-binomial", "poisson", "murphy", "seeds")


class ProcessEntry(Table):
    """A manufacturing node, against 7 nm."""

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    logic_area_scale: Positive
    mac_energy_scale: Positive
    sram_density: Annotated[Figure, Spec("bytes/mm2", high=1e9, above=True)]
    wafer_price: Dollars
    defect_density: Annotated[Figure, Spec("1/mm2", high=1.0)]
    logic_leakage: WattsPerArea
    sram_leakage: WattsPerArea
    nominal_voltage: Volts
    threshold_voltage: Volts
    feature_size: Length
    lowest_voltage: Volts
    highest_voltage: Volts


class StyleEntry(Table):
    """How the silicon around the arithmetic is organised; fitted_to: chips whose dies its area was fitted to."""

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    fitted_to: list[Words] = Field(default_factory=list)
    control_area_ratio: Ratio
    core_area: Area
    fixed_area: Area
    control_energy: Joules
    core_memory: Share
    sram_density_ratio: Positive
    sram_bandwidth_area: BandwidthArea
    sram_energy: JoulesPerByte
    sram_distance: Ratio
    cell_registers: Ratio
    operand_energy: JoulesPerByte
    transport_energy: JoulesPerByte
    sram_bandwidth_density: Annotated[Figure, Spec("1/s", high=1e9, above=True)]
    matrix_sustained: Annotated[Figure, Spec(high=1, above=True)]


class MemoryEntry(Table):
    """A kind of memory, per stack or device.

    oldest_node: on which its interface has been made; needs_carrier: whether it stands on an interposer or bridges.
    """

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    bandwidth: ByteRate
    capacity: Bytes
    energy: JoulesPerByte
    oldest_node: Length
    phy_area: Area
    controller_area: Area
    shoreline: Length
    price: DollarsPerByte
    idle_power: Watts
    needs_carrier: Flag | None = None


class LinkEntry(Table):
    """A kind of link; adapter_energy: of network adapters on the die, at 7 nm."""

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    latency: Seconds
    energy: JoulesPerByte
    adapter_energy: JoulesPerByte
    adapter_price: DollarsPerByteRate
    cable_price: DollarsPerByteRate
    switch_price: DollarsPerByteRate
    controller_area: BandwidthArea


class TopologyEntry(Table):
    """A network shape: 0 switch, 1 ring, 2 or 3 torus or mesh."""

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    dimensions: Annotated[Figure, Spec(high=8)]


class PackageEntry(Table):
    """A way of packaging dies; carrier: by which the academic model builds it; holds_stacks: beside the dies."""

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    die_area_limit: Area
    silicon_limit: Area
    cost_per_area: Annotated[Figure, Spec("USD/mm2", high=1e3)]
    fixed_cost: Dollars
    test_cost: Dollars
    test_cost_per_area: Annotated[Figure, Spec("USD/mm2", high=1e3)]
    bond_yield: Share
    defect_recovery: Share
    power_density_limit: WattsPerArea
    carrier: Annotated[Figure, name_of("carrier")] | None = None
    holds_stacks: Flag


class CarrierEntry(Table):
    """What carries the dies in the academic model; see dse.hardware.actuary.Carrier."""

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    wafers: CountOrZero
    wafer_price: Dollars
    defect_density: Annotated[Figure, Spec("1/mm2", high=1.0)]
    clustering: Positive
    area_ratio: Positive
    bond_yield: Share
    bump_price: Annotated[Figure, Spec("USD/mm2", high=1e3)]


class DevelopmentEntry(Table):
    """What a design on a node costs before the first chip."""

    design: Dollars
    masks: Dollars
    intellectual_property: Dollars


Year = Annotated[str, Field(pattern=r"^(19|20)\d\d(\.\d+)?$")]


class MemoryHistory(Table):
    """What a memory cost in other years."""

    price: dict[Year, DollarsPerByte]


class WaferHistory(Table):
    """What the wafers of a node cost in other years."""

    wafer_price: dict[Year, Dollars]


class MarginEntry(Table):
    """A vendor's position in the market."""

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    gross_margin: Annotated[Figure, Spec(high=0.99)]
    negotiable: Flag


class BuyerEntry(Table):
    """Who buys machines and runs them; see dse.assumptions.Economics."""

    aliases: list[Words] = Field(default_factory=list)
    title: str = ""
    interest_rate: Annotated[Figure, Spec("1/s", high=1.0)]
    margin_share: Share
    facility_price: Annotated[Figure, Spec("USD/W", high=1e6)]
    pue: Annotated[Figure, Spec(low=1, high=10)]
    rent_margin: Annotated[Figure, Spec(high=0.99)]


class SiliconTable(Table):
    """Coefficients that depend on neither node nor design; see dse.assumptions.Silicon.

    shared_format_overhead: extra area of an array for each further width of format that it multiplies [1].
    """

    mac_area: Area
    edge_cell_area: Area
    vector_lane_area: Area
    double_lane_area: Area
    mac_energy: Joules
    vector_energy: Annotated[Figure, Spec("J/FLOP", high=1.0)]
    register_energy: Joules
    wire_energy: Annotated[Figure, Spec("J/byte/mm", high=1.0)]
    memory_distance: Ratio
    sum_width: Bytes
    clock_energy: Annotated[Figure, Spec("J/mm2", high=1.0)]
    sustained_memory: Share
    delivery_efficiency: Annotated[Figure, Spec(high=1, above=True)]
    leakage_exponent: Ratio
    clock_exponent: Positive
    local_density_ratio: Positive
    local_energy: JoulesPerByte
    bank_overhead: Bytes
    bank_width: Bytes
    serdes_area_density: Annotated[Figure, Spec("bytes/s/mm2", high=1e18, above=True)]
    serdes_edge_density: Annotated[Figure, Spec("bytes/s/mm", high=1e18, above=True)]
    die_to_die_depth: Length
    noc_area_ratio: Ratio
    host_area: Area
    pad_ring: Length
    reticle_width: Length
    reticle_height: Length
    stitch_gap: Length
    usable_edge: Share
    memory_edge_share: Share
    die_to_die_edge_share: Share
    stack_footprint: Area
    wafer_diameter: Length
    edge_exclusion: Length
    scribe: Length
    yield_model: Annotated[Figure, name_of("", YIELD_MODELS)]
    yield_alpha: Positive
    sram_repair: Share
    known_good: Annotated[Figure, Spec(high=1, above=True)]
    probe_cost: Dollars
    shared_format_overhead: Ratio
    switch_radix: Annotated[Figure, Spec(low=2, high=1e4)]


class GatesTable(Table):
    """What arithmetic is built of, and how products are added up; see dse.numerics.multiply_accumulate.

    *_energy: at 7 nm [J]; *_area: at 45 nm [mm2]; of either kind only the ratios matter.
    """

    multiplier_energy: Joules
    float_multiplier_energy: Joules
    adder_energy: Joules
    float_adder_energy: Joules
    shifter_energy: Joules
    register_energy: Joules
    table_energy: Joules
    multiplier_area: Area
    float_multiplier_area: Area
    adder_area: Area
    float_adder_area: Area
    shifter_area: Area
    register_area: Area
    table_area: Area
    float_bits: Positive
    widest_fixed: Positive
    guard: Ratio
    alignment: Ratio
    terms: Positive


class TechnologyDocument(Document):
    """Tables of the silicon, memory, link and package industry; a file holds one or more of them."""

    title: str = ""
    process: dict[str, ProcessEntry] = Field(default_factory=dict)
    style: dict[str, StyleEntry] = Field(default_factory=dict)
    memory: dict[str, MemoryEntry] = Field(default_factory=dict)
    link: dict[str, LinkEntry] = Field(default_factory=dict)
    topology: dict[str, TopologyEntry] = Field(default_factory=dict)
    package: dict[str, PackageEntry] = Field(default_factory=dict)
    carrier: dict[str, CarrierEntry] = Field(default_factory=dict)
    development: dict[str, DevelopmentEntry] = Field(default_factory=dict)
    memory_history: dict[str, MemoryHistory] = Field(default_factory=dict)
    wafer_history: dict[str, WaferHistory] = Field(default_factory=dict)
    silicon: SiliconTable | None = None
    gates: GatesTable | None = None


class EconomicsTable(Table):
    """Inputs of the cost of ownership; see dse.assumptions.Economics.

    host, server_power_ratio: of a chip that gives none.
    """

    depreciation: Span
    facility_life: Span
    rack_price: Annotated[Figure, Spec("USD/W", high=1e6)]
    facility_operation: Annotated[Figure, Spec("USD/J", high=1.0)]
    cluster_power_ratio: Annotated[Figure, Spec(low=1, high=10)]
    electricity_price: Annotated[Figure, Spec("USD/J", high=1.0)]
    mean_power_share: Share
    maintenance_share: Share
    spares_share: Share
    utilisation: Annotated[Figure, Spec(high=1, above=True)]
    software_development: Dollars
    volume: CountOrZero
    host: Dollars | None = None
    server_power_ratio: Annotated[Figure, Spec(low=1, high=10)] | None = None


class ServingTable(Table):
    """How requests are served; see dse.assumptions.Serving."""

    prefill_utilisation: Annotated[Figure, Spec(high=1, above=True)]
    draft_tokens: Annotated[Figure, Spec(high=64)]
    draft_acceptance: Annotated[Figure, Spec(high=0.999)]
    draft_time: Share
    exchange_bytes: Annotated[Figure, Spec("bytes", low=0.5, high=8)]
    burst_share: Share


class EconomicsDocument(Document):
    """What money costs: power, space, interest, margins; and how requests are served."""

    title: str = ""
    economics: EconomicsTable
    serving: ServingTable | None = None
    buyer: dict[str, BuyerEntry] = Field(default_factory=dict)
    margin: dict[str, MarginEntry] = Field(default_factory=dict)
