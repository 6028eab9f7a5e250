"""How do number formats look? Quality against silicon times bytes, what each buys, where a logarithm wins, weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from dse.catalogue.schema_report import FormatsTable, LogarithmicTable
from dse.reporting.format_answers import SHARED, Answers, Tables, base_value, number, ratio_grid
from dse.reporting.format_tables import FREE, LEAST_LOSS, Row
from dse.reporting.labels import Label, place_labels
from dse.reporting.style import ACCENT, INK, MUTED, RULE, plain_log

__all__ = ["draw_quality", "draw_region", "draw_tokens", "draw_widths"]

FAMILIES = {
    "float": ("#2456a6", "float"),
    "block": ("#2f7d32", "block-scaled"),
    "integer": ("#b58a2e", "integer"),
    "logarithmic": ("#c2410c", "logarithmic"),
    "posit": ("#7b4bb3", "posit"),
}
BLOCKS = ("mx", "nv", "msfp")
SPACES = ("#2456a6", "#c2410c", "#7b4bb3", "#2f7d32", "#b58a2e", "#138aa0")
RIVALS = ("#2456a6", "#2f7d32", "#7b4bb3")
SHADE = "#f4e3d7"
DASHES = dict(zip(SHARED, ((0, (1, 2)), (0, (5, 2, 1, 2))), strict=True))
"""How the widths of equal accuracy are drawn."""
BESIDE = (-4.0, -11.0)
"""Of a name from its mark, below the lines of equal tokens per dollar [points]."""
AREA_TICKS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
PERCENT = 100.0
MARK = 2.8
"""Radius of a mark that labels keep clear of [points]."""


def family(name: str) -> str:
    """The family of a format that its colour shows."""
    if name.startswith(BLOCKS):
        return "block"
    if name.startswith(("lns", "pal")):
        return "logarithmic"
    if name.startswith("posit"):
        return "posit"
    return "integer" if name.startswith(("int", "ternary", "binary")) else "float"


def colour(name: str) -> str:
    """The colour of a format."""
    return FAMILIES[family(name)][0]


def draw_front(figure: Figure, axes: Axes, rows: Sequence[Row], column: str, front: str) -> None:
    """One panel: each format against its silicon times bytes, the front of those that nothing beats."""
    places = {row["format"]: (number(row, "area_times_bits"), height(row, column)) for row in rows}
    best = [row["format"] for row in rows if row[front] in (True, "True")]
    line = np.array([places[name] for name in best])
    axes.plot(*line.T, color=INK, lw=0.9, zorder=1)
    for name, (x, y) in places.items():
        axes.plot(x, y, "o", ms=5.0, color=colour(name), mfc=colour(name) if name in best else "white", zorder=3)
    axes.set_xscale("log")
    axes.grid(color=RULE)
    axes.margins(x=0.09, y=0.11)
    plain_log(axes.xaxis)
    axes.set_xlabel("area of a multiply-accumulate x bits of an element, over bf16")
    order = sorted(places, key=lambda name: name not in best)
    labels = [
        Label((places[name],), name, colour(name), True, "bold" if name in best else "normal", 6.8, 3.0)
        for name in order
    ]
    place_labels(figure, axes, labels, [(line[:, 0], line[:, 1]), *rings(figure, axes, list(places.values()))])


def rings(figure: Figure, axes: Axes, points: Sequence[tuple[float, float]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Circles around marks, in data, for labels to keep clear of."""
    figure.draw_without_rendering()
    angle = np.linspace(0.0, 2.0 * np.pi, 9)
    circle = MARK * figure.dpi / 72.0 * np.column_stack([np.cos(angle), np.sin(angle)])
    inverse = axes.transData.inverted()
    return [tuple(inverse.transform(axes.transData.transform(point) + circle).T) for point in points]


def height(row: Row, column: str) -> float:
    """Where a format stands: QSNR [dB], or loss [%], never below what chance makes of it."""
    value = number(row, column)
    return PERCENT * max(value, LEAST_LOSS) if column.startswith("loss") else value


