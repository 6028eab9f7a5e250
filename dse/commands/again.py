"""How is a found chip evaluated again? The command that gives its numbers from its file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dse.analysis.comparison import Job
    from dse.timing.mapping import Mapping

__all__ = ["evaluation_command"]

FLAGS = {
    "tensor_parallel": "--tp",
    "context_parallel": "--cp",
    "pipeline_parallel": "--pp",
    "data_parallel": "--dp",
    "expert_parallel": "--ep",
    "batch": "--batch",
    "prefill_tokens": "--prefill-tokens",
}


def evaluation_command(mapping: Mapping, job: Job, file: Path, own: Path | None) -> str:
    """The `dse evaluate` that scores the chip of a file under the mapping that a search found for it.

    own: the user's catalogue, as it was given.
    """
    words = ["dse", "evaluate", "--chip", str(file), "--model", job.model, "--traffic", job.traffic]
    words += ["--price-basis", job.price_basis, "--most-chips", str(job.most_chips)]
    words += ["--buyer", job.buyer, *(["--volume", f"{job.volume:.0f}"] if job.volume else [])]
    words += job.quality.options()
    for name, flag in FLAGS.items():
        words += [flag, f"{float(getattr(mapping, name)):.0f}"]
    words.append("--separate-pools" if float(mapping.disaggregated) > 0.0 else "--shared-pool")
    if own is not None:
        words += ["--catalogue", str(own)]
    return shlex.join(words)
