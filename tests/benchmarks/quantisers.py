"""Elements quantised a second: pytest tests/benchmarks/quantisers.py --benchmark-enable, on one core by taskset.

Elements a second are 2^22 over the time that is shown; element formats are meant to reach 100 million a core, block
formats 30 million.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dse.catalogue import open_catalogue
from dse.catalogue.formats import quantiser_of
from dse.numerics.parameters import Quantiser
from dse.numerics.quantise import quantise

CATALOGUE = open_catalogue()
FORMATS = {name: quantiser_of(CATALOGUE.entry("format", name)) for name in CATALOGUE.files("format")}
ELEMENTS = {
    f"{name} element": Quantiser(quantiser.element)
    for name, quantiser in FORMATS.items()
    if quantiser.scaling is not None
}


@pytest.mark.parametrize(("name", "quantiser"), [*FORMATS.items(), *ELEMENTS.items()], ids=[*FORMATS, *ELEMENTS])
def test_elements_a_second(benchmark: Any, name: str, quantiser: Quantiser) -> None:
    values = jnp.asarray(np.random.default_rng(0).standard_normal((1024, 4096)), jnp.float32)
    jax.block_until_ready(quantise(values, quantiser))
    benchmark(lambda: jax.block_until_ready(quantise(values, quantiser)))
    if benchmark.stats is not None:
        benchmark.extra_info["million_per_second"] = values.size / benchmark.stats.stats.median / 1e6
