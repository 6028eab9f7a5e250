"""How does modelled silicon compare with what is published? One line a die or chip, by style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from dse.reporting.style import INK, MUTED, RULE

__all__ = ["Bar", "draw_comparison"]

STYLE_COLOURS = {
    "gpu": "#2f7d32",
    "graphics": "#8bb62c",
    "systolic": "#2456a6",
    "dataflow": "#b58a2e",
    "spatial": "#7b4bb3",
    "wafer": "#c2410c",
}
BAND, FITTED = "#eceef1", "#b4b9c1"
TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6)


@dataclass(frozen=True, slots=True)
class Bar:
    """One comparison: label, style, modelled, published, what the latter is, and whether it was fitted."""

    label: str
    style: str
    modelled: float
    published: float
    standing: str
    fitted: bool = False

    @property
    def ratio(self) -> float:
        """Modelled over published [1]."""
        return self.modelled / self.published


def draw_comparison(bars: Sequence[Bar], title: str, unit: str) -> Figure:
    """Ratios as dots on a logarithmic axis, one line each, with both numbers at the right."""
    ordered = sorted(bars, key=lambda bar: (list(STYLE_COLOURS).index(bar.style), bar.ratio))
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
    figure = Figure(figsize=(6.8, 0.235 * len(ordered) + 0.9), layout=layout)
    axes = figure.subplots()
    axes.axvspan(1.0 / 1.2, 1.2, color=BAND, lw=0)
    axes.axvline(1.0, color=INK, lw=0.9)
    for place, bar in enumerate(ordered):
        colour = FITTED if bar.fitted else STYLE_COLOURS[bar.style]
        axes.plot([1.0, bar.ratio], [place, place], color=colour, lw=1.2)
        filling = colour if bar.standing == "published" else "white"
        axes.plot([bar.ratio], [place], "o", ms=5.0, color=colour, mfc=filling)
        numbers = f"{bar.modelled:,.0f} / {bar.published:,.0f} {unit}" + ("  fitted" if bar.fitted else "")
        axes.text(1.01, place, numbers, transform=axes.get_yaxis_transform(), va="center", fontsize=7.0, color=MUTED)
    low = min(0.75, *(bar.ratio for bar in ordered)) * 0.97
    high = max(1.3, *(bar.ratio for bar in ordered)) * 1.03
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(ordered) - 0.4, -0.6)
    axes.set_yticks(range(len(ordered)), [f"{bar.label}" for bar in ordered])
    for label, bar in zip(axes.get_yticklabels(), ordered, strict=True):
        label.set_color(STYLE_COLOURS[bar.style])
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low <= tick <= high]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=RULE)
    axes.tick_params(axis="y", length=0)
    axes.set_title(title)
    axes.set_xlabel("modelled over published (full) or estimated (hollow)")
    styles = [style for style in STYLE_COLOURS if any(bar.style == style for bar in ordered)]
    handles = [axes.plot([], [], "o", ms=5.0, color=STYLE_COLOURS[style], label=style)[0] for style in styles]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
