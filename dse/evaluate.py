"""What is a design worth? One function from chip, model, traffic, mapping and assumptions to every metric."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Assumptions
from dse.economics import Ownership, Rate, hourly_rate, ownership, plug_power
from dse.hardware.area import Area, FloorPlan, floor_plan, link_bandwidth
from dse.hardware.chip import Chip, Numerics
from dse.hardware.cost import MakeCost, chip_price, make_cost
from dse.hardware.dies import Dies, Edge, edge_of, footprint_of, paid_dies
from dse.hardware.machine import Machine, machine_of
from dse.hardware.power import EventEnergy, event_energy, static_power, supplied
from dse.hardware.throttle import cooled, envelope_of
from dse.hardware.voltage import at_voltage, clock_ratio
from dse.hardware.yields import DieKind, die_kinds
from dse.timing.inference import (
    Lengths,
    Pass,
    decode_tokens,
    exchanges_of,
    lengths_of,
    prefill_tokens,
    row_weights,
    run_pass,
)
from dse.timing.mapping import Mapping, chips_of
from dse.timing.memory import Footprint, elements_held, footprint, residency
from dse.timing.serving import Service, serve
from dse.workload.operators import Product, Tokens, operator_table
from dse.workload.traffic import NO_LIMIT, Traffic
from dse.workload.transformer import Transformer

__all__ = ["LIMITS", "Hardware", "Limits", "Metrics", "evaluate", "hardware_of"]


@pytree
class Limits:
    """How far each limit is exceeded, need over limit minus one; feasible when none is above zero [1].

    The first eight are the chip's, the others the mapping's.
    """

    die_area: Number
    silicon_area: Number
    die_edge: Number
    sram_bandwidth: Number
    idle_power: Number
    rack_power: Number
    quantisation_noise: Number
    accuracy_loss: Number
    memory: Number
    layout: Number
    time_to_first_token: Number
    time_per_output_token: Number
    concurrency: Number

    @property
    def worst(self) -> Number:
        """Largest excess [1]."""
        values = jax.tree.leaves(self)
        worst = values[0]
        for value in values[1:]:
            worst = jnp.maximum(worst, value)
        return worst

    @property
    def total(self) -> Number:
        """Sum of the excesses, 0 when feasible: how far a mapping is from being feasible [1]."""
        return sum(jnp.maximum(value, 0.0) for value in jax.tree.leaves(self))


EDGE_ROUNDING = 1e-4
LIMITS = tuple(Limits.__dataclass_fields__)


@pytree
class Hardware:
    """All that follows from the chip alone, computed once per design."""

    plan: FloorPlan
    edge: Edge
    dies: Dies
    kinds: tuple[DieKind, DieKind]
    die_area: Number
    energy: EventEnergy
    static_power: Number
    make: MakeCost
    price: Number
    machine: Machine
    peak: Number

    @property
    def area(self) -> Area:
        """Modelled parts of the dies [mm2]."""
        return self.plan.area


@pytree
class Metrics:
    """What a chip delivers under a mapping.

    time_to_first_token, time_per_output_token [s]; output_tokens_per_s: over all chips [1/s];
    output_tokens_per_s_per_user [1/s]; chips: decode and prefill pools together [1];
    usd_per_output_token [USD]; tokens_per_dollar [1/USD]; tokens_per_joule: at the plug of
    the busy machines, their switches and storage [1/J];
    power: mean of one package [W]; quantisation_noise, accuracy_loss: of its formats, as in its numerics [1];
    worst_limit: largest excess over a limit, feasible when not above 0 [1].
    The rest are the named parts of which these are sums.
    """

    time_to_first_token: Number
    time_per_output_token: Number
    output_tokens_per_s: Number
    output_tokens_per_s_per_user: Number
    chips: Number
    usd_per_output_token: Number
    tokens_per_dollar: Number
    tokens_per_joule: Number
    power: Number
    quantisation_noise: Number
    accuracy_loss: Number
    worst_limit: Number
    limits: Limits
    rate: Rate
    owned: Ownership
    service: Service
    prefill: Pass
    decode: Pass
    footprint: Footprint
    hardware: Hardware

    @property
    def qsnr(self) -> Number:
        """Signal over quantisation noise [dB]: formats differ by powers of ten, and whom it is told to thinks in dB."""
        return -10.0 * jnp.log10(self.quantisation_noise)

    @property
    def accuracy_kept(self) -> Number:
        """Rank correlation that the sentence model keeps in these formats [1]."""
        return 1.0 - self.accuracy_loss


def hardware_of(chip: Chip, assumptions: Assumptions) -> Hardware:
    """Area, edge, energy, cost and price of a chip, from its architecture; its peak at its supply voltage."""
    silicon, economics = assumptions.silicon, assumptions.economics
    plan = floor_plan(chip, silicon)
    dies = paid_dies(chip, plan.dies)
    chip = cooled(chip, dies)
    kinds = die_kinds(chip, silicon, plan, dies)
    make = make_cost(chip, silicon, economics, kinds)
    price = chip_price(chip, make)
    unit, clock = chip.matrix, chip.matrix.clock * clock_ratio(chip.process, silicon)
    return Hardware(
        plan=plan,
        edge=edge_of(chip, silicon, dies, link_bandwidth(chip)),
        dies=dies,
        kinds=kinds,
        die_area=dies.total,
        energy=supplied(event_energy(at_voltage(chip, silicon), silicon, plan), silicon),
        static_power=supplied(static_power(chip, silicon, plan), silicon),
        make=make,
        price=price,
        machine=machine_of(chip, make, price, economics),
        peak=2.0 * unit.units * unit.rows * unit.columns * clock * chip.numerics.rate,
    )


def layout_excess(model: Transformer, mapping: Mapping) -> Number:
    """Groups that experts are dealt to over the experts and the chips that there are, minus one [1]."""
    chips = mapping.tensor_parallel * mapping.context_parallel * mapping.data_parallel
    most = jnp.minimum(jnp.where(model.experts.layers > 0, model.experts.count, 1.0), chips)
    return mapping.expert_parallel / jnp.maximum(most, 1.0) - 1.0


def chip_limits(chip: Chip, hardware: Hardware) -> dict[str, Number]:
    """Excess over the limits of die, package, edge and power [1].

    Power slows the clock down, and is a limit only where what flows without any work exceeds it. A die that the model
    pads until its edge suffices needs exactly the edge that it has: rounding is not held against it.
    """
    package, edge, sram, dies = chip.package, hardware.edge, chip.sram, hardware.dies
    largest = jnp.maximum(hardware.kinds[0].area, hardware.kinds[1].area)
    on_edge = (edge.memory + edge.links + edge.die_to_die) / edge.available
    on_memory_edge = edge.memory / edge.available_to_memory
    rack = package.rack_chips * package.power_limit * chip.price.server_power_ratio
    return {
        "die_area": largest / package.die_area_limit - 1.0,
        "silicon_area": footprint_of(chip, dies) / package.silicon_limit - 1.0,
        "die_edge": jnp.maximum(on_edge, on_memory_edge) - 1.0 - EDGE_ROUNDING,
        "sram_bandwidth": sram.bandwidth / (sram.capacity * chip.style.sram_bandwidth_density) - 1.0,
        "idle_power": (hardware.static_power + hardware.energy.links) / cooled(chip, dies).package.power_limit - 1.0,
        "rack_power": rack / package.rack_power - 1.0,
    }


def quality_of(numerics: Numerics, model: Transformer) -> dict[str, Number]:
    """Quantisation noise and loss of the formats that a model is run in [1]; experts count where it has any."""
    experts = model.experts.layers > 0
    return {
        "quantisation_noise": jnp.where(experts, numerics.noise, numerics.dense_noise),
        "accuracy_loss": jnp.where(experts, numerics.accuracy_loss, numerics.dense_loss),
    }


def quality_limits(quality: dict[str, Number], traffic: Traffic) -> dict[str, Number]:
    """Excess over the noise and the loss that are allowed [1]; without a limit none, measured or not."""
    found = {}
    for name, value in quality.items():
        most = getattr(traffic, name)
        found[name] = jnp.where(most < NO_LIMIT, value, 0.0) / most - 1.0
    return found


def handover(chip: Chip, mapping: Mapping, held: Footprint) -> Number:
    """Time to move the state of one sequence from a prefill chip to its decode chip [s].

    Every chip sends the part that it holds, inside the scale-up domain where both pools fit in it.
    """
    near = 2.0 * chips_of(mapping) <= chip.scale_up.domain
    rate = jnp.where(near, chip.scale_up.bandwidth, chip.scale_out.bandwidth) * chip.execution.network_efficiency
    return held.state / (mapping.batch / mapping.data_parallel) / jnp.maximum(rate, 1.0)


def mean_power(prefill: Pass, decode: Pass, service: Service, static: Number) -> Number:
    """Power of one package averaged over its work, both pools together [W]."""
    on_prefill = prefill.energy / prefill.time
    on_decode = service.stages_busy * decode.energy / decode.time
    share = service.prefill_share
    mixed = jnp.where(share > 0.0, 0.0, 1.0 - service.decode_load)
    decode_chips = service.decode_load * on_decode + mixed * on_prefill
    prefill_chips = service.prefill_load * on_prefill
    return static + (decode_chips + share * prefill_chips) / (1.0 + share)


def passes(
    chip: Chip,
    model: Transformer,
    mapping: Mapping,
    lengths: Lengths,
    assumptions: Assumptions,
    hardware: Hardware,
) -> tuple[Pass, Pass, Footprint, Number]:
    """Prefill and decode pass of one stage, the footprint, and its excess over the memory [1]."""
    drafted = assumptions.serving.draft_tokens
    new, old = prefill_tokens(lengths, mapping), decode_tokens(lengths, mapping, drafted)
    shape = jnp.broadcast_shapes(*(jnp.shape(leaf) for leaf in jax.tree.leaves((new, old, mapping))))
    both = jax.tree.map(lambda *leaves: jnp.stack([jnp.broadcast_to(leaf, shape) for leaf in leaves]), new, old)
    tables = operator_table(model, mapping, both)
    decode_table = jax.tree.map(lambda leaf: leaf[:, 1], tables)
    contexts = (lengths.decode, lengths.window_decode)
    most = jnp.maximum(new.total, old.total)
    held = footprint(chip, elements_held(model, mapping, decode_table, contexts, most))
    place = residency(chip, held)
    energy = hardware.energy
    envelope = envelope_of(chip, assumptions.silicon, energy, hardware.static_power)
    talk = exchanges_of(chip, model, mapping, assumptions.serving.exchange_bytes)

    def one_phase(_: None, phase: tuple[Product, Tokens]) -> tuple[None, Pass]:
        table, tokens = phase
        weights = row_weights(model, mapping, table)
        return None, run_pass(chip, model, mapping, table, weights, tokens, place, talk, energy, envelope)

    by_phase = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), tables)
    _, done = jax.lax.scan(one_phase, None, (by_phase, both))
    prefill, decode = (jax.tree.map(lambda leaf, phase=phase: leaf[phase], done) for phase in (0, 1))
    return prefill, decode, held, place.need / place.room - 1.0


def evaluate(
    chip: Chip, transformer: Transformer, traffic: Traffic, mapping: Mapping, assumptions: Assumptions
) -> Metrics:
    """Every metric of a chip that serves a model under a mapping.

    All arguments are pytrees of scalars or arrays that broadcast against each other; designs in leaves of shape
    (designs, 1) and mappings in leaves of shape (mappings,) give (designs, mappings). Pure: jit, grad and
    vmap apply. What depends on the chip or on the mapping alone is computed once and broadcast.
    """
    hardware = hardware_of(chip, assumptions)
    chip = at_voltage(cooled(chip, hardware.dies), assumptions.silicon)
    lengths = lengths_of(traffic, transformer)
    prefill, decode, held, memory = passes(chip, transformer, mapping, lengths, assumptions, hardware)
    transfer = handover(chip, mapping, held)
    pass_tokens = prefill_tokens(lengths, mapping).total
    fixed = (chip.execution.request_time, transfer)
    service = serve(prefill, decode, lengths, pass_tokens, mapping, assumptions.serving, fixed)
    economics = assumptions.economics
    power = mean_power(prefill, decode, service, hardware.static_power)
    electricity = economics.utilisation * power + (1.0 - economics.utilisation) * hardware.static_power
    owned = ownership(chip, hardware.machine, electricity, economics)
    rate = hourly_rate(chip, hardware.make.total, hardware.price, owned, economics)
    chips = chips_of(mapping) * (1.0 + service.prefill_share)
    usd = chips * rate.chosen / (service.output_rate * economics.utilisation)
    wall = chips * plug_power(chip, power, economics)
    quality = quality_of(chip.numerics, transformer)
    limits = Limits(
        **chip_limits(chip, hardware),
        **quality_limits(quality, traffic),
        memory=memory,
        layout=layout_excess(transformer, mapping),
        time_to_first_token=service.time_to_first_token / traffic.time_to_first_token - 1.0,
        time_per_output_token=service.time_per_output_token / traffic.time_per_output_token - 1.0,
        concurrency=mapping.batch / traffic.concurrency - 1.0,
    )
    return Metrics(
        time_to_first_token=service.time_to_first_token,
        time_per_output_token=service.time_per_output_token,
        output_tokens_per_s=service.output_rate,
        output_tokens_per_s_per_user=1.0 / service.time_per_output_token,
        chips=chips,
        usd_per_output_token=usd,
        tokens_per_dollar=1.0 / usd,
        tokens_per_joule=service.output_rate / wall,
        power=power,
        **quality,
        worst_limit=limits.worst,
        limits=limits,
        rate=rate,
        owned=owned,
        service=service,
        prefill=prefill,
        decode=decode,
        footprint=held,
        hardware=hardware,
    )
