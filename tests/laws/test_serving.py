"""Does the steady state of serving obey what queues must? Pools, first tokens, concurrency."""

from __future__ import annotations

import numpy as np
import pytest
from builders import PAIRS, assumptions, catalogue, change, chip, mapping, model, run, traffic

from dse.analysis.uncertainty import PHASE_OF, spreads
from dse.evaluate import Metrics

BATCHES = 2.0 ** (np.arange(PAIRS) % 8)


def served(burst_share: float = 0.0, disaggregated: float = 0.0, batch: np.ndarray | float = BATCHES) -> Metrics:
    """Llama 3.1 8B on one H100 at several concurrencies."""
    given = change(assumptions(), serving__burst_share=burst_share)
    where = mapping(batch=batch, disaggregated=disaggregated, prefill_tokens=512.0)
    return run(chip("h100-sxm"), model("llama-3.1-8b"), traffic(1024.0, 256.0), where, given)


def test_pool_ratio_is_the_best_of_all() -> None:
    """No whole number of prefill chips beside many decode chips gives more per chip than the share that is chosen."""
    found = served(disaggregated=1.0)
    busy = assumptions().serving.prefill_utilisation
    decode_chips, prefill_chips = 1000.0, np.arange(1.0, 20001.0)
    for place in range(8):
        service = found.service
        requests = np.minimum(
            prefill_chips * busy / service.prefill_time[place], decode_chips * service.output_rate[place] / 256.0
        )
        each = requests / (decode_chips + prefill_chips)
        chosen = service.output_rate[place] / 256.0 / (1.0 + service.prefill_share[place])
        assert each.max() <= chosen * (1.0 + 1e-9)
        assert each.max() >= chosen * 0.99


def test_first_token_is_later_with_more_clients_and_with_bursts() -> None:
    steady, bursts = served().time_to_first_token[:8], served(burst_share=1.0).time_to_first_token[:8]
    assert (np.diff(steady) > 0.0).all()
    assert (np.diff(bursts) > 0.0).all()
    assert (bursts >= steady * (1.0 - 1e-9))[2:].all()
    assert (steady >= served().service.prefill_time[:8]).all()


def test_alone_a_token_takes_a_step() -> None:
    found = served(batch=1.0)
    np.testing.assert_allclose(found.time_per_output_token, found.service.step_time, rtol=1e-12)


def test_spread_is_at_least_the_scatter_and_wider_where_nothing_was_measured() -> None:
    library = catalogue().library
    job = (model("llama-3.1-8b"), traffic(), assumptions())
    fitted = spreads(chip("h100-sxm"), "vllm", mapping(batch=8.0), job, library)
    judged = spreads(chip("wse-3"), "wafer", mapping(batch=8.0), job, library)
    known, unknown = library.scatter(measured=True), library.scatter(measured=False)
    for metric, phase in PHASE_OF.items():
        assert unknown[phase] >= known[phase]
        assert fitted[metric] >= known[phase]
        assert judged[metric] >= unknown[phase]
    assert judged["time_per_output_token"] > fitted["time_per_output_token"]


@pytest.mark.parametrize("name", ["llama-3.1-8b", "mixtral-8x7b"])
def test_large_batches_reach_the_peak_and_long_contexts_the_bandwidth(name: str) -> None:
    """Without overheads: 2 FLOP a multiply-accumulate over the peak; the bytes of the state over the bandwidth."""
    free = change(
        chip("h100-sxm"),
        **{f"execution__{key}": 0.0 for key in ("operator_time", "step_time", "sequence_time", "collective_time")},
        **{f"execution__{key}": 1.0 for key in ("matrix_efficiency", "memory_efficiency", "expert_imbalance")},
        execution__grouped_overhead=0.0,
        matrix__sustained=1.0,
        matrix__units=1.0,
        matrix__rows=16.0,
        matrix__columns=16.0,
        memory__capacity=1e16,
        sram__bandwidth=1e18,
        sram__local=1e12,
        package__power_limit=1e9,
        package__power_density_limit=1e9,
        vector_lanes=1.0,
    )
    wide = change(free, memory__bandwidth=1e20)
    crowd = run(wide, change(model(name), vocabulary=32768.0), traffic(1.0, 1.0), mapping(batch=2.0**17))
    busy = crowd.decode.demand
    assert (busy.matrix / (2.0 * busy.macs / crowd.hardware.peak))[0] == pytest.approx(1.0, rel=0.01)
    fast = change(chip("h100-sxm"), memory__capacity=1e16, matrix__clock=1e15)
    fast = change(fast, package__power_limit=1e18, package__power_density_limit=1e18)
    fast = change(fast, sram__bandwidth=1e18, execution__memory_efficiency=1.0, execution__operator_time=0.0)
    fast = change(fast, execution__step_time=0.0, execution__sequence_time=0.0)
    long = run(fast, model(name), traffic(2.0**24, 1.0), mapping(batch=1.0))
    assert long.decode.time[0] == pytest.approx(float(long.footprint.state[0] / fast.memory.bandwidth), rel=0.02)
