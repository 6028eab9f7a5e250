"""What does a measured row ask? Its chip, model, formats and lengths, and the mappings that it leaves open."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dse.analysis.measurements import METRICS, Row
from dse.analysis.model_class import model_class
from dse.analysis.profiles import software_of
from dse.best_mapping import mapping_lattice
from dse.catalogue.build import build_chips, build_transformer
from dse.catalogue.count import parameters
from dse.catalogue.errors import CatalogueError
from dse.catalogue.numerics import activations_for, in_formats
from dse.catalogue.store import Catalogue
from dse.hardware.chip import Chip
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["Case", "UnexpressedError", "case_of"]

NO_LIMIT = 1e9
DEGREES = {
    "tp": "tensor_parallel",
    "pp": "pipeline_parallel",
    "ep": "expert_parallel",
    "dp": "data_parallel",
}
METRICS_OF = {
    "prefill": ("ttft_s", "input_tokens_per_s", "mfu"),
    "decode": ("tpot_s", "output_tokens_per_s", "output_tokens_per_s_per_user", "mfu"),
    "generate": METRICS,
    "offline": METRICS,
    "online": METRICS,
}
"""Metrics that each phase defines."""


@dataclass(frozen=True)
class Case:
    """A row as arrays: its chip, model, traffic and the mappings that its configuration leaves open.

    software: execution profile; model, model_class: its name in the catalogue and its class;
    mappings: leaves (mappings,), the batch one sequence a copy where the row gives none.
    """

    row: Row
    software: str
    chip: Chip
    model: str
    model_class: str
    transformer: Transformer
    traffic: Traffic
    mappings: Mapping


class UnexpressedError(Exception):
    """A row that the model cannot express; the message is the reason."""


def lengths_of_row(row: Row) -> tuple[float, float]:
    """Input and output length [tokens]; UnexpressedError where the phase needs one that is missing."""
    given, made = row.numbers.get("input_tokens"), row.numbers.get("output_tokens")
    if given is None:
        raise UnexpressedError("no input length")
    if made is None and row.phase in ("generate", "offline", "online"):
        raise UnexpressedError("no output length")
    return given, made or 1.0


def check_metric(row: Row) -> None:
    """UnexpressedError where the phase does not define the metric, or lacks the concurrency."""
    if row.phase == "train":
        raise UnexpressedError("training is not modelled yet")
    if row.metric not in METRICS_OF[row.phase]:
        raise UnexpressedError(f"the metric {row.metric} is not defined in the phase {row.phase}")
    if row.phase == "online" and "batch" not in row.numbers:
        raise UnexpressedError("no concurrency (batch) of an online row")


def chip_of(row: Row, catalogue: Catalogue) -> tuple[Chip, str]:
    """The chip in the formats and with the software of the row, and the name of that profile."""
    entry = catalogue.entry("chip", row.chip)
    asked = {key: row.texts.get(key) or "bf16" for key in ("weights", "kv_cache")}
    asked = {key: catalogue.entry("format", name).name for key, name in asked.items()}
    given = row.texts.get("activations")
    asked["activations"] = (
        catalogue.entry("format", given).name
        if given
        else activations_for(asked["weights"], entry.values, catalogue.library)
    )
    software = software_of(row.software, str(entry.values["software"]), catalogue)
    values = in_formats({**entry.values, "software": software}, asked)
    return build_chips(values, catalogue.library), software


def case_of(row: Row, catalogue: Catalogue) -> Case:
    """A row resolved against the catalogue; UnexpressedError with the reason where that is not possible."""
    check_metric(row)
    try:
        chip, software = chip_of(row, catalogue)
        model = catalogue.entry("transformer", row.model)
    except CatalogueError as error:
        raise UnexpressedError(str(error.problems[0])) from None
    given, made = lengths_of_row(row)
    traffic = Traffic(
        input_tokens=given,
        output_tokens=made,
        input_variation=0.0,
        output_variation=0.0,
        prefix_hit_rate=0.0,
        time_to_first_token=NO_LIMIT,
        time_per_output_token=NO_LIMIT,
        concurrency=NO_LIMIT,
    )
    transformer = build_transformer(model.values)
    mappings = mappings_of(row, transformer, traffic)
    kind = model_class(transformer, float(parameters(model.values)))
    return Case(row, software, chip, model.name, kind, transformer, traffic, mappings)


def degrees_of(row: Row, transformer: Transformer) -> dict[str, float]:
    """The degrees that a row states, in our terms.

    Engines that copy the attention within a tensor-parallel group call all of its chips tensor parallel: the product of
    the degrees is then the chips times the copies. Experts go to no more groups than there are experts.
    """
    found = {key: row.numbers[key] for key in DEGREES if key in row.numbers}
    chips, copies = row.numbers.get("chips", 0.0), found.get("dp", 1.0)
    tensor, stages = found.get("tp", 1.0), found.get("pp", 1.0)
    if copies > 1.0 and tensor % copies == 0.0 and tensor * stages == chips:
        found["tp"] = tensor / copies
    if "ep" in found:
        found["ep"] = min(found["ep"], max(float(transformer.experts.count), 1.0))
    return found


def mappings_of(row: Row, transformer: Transformer, traffic: Traffic) -> Mapping:
    """The mappings that a row leaves open; UnexpressedError when there are none.

    Where the degrees leave chips over these are taken for idle; where experts cannot be dealt to so many groups of
    these chips, they are dealt as is usual.
    """
    degrees = degrees_of(row, transformer)
    taken = math.prod(value for key, value in degrees.items() if key != "ep")
    chips = int(row.numbers.get("chips", taken))
    given = {DEGREES[key]: value for key, value in degrees.items()}
    # A static batch is prefilled in full passes before its decode begins, as in separate pools.
    given["disaggregated"] = 0.0 if row.phase in ("offline", "online") else 1.0
    given["batch"] = max(row.numbers.get("batch", float(chips)), degrees.get("dp", 1.0))
    if row.phase == "decode":
        given["prefill_tokens"] = 2048.0
    if "tp" in row.numbers and not transformer.experts.layers > 0:
        given.setdefault("context_parallel", 1.0)
    usual = {field: value for field, value in given.items() if field != "expert_parallel"}
    for count in dict.fromkeys((chips, min(int(taken), chips))):
        for asked in (given, usual):
            found = mapping_lattice(transformer, traffic, count, asked, exactly=True)
            if np.size(found.batch):
                return found
    raise UnexpressedError(f"no mapping on {chips} chips has the degrees of the row")
