"""Are the formulas dimensionally homogeneous? Other units change every result by its own exponent only."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from builders import FAMILIES, PAIRS, assumptions, model, random_chips, random_mappings, random_traffic, run, seeds
from hypothesis import given
from hypothesis import strategies as st

UNITS = ("second", "byte", "dollar", "joule", "millimetre")

# Exponents of (second, byte, dollar, joule, millimetre); what is not named is a pure number.
SECOND, RATE = (1, 0, 0, 0, 0), (-1, 0, 0, 0, 0)
BYTES, BANDWIDTH = (0, 1, 0, 0, 0), (-1, 1, 0, 0, 0)
USD, USD_RATE = (0, 0, 1, 0, 0), (-1, 0, 1, 0, 0)
JOULE, WATT, JOULE_BYTE = (0, 0, 0, 1, 0), (-1, 0, 0, 1, 0), (0, -1, 0, 1, 0)
MM, MM2 = (0, 0, 0, 0, 1), (0, 0, 0, 0, 2)
PROCESS = {
    "sram_density": (0, 1, 0, 0, -2),
    "wafer_price": USD,
    "defect_density": (0, 0, 0, 0, -2),
    "logic_leakage": (-1, 0, 0, 1, -2),
    "sram_leakage": (-1, 0, 0, 1, -2),
}
INPUTS = {
    **{f"{part}.{field}": unit for part in ("process", "base.process") for field, unit in PROCESS.items()},
    "base.published_die_area": MM2,
    "style.core_area": MM2,
    "style.fixed_area": MM2,
    "style.sram_bandwidth_area": (1, -1, 0, 0, 2),
    "style.operand_energy": JOULE_BYTE,
    "style.control_energy": JOULE,
    "style.sram_energy": JOULE_BYTE,
    "style.transport_energy": JOULE_BYTE,
    "style.sram_bandwidth_density": RATE,
    "matrix.clock": RATE,
    "sram.capacity": BYTES,
    "sram.bandwidth": BANDWIDTH,
    "sram.local": BYTES,
    "sram.local_cache": BYTES,
    "sram.spare": BYTES,
    "memory.capacity": BYTES,
    "memory.bandwidth": BANDWIDTH,
    "memory.energy": JOULE_BYTE,
    "memory.phy_area": MM2,
    "memory.controller_area": MM2,
    "memory.shoreline": MM,
    "memory.price": (0, -1, 1, 0, 0),
    "memory.idle_power": WATT,
    "far_memory.capacity": BYTES,
    "far_memory.bandwidth": BANDWIDTH,
    "far_memory.energy": JOULE_BYTE,
    "far_memory.price": (0, -1, 1, 0, 0),
    **{
        f"{link}.{field}": unit
        for link in ("scale_up", "scale_out")
        for field, unit in (
            ("bandwidth", BANDWIDTH),
            ("latency", SECOND),
            ("energy", JOULE_BYTE),
            ("adapter_energy", JOULE_BYTE),
            ("adapter_price", (1, -1, 1, 0, 0)),
            ("cable_price", (1, -1, 1, 0, 0)),
            ("switch_price", (1, -1, 1, 0, 0)),
            ("controller_area", (1, -1, 0, 0, 2)),
        )
    },
    "package.die_area_limit": MM2,
    "package.silicon_limit": MM2,
    "package.cost_per_area": (0, 0, 1, 0, -2),
    "package.fixed_cost": USD,
    "package.test_cost": USD,
    "package.test_cost_per_area": (0, 0, 1, 0, -2),
    "package.power_density_limit": (-1, 0, 0, 1, -2),
    "package.power_limit": WATT,
    "package.published_die_area": MM2,
    "package.rack_power": WATT,
    "development.design": USD,
    "development.masks": USD,
    "development.intellectual_property": USD,
    "numerics.weight": BYTES,
    "numerics.expert_weight": BYTES,
    "numerics.state": BYTES,
    "numerics.activation": BYTES,
    "execution.operator_time": SECOND,
    "execution.step_time": SECOND,
    "execution.sequence_time": SECOND,
    "execution.request_time": SECOND,
    "execution.collective_time": SECOND,
    "price.buy": USD,
    "price.rent": USD_RATE,
    "price.host": USD,
    "silicon.mac_area": MM2,
    "silicon.edge_cell_area": MM2,
    "silicon.vector_lane_area": MM2,
    "silicon.mac_energy": JOULE,
    "silicon.vector_energy": JOULE,
    "silicon.local_energy": JOULE_BYTE,
    "silicon.double_lane_area": MM2,
    "silicon.register_energy": JOULE,
    "silicon.wire_energy": (0, -1, 0, 1, -1),
    "silicon.sum_width": BYTES,
    "silicon.clock_energy": (0, 0, 0, 1, -2),
    "silicon.bank_overhead": BYTES,
    "silicon.bank_width": BYTES,
    "silicon.die_to_die_depth": MM,
    "silicon.pad_ring": MM,
    "silicon.reticle_width": MM,
    "silicon.reticle_height": MM,
    "silicon.stitch_gap": MM,
    "silicon.serdes_area_density": (-1, 1, 0, 0, -2),
    "silicon.serdes_edge_density": (-1, 1, 0, 0, -1),
    "silicon.host_area": MM2,
    "silicon.stack_footprint": MM2,
    "silicon.wafer_diameter": MM,
    "silicon.edge_exclusion": MM,
    "silicon.scribe": MM,
    "silicon.probe_cost": USD,
    "economics.depreciation": SECOND,
    "economics.facility_life": SECOND,
    "economics.interest_rate": RATE,
    "economics.facility_price": (1, 0, 1, -1, 0),
    "economics.electricity_price": (0, 0, 1, -1, 0),
    "economics.maintenance_share": (0, 0, 0, 0, 0),
    "economics.rack_price": (1, 0, 1, -1, 0),
    "economics.facility_operation": (0, 0, 1, -1, 0),
    "economics.software_development": USD,
    "serving.exchange_bytes": BYTES,
    "time_to_first_token": SECOND,
    "time_per_output_token": SECOND,
}
OUTPUTS = {
    "time_to_first_token": SECOND,
    "time_per_output_token": SECOND,
    "output_tokens_per_s": RATE,
    "output_tokens_per_s_per_user": RATE,
    "usd_per_output_token": USD,
    "tokens_per_dollar": (0, 0, -1, 0, 0),
    "tokens_per_joule": (0, 0, 0, -1, 0),
    "power": WATT,
    "rate": USD_RATE,
    "owned": USD_RATE,
    "service": SECOND,
    "service.output_rate": RATE,
    "service.prefill_share": (0, 0, 0, 0, 0),
    "service.prefill_load": (0, 0, 0, 0, 0),
    "service.decode_load": (0, 0, 0, 0, 0),
    "service.stages_busy": (0, 0, 0, 0, 0),
    **{
        f"{phase}{part}": unit
        for phase in ("prefill", "decode")
        for part, unit in {
            "": SECOND,
            ".energy": JOULE,
            ".operators": (0, 0, 0, 0, 0),
            ".demand.macs": (0, 0, 0, 0, 0),
            ".demand.operations": (0, 0, 0, 0, 0),
            ".demand.sram_bytes": BYTES,
            ".demand.memory_bytes": BYTES,
            ".demand.far_bytes": BYTES,
        }.items()
    },
    "footprint": BYTES,
    "hardware.plan": MM2,
    "hardware.dies": MM2,
    **{f"hardware.kinds.{kind}.area": MM2 for kind in (0, 1)},
    **{f"hardware.kinds.{kind}.process.{field}": unit for kind in (0, 1) for field, unit in PROCESS.items()},
    "hardware.edge": MM,
    "hardware.die_area": MM2,
    "hardware.energy": JOULE_BYTE,
    "hardware.energy.mac": JOULE,
    "hardware.energy.vector": JOULE,
    "hardware.energy.clocks": WATT,
    "hardware.energy.links": WATT,
    "hardware.static_power": WATT,
    "hardware.make": USD,
    "hardware.price": USD,
    "hardware.machine": USD,
    "hardware.peak": RATE,
}


def exponents(path: Any, table: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Exponents of a leaf: of its own entry, else of the nearest part that it belongs to."""
    keys = [str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path]
    for length in range(len(keys), 0, -1):
        if ".".join(keys[:length]) in table:
            return table[".".join(keys[:length])]
    return (0,) * len(UNITS)


