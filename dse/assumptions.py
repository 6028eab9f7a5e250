"""What is assumed beside the chip? Coefficients of silicon, money and serving, all catalogue entries."""

from __future__ import annotations

from dse.arrays import Number, pytree

__all__ = ["Assumptions", "Economics", "Serving", "Silicon"]


@pytree
class Silicon:
    """Coefficients of area, edge, energy and yield that do not depend on the design.

    Areas and energies marked * are at 7 nm and scale with the node. mac_area*: bf16 multiply-accumulate cell in an
    array [mm2]; edge_cell_area*: operand skew and accumulator of one row or column [mm2]; vector_lane_area*,
    double_lane_area*: fp32 and fp64 [mm2]; mac_energy*: bf16 with fp32 accumulate [J]; register_energy*: of one bit
    clocked on [J]; wire_energy: of a byte along a repeated wire [J/byte/mm]; memory_distance: between the memory
    interfaces and the cores, of the side of the silicon [1]; sum_width: of a partial sum [bytes]; vector_energy*:
    fp32 operation [J/FLOP]; clock_energy*: clock network of logic of 7 nm size [J/mm2]; sustained_memory: share of
    the rate of main memory that streams reach [1]; delivery_efficiency: of the converters that belong to a
    package's rated power [1]; leakage_exponent: of the supply voltage in leakage power [1]; clock_exponent:
    velocity saturation [1]; local_density_ratio: registers and operand buffers over scratchpad density [1];
    local_energy*: per byte from the operand buffers [J/byte]; bank_overhead: periphery of one SRAM bank, as bytes
    of its array [bytes]; bank_width: read port of a bank [bytes]; serdes_area_density [byte/s/mm2] and
    serdes_edge_density [byte/s/mm], one direction; die_to_die_depth: of the circuits behind the edge of a
    die-to-die link [mm]; noc_area_ratio: on-chip network over all else [1]; host_area*: host interface, management,
    test [mm2/package]; pad_ring: pads and seal around a die [mm]; reticle_width, reticle_height: of one exposure,
    stitch_gap: between the fields of a die that takes several [mm]; usable_edge: share of the perimeter [1];
    memory_edge_share: most of the edge that memory may take [1]; die_to_die_edge_share: of one side, per neighbour
    [1]; stack_footprint [mm2]; wafer_diameter, edge_exclusion, scribe [mm]; yield_alpha: clustering [1];
    sram_repair: share of the defects in SRAM that spare rows and columns mend [1]; known_good: share of the dies
    taken for good at probe that are [1]; yield_negative_binomial, yield_poisson, yield_murphy, yield_seeds: weights
    of the yield models, one of them 1 [4 x 1]; probe_cost [USD/wafer].
    """

    mac_area: Number
    edge_cell_area: Number
    vector_lane_area: Number
    double_lane_area: Number
    mac_energy: Number
    register_energy: Number
    wire_energy: Number
    memory_distance: Number
    sum_width: Number
    vector_energy: Number
    clock_energy: Number
    sustained_memory: Number
    delivery_efficiency: Number
    leakage_exponent: Number
    clock_exponent: Number
    local_density_ratio: Number
    local_energy: Number
    bank_overhead: Number
    bank_width: Number
    serdes_area_density: Number
    serdes_edge_density: Number
    die_to_die_depth: Number
    noc_area_ratio: Number
    host_area: Number
    pad_ring: Number
    reticle_width: Number
    reticle_height: Number
    stitch_gap: Number
    usable_edge: Number
    memory_edge_share: Number
    die_to_die_edge_share: Number
    stack_footprint: Number
    wafer_diameter: Number
    edge_exclusion: Number
    scribe: Number
    yield_alpha: Number
    sram_repair: Number
    known_good: Number
    yield_negative_binomial: Number
    yield_poisson: Number
    yield_murphy: Number
    yield_seeds: Number
    probe_cost: Number


@pytree
class Economics:
    """Inputs of prices and of the cost of ownership.

    depreciation: life of the machine [s]; facility_life [s]; interest_rate [1/s]; margin_share: part of the vendor's
    margin in the market price that this buyer pays [1]; rack_price: racks, power supplies and cooling parts [USD/W of
    machine]; facility_price: building and its cooling [USD/W provisioned]; facility_operation: staff, security and
    upkeep of the building [USD/J provisioned]; cluster_power_ratio: power of servers, switches and storage over that
    of the servers, provisioned and drawn [1]; electricity_price [USD/J]; pue: facility over machine power [1];
    mean_power_share: of the power limit, where no work is given [1]; maintenance_share: repairs, of the amortised cost
    of the machine but for its development [1];
    spares_share: machines kept in reserve, of those in use [1]; utilisation: share of the time in which tokens are sold
    [1]; rent_margin: gross margin of who rents it out [1]; software_development: compilers and libraries for a chip of
    one's own [USD]; volume: chips over which development is spread, 0 when it is left out [1]; basis: weights of make,
    buy, rent and tco in the price that a comparison uses, one of them 1 [4 x 1].
    """

    depreciation: Number
    facility_life: Number
    interest_rate: Number
    margin_share: Number
    rack_price: Number
    facility_price: Number
    facility_operation: Number
    cluster_power_ratio: Number
    electricity_price: Number
    pue: Number
    mean_power_share: Number
    maintenance_share: Number
    spares_share: Number
    utilisation: Number
    rent_margin: Number
    software_development: Number
    volume: Number
    basis_make: Number
    basis_buy: Number
    basis_rent: Number
    basis_tco: Number


@pytree
class Serving:
    """How requests are served.

    prefill_utilisation: highest load of a separate prefill pool [1]; draft_tokens: speculated per step, 0 for
    none [1]; draft_acceptance: probability that one is kept [1]; draft_time: of one draft token over a step [1];
    exchange_bytes: least bytes per element in reductions and dispatch, which narrow formats would spoil [bytes];
    burst_share: share of the other requests in flight that arrive together with one, 0 for a steady stream [1].
    """

    prefill_utilisation: Number
    draft_tokens: Number
    draft_acceptance: Number
    draft_time: Number
    exchange_bytes: Number
    burst_share: Number


@pytree
class Assumptions:
    """All of them."""

    silicon: Silicon
    economics: Economics
    serving: Serving
