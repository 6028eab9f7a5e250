"""What does a report consist of? A page, its figures as files, and the results as tables, all in one folder."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from dse.analysis.comparison import Comparison
from dse.catalogue.read import Entry
from dse.catalogue.store import Catalogue
from dse.reporting.convergence import convergence_lines
from dse.reporting.figure_data import heat_map, part_bars, roofline, time_bars, winners
from dse.reporting.figures import draw_bars, draw_heat_map, draw_roofline
from dse.reporting.front_data import front_figure
from dse.reporting.front_figure import draw_fronts
from dse.reporting.headline import findings
from dse.reporting.html import Page, PlacedFigure, render, study_text
from dse.reporting.interactivity import NAMED, draw_interactivity, interactivity
from dse.reporting.notes import ranking_notes
from dse.reporting.provenance import chip_rows, entries_of, marked, provenance_rows, works_of
from dse.reporting.results import csv_text, result_rows, write_parquet
from dse.reporting.search_data import histories, pareto
from dse.reporting.search_figures import draw_histories, draw_pareto
from dse.reporting.style import drawn, png_of, svg_of
from dse.reporting.tables import StudyRecord, ranking, rejected
from dse.reporting.text import spoken
from dse.reporting.winner import the_winner, winner_of

__all__ = ["save_figures", "write_report"]


def vendors_of(entries: dict[str, Entry]) -> dict[str, str]:
    """Vendors of the chips by name."""
    chips = [entry for entry in entries.values() if entry.kind == "chip"]
    return {entry.name: str(getattr(entry.document, "vendor", "")) for entry in chips}


def front_caption(comparison: Comparison) -> str:
    """What the first figure shows."""
    return (
        "What an output token costs against how fast each user gets it: each chip's Pareto front over all mappings, "
        "limits on time aside. Marks: the best mapping within all limits; ring: the best of all; dashed: no mapping "
        "keeps the limits. Heavy: found designs; named on their line: those whose mark no other chip's beats in both. "
        f"Costs on the basis '{comparison.job.price_basis}'."
    )


def draw_comparison(comparison: Comparison, entries: dict[str, Entry]) -> dict[str, tuple[Figure, str]]:
    """Figures of the candidates with their captions."""
    made = {}
    fronts = front_figure(comparison, vendors_of(entries))
    if fronts is not None:
        made["fronts"] = (drawn(draw_fronts, fronts), front_caption(comparison))
    pace = interactivity(comparison, vendors_of(entries))
    if pace:
        caption = (
            "Throughput against interactivity: output tokens a second of one chip, prefill pools counted, against "
            "what each user gets, over all mappings, limits on time aside. "
            f"The {min(len(pace), NAMED)} of highest throughput."
        )
        made["interactivity"] = (drawn(draw_interactivity, pace), caption)
    best, winner = winners(comparison), the_winner(comparison)
    if best:
        caption = (
            "Where the time of an output token goes: as its user waits for it (left; 'prefill of others' is work on "
            "prompts in between), and as chips spend it (right; its share of reading its own prompt included). Classes "
            "of operators without fixed times; boundaries: from one operator to the next; overhead: of every pass."
        )
        made["times"] = (drawn(draw_bars, time_bars(comparison.job, best)), caption)
        caption = (
            "One package of the best found designs and of the best others by part: silicon, power averaged over "
            "prefill and decode, cost to make and to own. Marks: published die area, power limit. →: the bar goes on."
        )
        made["parts"] = (drawn(draw_bars, part_bars(best)), caption)
    if winner is not None:
        caption = (
            f"Operators of {winner.name} under its mapping. Area of a dot: share of its pass; those above "
            "4 % are named. Lines: peak of the matrix units in the format used, bandwidth of the level as software "
            "reaches it; at the right edge, operators that do not touch the level."
        )
        made["roofline"] = (drawn(draw_roofline, roofline(comparison.job, winner)), caption)
    return made


def draw_study(comparison: Comparison, study: StudyRecord) -> dict[str, tuple[Figure, str]]:
    """Figures of the search with their captions."""
    made = {}
    cells = heat_map(study, comparison.candidates)
    if cells is not None:
        beyond = f" Beyond the map: {spoken(cells.outside)}." if cells.outside else ""
        caption = (
            "Best design tried in each cell of SRAM capacity by memory bandwidth; blank: nothing feasible was tried; "
            f"framed: the best cell. Points: where the compared chips lie, not what they score.{beyond}"
        )
        made["heat-map"] = (drawn(draw_heat_map, cells), caption)
    pairs = pareto(study, comparison.candidates)
    if pairs:
        caption = (
            "Trials by two objectives, the front of those that no other trial beats in every objective, and where the "
            "compared chips lie under their best mapping; named: chips that no other one of the catalogue beats."
        )
        made["pareto"] = (drawn(draw_pareto, pairs), caption)
    courses = histories(study)
    if courses:
        caption = "Every trial of the study and the best so far; ticks at the foot: infeasible. "
        made["history"] = (drawn(draw_histories, courses), caption + " ".join(convergence_lines(study)))
    return made


def save_figures(directory: Path, made: dict[str, tuple[Figure, str]]) -> dict[str, PlacedFigure]:
    """Write every figure as PNG and SVG."""
    folder = directory / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    placed = {}
    for name, (figure, caption) in made.items():
        svg = svg_of(figure, name)
        (folder / f"{name}.png").write_bytes(png_of(figure))
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        placed[name] = PlacedFigure(name, svg, caption)
    return placed


def write_report(
    directory: Path | str, comparison: Comparison, study: StudyRecord | None, catalogue: Catalogue
) -> Path:
    """Write report.html, figures/, results.csv and results.parquet; returns the path of the page.

    The page needs no other file and asks nothing of the network.
    """
    folder, comparison = Path(directory), marked(comparison, catalogue)
    objectives = study.objectives if study is not None else (comparison.job.objective,)
    entries = entries_of(catalogue, comparison, study)
    works, provenance = works_of(entries, catalogue), provenance_rows(comparison, entries, study)
    made = draw_comparison(comparison, entries)
    if study is not None:
        made |= draw_study(comparison, study)
    rows, winner = ranking(comparison, objectives), the_winner(comparison)
    page = Page(
        comparison=comparison,
        findings=findings(rows, comparison.job.objective),
        notes=ranking_notes(comparison, rows),
        objectives=objectives,
        ranking=rows,
        rejected=rejected(comparison),
        figures=save_figures(folder, made),
        winner=winner_of(comparison.job, winner) if winner is not None else None,
        chips=chip_rows(comparison, entries, works),
        provenance=provenance,
        works=works,
        study=study_text(study) if study is not None else None,
    )
    results = result_rows(comparison, entries, provenance)
    (folder / "results.csv").write_text(csv_text(results), encoding="utf-8")
    write_parquet(results, folder / "results.parquet")
    path = folder / "report.html"
    path.write_text(render(page), encoding="utf-8")
    return path