def draw_quality(rows: Sequence[Row]) -> Figure:
    """Noise and measured loss against silicon times bytes."""
    figure = Figure(figsize=(13.2, 8.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set_title("Noise: signal over noise on Gaussian values")
    left.set_ylabel("QSNR [dB]; up is better")
    right.set_yscale("log")
    right.set_title("Measured loss of a sentence model, every operand in the format")
    right.set_ylabel("loss of rank correlation [%]; up is better")
    right.invert_yaxis()
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    families = {family(row["format"]) for row in rows}
    handles = [
        left.plot([], [], "o", color=shade, label=name)[0] for key, (shade, name) in FAMILIES.items() if key in families
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    draw_front(figure, left, rows, "qsnr_db", "front_qsnr")
    draw_front(figure, right, rows, "loss_all", "front_loss")
    return figure


def draw_tokens(rows: Sequence[Row], baseline: str) -> Figure:
    """Tokens per dollar over the baseline's: a line for each format, a mark for each space."""
    spaces = list(dict.fromkeys(row["space"] for row in rows))
    formats = {row["format"]: row for row in rows}
    order = sorted(formats, key=lambda name: (-number(formats[name], "bits"), number(formats[name], "loss_all"), name))
    figure = Figure(figsize=(8.6, 0.225 * len(order) + 1.4), layout="constrained")
    axes = figure.subplots()
    ratios = {(row["format"], row["space"]): number(row, f"over_{baseline}") for row in rows}
    for place, name in enumerate(order):
        some = [ratios[name, space] for space in spaces]
        axes.plot([np.nanmin(some), np.nanmax(some)], [place, place], color=RULE, lw=2.5, zorder=1)
        for space, shade in zip(spaces, SPACES, strict=False):
            axes.plot(ratios[name, space], place, "o", ms=4.6, color=shade, alpha=0.85, zorder=3)
        loss = PERCENT * max(number(formats[name], "loss_all"), LEAST_LOSS)
        least = "<" if loss <= PERCENT * LEAST_LOSS else ""
        text = f"{number(formats[name], 'bits'):.4g} bits, loss {least}{loss:.2g} %"
        axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.0, color=MUTED)
    axes.axvline(1.0, color=INK, lw=0.9)
    axes.set_xscale("log")
    plain_log(axes.xaxis)
    axes.set_yticks(range(len(order)), order)
    for label in axes.get_yticklabels():
        label.set_color(colour(label.get_text()))
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.grid(axis="x", color=RULE)
    axes.tick_params(axis="y", length=0)
    axes.set_title("What a format buys: the best chip of each space that computes and stores in it alone")
    axes.set_xlabel(f"tokens per dollar over those of {baseline}")
    jobs = {row["space"]: f"{row['space']} ({row['model']}, {row['traffic']})" for row in rows}
    shown = [
        axes.plot([], [], "o", ms=4.6, color=shade, label=jobs[space])[0]
        for space, shade in zip(spaces, SPACES, strict=False)
    ]
    figure.legend(handles=shown, loc="outside lower center", ncols=2)
    return figure


def draw_region(tables: Tables, answers: Answers, plan: FormatsTable) -> Figure:
    """For each job, where in area and bits a logarithmic chip beats each rival, and at which bits it is as accurate."""
    asked, rows = plan.logarithmic, tables["region"]
    figure = Figure(figsize=(4.1 * len(asked.traffics), 4.9), layout="constrained")
    every = figure.subplots(1, len(asked.traffics), sharey=True, squeeze=False)[0]
    for axes, traffic in zip(every, asked.traffics, strict=True):
        draw_job(axes, rows, traffic, asked)
    every[0].set_ylabel("bits of an element")
    handles = []
    for rival, shade in zip(asked.rivals, RIVALS, strict=False):
        label = f"below or left: beats {rival} (thin: other energies)"
        handles += every[0].plot([], [], color=shade, lw=1.8, label=label)
        for shared, dashes in DASHES.items():
            bits, block = answers[f"bits.{shared}.{rival}"], answers[f"block.{shared}.{rival}"]
            scale = f"a scale per {block:g}" if block else "one scale a tensor"
            label = f"as accurate as {rival}: {bits:g} bits, {scale}"
            handles += [axes.axhline(bits, color=shade, lw=0.9, ls=dashes, label=label) for axes in every][:1]
    handles.append(every[0].fill_between([], [], 0.0, color=SHADE, label=f"bounds of {asked.format}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def draw_job(axes: Axes, rows: Sequence[Row], traffic: str, asked: LogarithmicTable) -> None:
    """One panel of the region: lines at which tokens per dollar are equal, for each energy, and known formats."""
    energies = sorted({number(row, "energy_ratio") for row in rows if row["format"] == FREE})
    own = {row["format"]: row for row in rows if row["traffic"] == traffic and row["format"] != FREE}
    ends = [[number(own[end], name) for end in ("low", "high")] for name in ("area_ratio", "bits")]
    axes.fill_between(ends[0], ends[1][0], ends[1][1], color=SHADE, lw=0.0, zorder=0)
    named = {rival: (rival, shade, "s") for rival, shade in zip(asked.rivals, RIVALS, strict=False)}
    for rival, (_, shade, _) in named.items():
        for place, energy in enumerate(energies):
            areas, bits, ratios = ratio_grid(rows, traffic, rival, energy)
            width = 1.8 if place == len(energies) // 2 else 0.6
            axes.contour(areas, bits, np.log(ratios), [0.0], colors=shade, linewidths=width)
    axes.set_xscale("log")
    axes.set_xlim(*asked.area_ratio)
    axes.set_ylim(*asked.bits)
    ticks = [tick for tick in AREA_TICKS if asked.area_ratio[0] <= tick <= asked.area_ratio[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{asked.model}, {traffic}")
    axes.set_xlabel("area of a multiply-accumulate over bf16")
    named = {asked.known: (f"{asked.known}, {asked.format}", ACCENT, "o"), **named}
    for name, (text, shade, mark) in named.items():
        x, y = number(own[name], "area_ratio"), number(own[name], "bits")
        axes.plot(x, y, mark, color=shade, ms=5.5, zorder=5)
        axes.annotate(text, (x, y), BESIDE, textcoords="offset points", ha="right", color=shade, fontsize=7.5)


def draw_widths(rows: Sequence[Row], plan: FormatsTable) -> Figure:
    """Tokens per dollar and loss against the width of the weights, for each format of the activations."""
    figure = Figure(figsize=(12.0, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    gains = {place: number(row, "tokens_per_dollar") / base_value(rows, plan) for place, row in enumerate(rows)}
    losses = {place: height(row, "loss") for place, row in enumerate(rows)}
    limit = PERCENT * plan.largest_loss
    left.set_title("Tokens per dollar, and what decoding is busiest with")
    left.set_ylabel(f"over weights and activations in {plan.weights.activations[0]}")
    right.set_yscale("log")
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    right.axhline(limit, color=ACCENT, lw=1.0, ls="--", label=f"limit of {limit:g} %")
    right.set_title("Measured loss of the sentence model")
    right.set_ylabel("loss of rank correlation [%]")
    for axes, values in ((left, gains), (right, losses)):
        axes.set_xscale("log", base=2)
        axes.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
        axes.grid(color=RULE)
        axes.set_xlabel("bits of a weight with its scales")
        draw_series(
            figure, axes, rows, values, plan, "bound_by" if axes is left else "", [([1.0, 16.0], [limit, limit])]
        )
    return figure


def draw_series(
    figure: Figure,
    axes: Axes,
    rows: Sequence[Row],
    values: dict[int, float],
    plan: FormatsTable,
    beside: str,
    lines: list,
) -> None:
    """A line for each format of the activations; beside: the column that is written at each point, '' for none."""
    labels: dict[tuple[str, float], Label] = {}
    for activations, shade in zip(plan.weights.activations, RIVALS, strict=False):
        places = [place for place, row in enumerate(rows) if row["activations"] == activations]
        points = [(number(rows[place], "bits"), values[place]) for place in places]
        axes.plot(*zip(*points, strict=True), "o-", color=shade, ms=5.0, lw=1.3, label=f"activations in {activations}")
        lines = [*lines, tuple(np.array(points).T)]
        for place, point in zip(places, points, strict=True):
            name = rows[place]["weights"]
            text = f"{name}: {rows[place][beside]}" if beside else name
            labels.setdefault((name, round(point[1], 3)), Label((point,), text, shade, True, "normal", 6.8, 3.0))
    axes.margins(x=0.14, y=0.16)
    axes.legend(loc="upper right")
    circles = rings(figure, axes, [label.points[0] for label in labels.values()])
    place_labels(figure, axes, list(labels.values()), [*lines, *circles])
