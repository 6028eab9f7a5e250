"""What is a chip? Its parts, each a frozen pytree of numbers in base units.

Every leaf is a scalar or an array that broadcasts over designs; names stay outside, so chips stack and
one compiled function serves them all. Units: bytes, seconds, FLOP, W, J, mm2, mm, USD.
"""

from __future__ import annotations

from dse.arrays import Number, pytree

__all__ = [
    "BaseDies",
    "Chip",
    "Development",
    "Execution",
    "FarMemory",
    "Link",
    "MatrixUnits",
    "Memory",
    "Numerics",
    "Package",
    "Price",
    "Process",
    "Sram",
    "Style",
]


@pytree
class Process:
    """A manufacturing node.

    logic_area_scale: logic area against 7 nm [1]; mac_energy_scale: arithmetic energy against 7 nm [1];
    sram_density: scratchpad with periphery [bytes/mm2]; wafer_price [USD]; defect_density [1/mm2];
    logic_leakage, sram_leakage [W/mm2]; voltage: the supply that the chip runs at, nominal_voltage: the one at
    which its clock and all energies are quoted, lowest_voltage: of a chip that is slowed down, threshold_voltage:
    where transistors stop switching [V].
    """

    logic_area_scale: Number
    mac_energy_scale: Number
    sram_density: Number
    wafer_price: Number
    defect_density: Number
    logic_leakage: Number
    sram_leakage: Number
    voltage: Number
    nominal_voltage: Number
    lowest_voltage: Number
    threshold_voltage: Number


@pytree
class Style:
    """How the silicon around the arithmetic is organised (GPU, graphics, systolic, dataflow, spatial, wafer).

    control_area_ratio: control and sequencing per area of arithmetic [1]; core_area: scheduler, load and store paths
    of one core at 7 nm [mm2]; fixed_area: what a die of this style has once whatever its size, such as display and
    video engines, at 7 nm [mm2]; control_energy: of the instructions of one core in one clock at 7 nm [J];
    core_memory: share of shared SRAM and network that lies in the cores and is switched off with them [1];
    sram_density_ratio: realised over scratchpad density [1]; sram_bandwidth_area: crossbar and ports that a shared
    cache needs at 7 nm [mm2/(byte/s)]; sram_energy: per byte read from a bank of the shared SRAM at 7 nm [J/byte];
    sram_distance: from there to the core, of the side of the die [1];
    cell_registers: bits that a cell of an array clocks on to its neighbours for each multiply-accumulate [1];
    operand_energy: per byte that caches hand to the matrix units at 7 nm, 0 where these have buffers of their own
    [J/byte]; transport_energy: per byte of DRAM in caches and routers on its way, wires and clocks apart [J/byte];
    sram_bandwidth_density: highest read rate that banks of this kind give per byte of capacity [1/s]; matrix_sustained:
    share of the peak that the best product reaches where the chip was not measured [1].
    """

    control_area_ratio: Number
    core_area: Number
    fixed_area: Number
    control_energy: Number
    core_memory: Number
    sram_density_ratio: Number
    sram_bandwidth_area: Number
    sram_energy: Number
    sram_distance: Number
    cell_registers: Number
    operand_energy: Number
    transport_energy: Number
    sram_bandwidth_density: Number
    matrix_sustained: Number


@pytree
class MatrixUnits:
    """Matrix arithmetic: units x rows x columns multiply-accumulates a clock.

    units, rows, columns [1]; split: independent parts into which a unit's rows can be cut [1];
    clock: at the nominal supply voltage [1/s]; area_ratio: silicon of one cell over a bf16 cell of the same node [1];
    spare_units: on the dies beside those that are sold, for yield [1]; units_per_core: fed by one scheduler [1];
    sustained: share of its peak that the best product of any shape reaches, before any model's software [1].
    """

    units: Number
    spare_units: Number
    units_per_core: Number
    rows: Number
    columns: Number
    split: Number
    clock: Number
    area_ratio: Number
    sustained: Number


@pytree
class Sram:
    """On-chip memory.

    capacity: shared scratchpad or last-level cache [bytes]; bandwidth: its read rate [bytes/s];
    local: registers, first-level caches and operand buffers beside the matrix units [bytes];
    local_cache: the part of it that is a cache of many cores, where the shared SRAM lies on other dies [bytes];
    resident_share: part of the capacity that software may hold across steps [1];
    weight_priority: part of the resident bytes offered to weights before state [1];
    spare: shared capacity on the dies beside what is sold [bytes].
    """

    capacity: Number
    spare: Number
    bandwidth: Number
    local: Number
    local_cache: Number
    resident_share: Number
    weight_priority: Number


@pytree
class Memory:
    """Main memory beside the die (HBM, GDDR, LPDDR, or none: all zero).

    stacks [1]; capacity [bytes], bandwidth [bytes/s], over all stacks; energy: device, PHY and controller
    [J/byte]; phy_area, controller_area at 7 nm [mm2/stack]; shoreline: die edge [mm/stack];
    price [USD/byte]; idle_power [W/stack]; spare_stacks: interfaces on the dies beside those in use [1]; bonded: 1 when
    the stacks stand in the package and fall with it, 0 when they are soldered to a board [1].
    """

    stacks: Number
    spare_stacks: Number
    bonded: Number
    capacity: Number
    bandwidth: Number
    energy: Number
    phy_area: Number
    controller_area: Number
    shoreline: Number
    price: Number
    idle_power: Number


@pytree
class FarMemory:
    """A slower tier behind the main memory (host DDR, an external weight store, or none).

    capacity [bytes], bandwidth [bytes/s], per chip; energy [J/byte]; price [USD/byte].
    """

    capacity: Number
    bandwidth: Number
    energy: Number
    price: Number