def rescaled(tree: Any, factors: np.ndarray, table: dict[str, tuple[int, ...]]) -> Any:
    """The same thing measured in other units."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: leaf * np.prod(factors ** exponents(path, table)), tree)


def test_every_entry_of_the_tables_names_a_leaf() -> None:
    chips = random_chips(np.random.default_rng(0))
    requests = random_traffic(np.random.default_rng(0))
    known = {
        ".".join(str(getattr(key, "name", key)) for key in path)
        for tree in (chips, assumptions(), requests)
        for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    }
    assert set(INPUTS) <= known


@seeds(15)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(sorted(FAMILIES.values())),
    powers=st.lists(st.integers(-6, 6), min_size=len(UNITS), max_size=len(UNITS)),
)
def test_units_do_not_matter(seed: int, name: str, powers: list[int]) -> None:
    """Powers of two, so that no count of rows, tiles or dies changes by rounding."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name, 8)
    requests, given_ = random_traffic(generator), assumptions()
    factors = 2.0 ** np.array(powers, float)
    before = run(chips, model(name), requests, mappings, given_)
    other = [rescaled(tree, factors, INPUTS) for tree in (chips, requests, given_)]
    after = run(other[0], model(name), other[1], mappings, other[2])
    wanted = rescaled(before, factors, OUTPUTS)
    # A chip without a network or a memory that it would need moves one byte a second there: no physics, left out.
    physical = (chips.scale_up.bandwidth > 1.0) & (chips.scale_out.bandwidth > 1.0) & (chips.memory.bandwidth > 1.0)
    physical &= (chips.far_memory.bandwidth > 1.0) | (
        before.decode.demand.far_bytes + before.prefill.demand.far_bytes == 0
    )
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(after), jax.tree.leaves(wanted), strict=True):
        got, expected = (np.broadcast_to(leaf, PAIRS)[physical] for leaf in (a, b))
        keys = [str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path]
        if keys[-1] == "throttled" or keys[0] in ("limits", "worst_limit"):
            continue  # differences of nearly equal numbers; the sums that they belong to are compared
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=0.0, err_msg=".".join(keys))
