"""Blocks of designs over several devices of a process: the same numbers as on one, and the same result.

Programs for several devices round here and there in another order: scores agree to single precision, and what is told,
which is worked out in double precision, to the last bit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from dse.search.sweeps.asked import Asked, sweep_of
from dse.search.sweeps.points import NONE, best_of_designs
from dse.search.sweeps.result import result_of
from dse.search.sweeps.run import State
from dse.search.sweeps.scoring import dense, every_point

TWO = "--xla_force_host_platform_device_count=2"
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""Programs that compile soon."""

BLOCK = """
import jax, numpy as np
from dse.analysis.bench import random_chips
from dse.analysis.comparison import job_of
from dse.best_mapping import as_type, padded
from dse.catalogue import load_space, open_catalogue
from dse.runtime import configure
from dse.search.sweeps.points import NONE, rivals_of
from dse.search.sweeps.scoring import score_block, scores_and_good

configure()
catalogue = open_catalogue(None)
job = job_of(catalogue, "llama-3.1-70b", "chat", "tco", most_chips=16)
model, traffic, rest = as_type((job.transformer, job.requests, job.assumptions), np.float32)
chips = padded(random_chips(load_space("gpu", catalogue), catalogue, 16), 16, 0, np.float32)
mappings = padded(job.mappings, 128, 100, np.float32)
halves = [jax.tree.map(lambda leaf: leaf[part][:, None], chips) for part in (slice(8), slice(8, 16))]
given = model, traffic, mappings, rest, rivals_of(NONE).knots
both = score_block(jax.tree.map(lambda leaf: leaf[:, None], chips), *given)
assert len(both[0].devices()) == 2, both[0].devices()
assert both[3].sum() > 100, "some points are good"
alone = [jax.jit(scores_and_good)(half, *given) for half in halves]
for one, first, last in zip(both, *alone, strict=True):
    np.testing.assert_allclose(one, np.concatenate([first, last]), rtol=2e-6)
"""

SWEEP = """
import json
from dse.runtime import configure
from test_devices import swept

configure()
print(json.dumps(swept()))
"""


def on_two_devices(code: str, flags: str = "") -> str:
    """What a program prints in a process of its own that has two devices."""
    paths = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    environment = {**os.environ, "XLA_FLAGS": f"{TWO} {flags}", "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


def swept() -> list[Any]:
    """The optima and the front of some designs, and how many of a sample have a mapping that is feasible."""
    sweep, _ = sweep_of(Asked("gpu", most_chips=16, prune=False, whole_front=True))
    digits = sweep.digits_of(sweep.numbers(0, 200))
    chunk = dense(sweep, digits, NONE)
    result = result_of(sweep, State(chunk.counts, chunk.points, 0.0, 0.0, 0))
    found = [*result.optima.values(), *(one.point for one in result.front)]
    told = [(one.number, one.mapping, one.values) for one in found]
    return json.loads(json.dumps([told, len(best_of_designs(every_point(sweep, digits)).number)]))


def test_two_devices_give_the_numbers_of_one() -> None:
    on_two_devices(BLOCK, QUICK)


@pytest.mark.slow
def test_a_sweep_on_two_devices_finds_what_one_finds() -> None:
    alone = swept()
    assert len(alone[0]) > 10
    assert json.loads(on_two_devices(SWEEP)) == alone