@pytree
class Link:
    """A network between chips.

    energy: per byte sent, transceivers and optics [J/byte]; adapter_energy: of network adapters on the die behind them
    at 7 nm, 0 where there are none [J/byte]; adapter_price, cable_price, switch_price: network cards, copper or optics,
    and ports of switches, per chip [USD/(byte/s)]; controller_area: link layer and protocol behind the transceivers at
    7 nm [mm2/(byte/s)].
    """

    bandwidth: Number
    latency: Number
    dimensions: Number
    domain: Number
    tiers: Number
    energy: Number
    adapter_energy: Number
    adapter_price: Number
    cable_price: Number
    switch_price: Number
    controller_area: Number


@pytree
class BaseDies:
    """Dies of a second kind that hold shared memory and interfaces (I/O, cache or base dies), or none.

    dies [1]; under: 1 when the compute dies stand on them, 0 when they lie beside [1]; process: the node that they are
    made in; published_die_area: all of them, 0 when it is not published [mm2].
    """

    dies: Number
    under: Number
    process: Process
    published_die_area: Number


@pytree
class Package:
    """What holds the dies.

    dies: compute dies [1]; die_area_limit: reticle or wafer [mm2]; silicon_limit: compute dies together [mm2];
    cost_per_area: package service per silicon and stack area [USD/mm2]; fixed_cost: substrate, lid [USD]; test_cost:
    assembly and test of any package [USD]; test_cost_per_area: more per silicon and stack area [USD/mm2]; bond_yield:
    per die or stack [1]; defect_recovery: defective dies that spares and harvesting save [1]; power_density_limit
    [W/mm2]; power_limit: of the design, TDP [W]; published_die_area: of all compute dies, 0 when it is not published
    [mm2]; rack_chips: that share a rack [1]; rack_power: that the rack feeds and cools [W].
    """

    dies: Number
    die_area_limit: Number
    silicon_limit: Number
    cost_per_area: Number
    fixed_cost: Number
    test_cost: Number
    test_cost_per_area: Number
    bond_yield: Number
    defect_recovery: Number
    power_density_limit: Number
    power_limit: Number
    published_die_area: Number
    rack_chips: Number
    rack_power: Number


@pytree
class Numerics:
    """The formats in which this chip runs the model, resolved to numbers.

    weight, expert_weight, state, activation: bytes per element with its share of the scales, expert_weight of routed
    experts, weight of all else [bytes];
    rate: multiply-accumulates per cell and clock in the compute format [1];
    mac_energy_ratio: energy of one over bf16 with fp32 accumulation, same node [1];
    noise: quantisation noise over signal of the noisiest of these formats, on Gaussian values [1]; accuracy_loss: how
    far the rank correlation of a measured sentence model falls in them [1]; both NaN where never measured; dense_noise,
    dense_loss: the same without the format of experts, for models that have none [1].
    """

    weight: Number
    expert_weight: Number
    state: Number
    activation: Number
    rate: Number
    mac_energy_ratio: Number
    noise: Number
    accuracy_loss: Number
    dense_noise: Number
    dense_loss: Number


@pytree
class Execution:
    """What software achieves on this class of machine; no published fact about the chip.

    matrix_efficiency: sustained share of what the best product reaches, memory_efficiency, network_efficiency: of peak
    [1];
    usable_memory: share of the main memory left after runtime and fragmentation [1];
    operator_time: kernel boundary or reconfiguration, per operator [s]; step_time: per model pass [s];
    sequence_time: per sequence of a pass, for sampling, detokenising and sending [s]; request_time: from the arrival
    of a request to its first pass, and back from the last [s]; collective_time: software floor of one collective [s];
    overlap: share of communication hidden behind arithmetic [1]; expert_imbalance: time of experts that are dealt
    out to chips over that of an even share on every chip [1]; grouped_overhead: time that a group of products of few
    tokens each takes beyond a single product of the same work, over the time of that [1].
    """

    matrix_efficiency: Number
    memory_efficiency: Number
    network_efficiency: Number
    usable_memory: Number
    operator_time: Number
    step_time: Number
    sequence_time: Number
    request_time: Number
    collective_time: Number
    overlap: Number
    expert_imbalance: Number
    grouped_overhead: Number


@pytree
class Development:
    """What one chip design on this node costs before the first is sold.

    design: engineers, tools and verification; masks: one full set; intellectual_property: licences of interfaces [USD].
    """

    design: Number
    masks: Number
    intellectual_property: Number


@pytree
class Price:
    """What money is asked for the chip.

    buy: market price of one package, 0 when unknown [USD]; rent: per chip, 0 when unknown [USD/s];
    gross_margin: of the vendor, where no market price is known [1]; negotiable: 1 where large buyers pay less than the
    price, 0 where it is that of the one buyer already [1]; host: server around it, per chip, without network
    cards [USD];
    server_power_ratio: power of the server over that of its chips [1].
    """

    buy: Number
    rent: Number
    gross_margin: Number
    negotiable: Number
    host: Number
    server_power_ratio: Number


@pytree
class Chip:
    """An accelerator package, from node to price; a design when its leaves are arrays.

    vector_lanes: fp32 fused multiply-adds per clock outside the matrix units [1]; double_lanes: the same in fp64 [1].
    """

    process: Process
    style: Style
    matrix: MatrixUnits
    vector_lanes: Number
    double_lanes: Number
    sram: Sram
    memory: Memory
    far_memory: FarMemory
    scale_up: Link
    scale_out: Link
    package: Package
    base: BaseDies
    numerics: Numerics
    execution: Execution
    development: Development
    price: Price
