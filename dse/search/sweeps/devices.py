"""How is a block of designs spread over the devices of a process? In equal parts, each with everything else beside it.

One program for any number of devices, one of them included: what a device works out does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

__all__ = ["count", "everywhere", "in_parts"]

EACH = PartitionSpec("designs")
SAME = PartitionSpec()

T = TypeVar("T")


@cache
def mesh() -> Mesh:
    """The devices of this process in a row."""
    return Mesh(np.array(jax.local_devices()), ("designs",))


def count() -> int:
    """Devices of this process [1]."""
    return len(jax.local_devices())


def everywhere(tree: T) -> T:
    """Arrays on every device, for arguments that many calls share."""
    return jax.device_put(tree, NamedSharding(mesh(), SAME))


def in_parts(work: Callable[..., Any], others: int) -> Callable[..., Any]:
    """A program of which each device does its part of the first argument, whose first axis is that of designs.

    others: further arguments, the same for all devices. The first axis of every result is that of designs too.
    """

    @cache
    def program() -> Callable[..., Any]:
        # What is mapped has no collectives, whose consistency the check is about.
        parts = jax.shard_map(work, mesh=mesh(), in_specs=(EACH, *[SAME] * others), out_specs=EACH, check_vma=False)
        return jax.jit(parts)

    return lambda *arguments: program()(*arguments)
