"""What does the report of number formats consist of? Its tables, answers, figures and page, all in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dse.analysis.comparison import job_of
from dse.analysis.format_chips import bought_by
from dse.analysis.logarithmic import Region, logarithms, numbers_of, region
from dse.analysis.weight_width import weight_widths
from dse.catalogue import Catalogue, CatalogueError, Problem
from dse.catalogue.schema_report import FormatsTable, LogarithmicTable
from dse.reporting.folder import save_figures
from dse.reporting.format_answers import Answers, Tables, answers_of, sentences_of
from dse.reporting.format_figures import draw_quality, draw_region, draw_tokens, draw_widths
from dse.reporting.format_tables import logarithm_rows, quality_rows, region_rows, token_rows, width_rows
from dse.reporting.formats import format_rows, measured_text
from dse.reporting.html import PlacedFigure, environment
from dse.reporting.results import csv_text
from dse.reporting.style import drawn
from dse.search.samplers.redesign import Effort

__all__ = ["FormatsPage", "format_tables", "write_formats"]

AREAS = 9
"""Areas of a multiply-accumulate that the region is drawn over [1]."""
STEP = 0.25
"""Between the widths that the region is drawn over, those with a scale of 8 bits per 32 elements among them [bits]."""


@dataclass(frozen=True)
class FormatsPage:
    """Everything that the page shows: sentences on logarithms and on weights, figures, tables, provenance."""

    plan: FormatsTable
    sentences: list[str]
    figures: dict[str, PlacedFigure]
    tables: Tables
    measured: str


def region_of(catalogue: Catalogue, asked: LogarithmicTable, traffic: str) -> Region:
    """Tokens per dollar of one job over the bounds of the recipe, with the named formats and the ends of the file."""
    entry = catalogue.entry("format", asked.format)
    energy = entry.figures["mac_energy_ratio"]
    names = (asked.format, asked.known, *asked.rivals)
    figures = ("mac_area_ratio", "mac_energy_ratio", "bits")
    named = dict(zip(names, numbers_of(names, catalogue.library).tolist(), strict=True))
    for place, end in enumerate(("low", "high")):
        named[end] = [entry.figures[figure].range[place] for figure in figures]
    area = np.geomspace(*asked.area_ratio, AREAS)
    bits = np.arange(asked.bits[0], asked.bits[1] + STEP / 2.0, STEP)
    job = job_of(catalogue, asked.model, traffic, asked.price_basis)
    energies = np.array(sorted({energy.range[0], float(energy.value), energy.range[1]}))
    return region(catalogue.entry("chip", asked.chip), job, area, energies, bits, named)


def check_names(catalogue: Catalogue, plan: FormatsTable) -> None:
    """CatalogueError with every name of the recipe that the catalogue does not have, or has as an alias only."""
    log, weights = plan.logarithmic, plan.weights
    asked = {
        "space": (*plan.spaces, weights.space),
        "format": (plan.baseline, log.format, log.known, *log.rivals, *weights.weights, *weights.activations),
        "chip": (log.chip,),
        "transformer": (log.model,),
        "traffic": log.traffics,
    }
    faults = []
    for kind, names in asked.items():
        for name in dict.fromkeys(names):
            try:
                own = catalogue.entry(kind, name).name
            except CatalogueError as error:
                faults += error.problems
                continue
            if own != name:
                faults.append(Problem("is an alias; a recipe gives names", key=kind, value=repr(name), nearest=own))
    if faults:
        raise CatalogueError(faults)


def format_tables(catalogue: Catalogue, plan: FormatsTable) -> Tables:
    """All tables of the report by name."""
    check_names(catalogue, plan)
    rows = format_rows(catalogue)
    formats = {row.name: row for row in rows}
    multiplied = [name for name in formats if catalogue.entry("format", name).values["multiplies"]]
    effort = Effort(**plan.search.model_dump())
    bought = [bought_by(catalogue, space, multiplied, effort) for space in plan.spaces]
    widths = weight_widths(catalogue, plan.weights.space, plan.weights.weights, plan.weights.activations, effort)
    asked = plan.logarithmic
    return {
        "quality": quality_rows(rows, plan.baseline),
        "tokens": token_rows(bought, formats, plan.baseline),
        "region": region_rows([region_of(catalogue, asked, traffic) for traffic in asked.traffics], asked.rivals),
        "logarithms": logarithm_rows(logarithms(catalogue, asked.format)),
        "weights": width_rows(widths, formats),
    }


CAPTIONS = {
    "quality": (
        "Quality against cost in the manner of the microscaling papers (arXiv:2302.08007, 2310.10537): area of a "
        "multiply-accumulate times bits of an element with its scales, both over bf16. Full and on the line: "
        "formats that no other beats in both. Losses below 0.01 % are drawn there: on a hundred pairs they are "
        "chance."
    ),
    "tokens": (
        "Tokens per dollar of the best chip of each space on the job that the space names, weights, activations "
        "and cache in the format, over the same in the baseline. Arrays keep their silicon and hold as many cells "
        "of the format as fit; all else is designed anew for each format. {designs} designs are tried in each "
        "space. The best found, not the proven best: differences of some per cent mean nothing. Right: bits, and "
        "loss of the sentence model with all operands in the format; what is bought at a great loss cannot be "
        "used. Ternary and binary chips, too, keep activations and cache in that format, not the weights alone: their "
        "rows show what bytes and silicon are worth, and no chip that runs a model. Weights alone are in the figure of "
        "widths."
    ),
    "region": (
        "Where a logarithmic chip earns more tokens per dollar than an fp8 or an mxfp4 chip: all have the node, "
        "die area, package, memory and links of {chip}; how each die is divided between units and SRAM is free. "
        "Reasoning writes long answers and hangs on memory, batch reads long prompts and hangs on arithmetic. "
        "Lines: equal, at the energy of a multiply-accumulate that the file of {format} assumes (thick) and at "
        "its bounds (thin). Dotted: the narrowest logarithm with one scale a tensor, as {format} has, that is as "
        "accurate: as little noise on the worst of five kinds of values, to {as_accurate:g} dB. Dashed and dotted: the "
        "narrowest one with a scale for each block, its bits counted, as microscaling formats have. {known}: as in the "
        "literature; {format} is assumed to be alike."
    ),
    "weights": (
        "The best chip of the space {space} found for each format of the weights ({designs} designs in all), "
        "cache as in the space; products are taken in the wider format of the two. Right: loss with weights, "
        "activations and cache in these formats: measured together where they share one, else the sum of what each "
        "loses alone, as in a search."
    ),
}
"""Captions of the figures by name; words in braces are those of the recipe."""


def figures_of(tables: Tables, answers: Answers, plan: FormatsTable) -> dict[str, tuple[Figure, str]]:
    """All figures with their captions."""
    words = {
        "known": plan.logarithmic.known,
        "chip": plan.logarithmic.chip,
        "format": plan.logarithmic.format,
        "as_accurate": plan.logarithmic.as_accurate,
        "space": plan.weights.space,
    }
    tried = {name: f"{int(tables[name][0]['designs']):,}" for name in ("tokens", "weights")}
    made: dict[str, Figure] = {
        "quality": drawn(draw_quality, tables["quality"]),
        "tokens": drawn(draw_tokens, tables["tokens"], plan.baseline),
        "region": drawn(draw_region, tables, answers, plan),
        "weights": drawn(draw_widths, tables["weights"], plan),
    }
    return {
        name: (figure, CAPTIONS[name].format(designs=tried.get(name, ""), **words)) for name, figure in made.items()
    }


def answer_rows(answers: Answers) -> list[dict[str, Any]]:
    """answers.csv: every number that the sentences say."""
    return [
        {"name": name, "value": None if np.isnan(value) else float(f"{value:.6g}")} for name, value in answers.items()
    ]


def write_formats(folder: Path, catalogue: Catalogue, plan: FormatsTable, tables: Tables) -> list[Path]:
    """Write the tables, answers.csv, answers.txt, figures/ and report.html; CatalogueError when they cannot be."""
    answers = answers_of(tables, plan)
    sentences = sentences_of(answers, plan)
    every: dict[str, Sequence[dict[str, Any]]] = {**tables, "answers": answer_rows(answers)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in every.items():
            (folder / f"{name}.csv").write_text(csv_text(list(rows)), encoding="utf-8")
        (folder / "answers.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
        placed = save_figures(folder, figures_of(tables, answers, plan))
        page = FormatsPage(plan, sentences, placed, tables, measured_text(format_rows(catalogue)))
        text = environment().get_template("formats.html.j2").render(page=page)
        (folder / "report.html").write_text(text.lstrip(), encoding="utf-8")
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(folder))]) from error
    names = ["report.html", "answers.txt", *(f"{name}.csv" for name in every)]
    return [folder / name for name in names] + [folder / "figures" / f"{name}.png" for name in placed]
