"""Where and how does JAX run? Double precision, a compilation cache that lasts, and pads that avoid recompiling."""

from __future__ import annotations

import os
from pathlib import Path

import jax

__all__ = ["configure"]


def cache_folder() -> Path:
    """Folder of compiled programs: $DSE_CACHE, else the user's cache."""
    base = os.environ.get("DSE_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "altarch-dse"


def configure() -> None:
    """Enable 64 bit and keep compiled programs between runs; a folder that cannot be written is done without."""
    jax.config.update("jax_enable_x64", True)
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
