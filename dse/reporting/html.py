"""How does the page read? One self-contained document from the tables and figures of a report."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dse.analysis.comparison import Comparison
from dse.reporting.convergence import convergence_lines, start_text
from dse.reporting.headline import Finding, named
from dse.reporting.provenance import CHIP_COLUMNS, ChipRow, ProvenanceRow
from dse.reporting.tables import FOUND, RankingRow, Rejected, StudyRecord
from dse.reporting.terminal import chips_cell
from dse.reporting.text import counted, quantity, significant
from dse.reporting.winner import Winner
from dse.sources import KINDS, Source

__all__ = [
    "Page",
    "PlacedFigure",
    "StudyText",
    "dashboard_command",
    "environment",
    "render",
    "study_text",
    "without_password",
]

TEMPLATES = Path(__file__).parent / "templates"


class PlacedFigure(NamedTuple):
    """A figure as SVG text with its caption; name: of its files."""

    name: str
    svg: str
    caption: str


class StudyText(NamedTuple):
    """A study in words: facts by name, commands that open or go on with it, why trials failed and how often."""

    facts: dict[str, str]
    commands: dict[str, str]
    failures: list[tuple[str, int]]


@dataclass(frozen=True)
class Page:
    """Everything that the page shows."""

    comparison: Comparison
    findings: list[Finding]
    notes: list[str]
    objectives: tuple[str, ...]
    ranking: list[RankingRow]
    rejected: list[Rejected]
    figures: dict[str, PlacedFigure]
    winner: Winner | None
    chips: list[ChipRow]
    provenance: list[ProvenanceRow]
    works: list[Source]
    study: StudyText | None


def without_password(address: str) -> str:
    """A storage address that can be shown: a password in it becomes ***."""
    parts = urlsplit(address)
    if not parts.password:
        return address
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}"))


def failures_of(reasons: list[str], most: int = 6) -> list[tuple[str, int]]:
    """The most frequent reasons, their numbers aside, with how often each occurs."""
    plain = (
        re.sub(r"\S+ x (the|what|its)", r"more than \1", re.sub(r" \([^()]*\)", "", text)) for text in reasons if text
    )
    return sorted(Counter(plain).items(), key=lambda pair: (-pair[1], pair[0]))[:most]


def dashboard_command(storage: str) -> str:
    """The command that shows a storage in optuna-dashboard, '' where it cannot open one.

    It takes the plain path of a journal file, which it tells from a URL by looking, and URLs of databases; it knows
    neither our name of a journal nor a gRPC proxy.
    """
    scheme, _, rest = storage.partition(":")
    if scheme in ("memory", "grpc"):
        return ""
    return f"optuna-dashboard {shlex.quote(rest if scheme == 'journal' else storage)}"


def study_text(study: StudyRecord) -> StudyText:
    """A study in words, without any password of its storage."""
    storage, quoted = without_password(study.storage), shlex.quote(without_password(study.storage))
    good = int(study.feasible.sum())
    facts = {
        "Study": study.name,
        "Search space": study.space,
        "Storage": storage,
        "Sampler": study.sampler,
        "Seed": str(study.seed),
        "Trials": f"{study.count:,}, of which {good:,} feasible",
        "Start points": start_text(study),
        "Convergence": " ".join(convergence_lines(study)) or "–",
        "Free fields": ", ".join(study.trials) or "–",
    }
    commands = {"Look at it": dashboard_command(storage)}
    if storage.partition(":")[0] != "memory":
        commands["Go on with it"] = f"dse study resume {shlex.quote(study.name)} --storage {quoted}"
    commands = {name: command for name, command in commands.items() if command}
    return StudyText(facts, commands, failures_of(study.reasons))


def words(name: str) -> str:
    """A field's name as words."""
    known = {
        "disaggregated": "separate prefill pool",
        "layout": "groups of experts",
        "batch": "sequences in decode",
        "prefill_tokens": "tokens of a prefill pass",
        "sram": "SRAM",
        "feed_forward": "feed-forward",
        "state_space": "state space",
        "on_chip_network": "on-chip network",
    }
    return known.get(name, name.replace("_", " "))


def degree(name: str, value: float) -> str:
    """A degree of a mapping in words: 'tensor parallel 8', 'separate prefill pool: yes'."""
    if name == "disaggregated":
        return f"{words(name)}: {'yes' if value > 0.0 else 'no'}"
    return f"{words(name)} {counted(value)}"


def environment() -> Environment:
    """Jinja with our filters; an undefined name is an error and text is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"n": significant, "q": quantity, "count": counted, "words": words, "degree": degree}
    made.filters |= {"named": named, "chips": chips_cell}
    return made


def render(page: Page) -> str:
    """The page as HTML."""
    template = environment().get_template("report.html.j2")
    text = template.render(
        page=page, job=page.comparison.job, columns=CHIP_COLUMNS, kinds=(*KINDS, "choice"), FOUND=FOUND
    )
    return text.lstrip()
