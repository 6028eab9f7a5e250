"""How does a report look? Colours, type and the two file formats of its figures."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = [
    "ACCENT",
    "FAMILY_COLOURS",
    "FOUND_COLOURS",
    "INK",
    "MUTED",
    "PART_COLOURS",
    "PART_NAMES",
    "RULE",
    "drawn",
    "plain_log",
    "png_of",
    "svg_of",
]

INK, MUTED, RULE, ACCENT = "#1f2328", "#6b7280", "#d9dce1", "#c2410c"
FAMILY_COLOURS = {
    "NVIDIA": ("#2f7d32", "#8bb62c", "#12806a"),
    "AMD": ("#a8325a", "#d16b8f"),
    "Google": ("#2456a6", "#6aa0e0", "#3d3fa8"),
    "Amazon": ("#b58a2e", "#d8b24a"),
    "Intel": ("#138aa0", "#5fc0c9"),
    "other": ("#7b4bb3", "#6b5344", "#111418", "#c257b8", "#8a8f98", "#a67c52"),
}
FOUND_COLOURS = (ACCENT, "#e8590c", "#9b1c1c", "#f08c00", "#7c2d12", "#e03131")
PART_COLOURS = {
    "matrix": "#2f5d8a",
    "vector": "#7fa6cc",
    "control": "#c3cfdc",
    "sram": "#4f9a76",
    "memory_interface": "#d99a4e",
    "memory": "#d99a4e",
    "far_memory": "#efc98f",
    "links": "#8d6bab",
    "on_chip_network": "#bfa8d1",
    "other": "#dfe2e6",
    "static": "#b4b9c1",
    "dies": "#2f5d8a",
    "package": "#8d6bab",
    "test": "#bfa8d1",
    "assembly_loss": "#c7625a",
    "chip": "#2f5d8a",
    "host": "#7fa6cc",
    "rack": "#a9c3da",
    "scale_up": "#8d6bab",
    "scale_out": "#bfa8d1",
    "spares": "#c3cfdc",
    "operation": "#8a8f98",
    "development": "#c7625a",
    "facility": "#b4b9c1",
    "electricity": "#d9b44a",
    "maintenance": "#4f9a76",
    "projection": "#7fa6cc",
    "attention": "#d99a4e",
    "feed_forward": "#2f5d8a",
    "experts": "#4f9a76",
    "state_space": "#3f95a5",
    "linear_attention": "#a8b545",
    "head": "#c3cfdc",
    "communication": "#8d6bab",
    "boundaries": "#e6a39b",
    "overhead": "#c7625a",
    "throttling": "#7c2d12",
    "prefill": "#b4b9c1",
    "handover": "#bfa8d1",
    "idle": "#d6c7ae",
}
PART_NAMES = {
    "sram": "SRAM",
    "on_chip_network": "NoC",
    "memory_interface": "DRAM PHY",
    "far_memory": "far memory",
    "feed_forward": "feed-forward",
    "state_space": "state space",
    "linear_attention": "linear attention",
    "assembly_loss": "lost in assembly",
    "scale_up": "scale-up network",
    "scale_out": "scale-out network",
    "prefill": "prefill of others",
    "idle": "idle pools",
    "throttling": "power throttling",
}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.edgecolor": "#9aa0a8",
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "figure.dpi": 100.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "legend.frameon": False,
    "legend.fontsize": 7.5,
}


def drawn(draw: Callable[..., Figure], *data: Any) -> Figure:
    """A figure in the style of the reports."""
    with mpl.rc_context(STYLE):
        return draw(*data)


def svg_of(figure: Figure, name: str) -> str:
    """The figure as SVG text without a date, the same for the same data; every id begins with the name."""
    buffer = io.StringIO()
    style: dict[Any, Any] = {**STYLE, "svg.hashsalt": name}
    with mpl.rc_context(style):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # clip paths are named after the last digits of their corners, which differ from draw to draw; count them instead
    for number, clip in enumerate(dict.fromkeys(re.findall(r'<clipPath id="([^"]+)"', text))):
        text = text.replace(clip, f"clip{number}")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href|href)="#', rf'\1="#{name}-', text)
    return text.replace("url(#", f"url(#{name}-")


def png_of(figure: Figure) -> bytes:
    """The figure as PNG at twice the size of the screen, without metadata."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    return buffer.getvalue()


def plain_log(axis: Any, minor: bool = True) -> None:
    """Ticks of a logarithmic axis as plain numbers; few decades also get 2 and 5."""
    low, high = sorted(axis.get_view_interval())
    few = np.log10(high / low) < 2.6
    axis.set_major_locator(LogLocator(base=10.0, subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())
    if not minor:
        axis.set_minor_locator(LogLocator(base=10.0, subs=(), numticks=12))
