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
from dse.reporting.provenance import CHIP_COLUMNS, ChipRow, ProvenanceRow
from dse.reporting.tables import FOUND, RankingRow, Rejected, StudyRecord
from dse.reporting.text import counted, quantity, significant
from dse.reporting.winner import Winner
from dse.sources import KINDS, Source

__all__ = ["Finding", "Page", "PlacedFigure", "StudyText", "findings", "render", "study_text", "without_password"]

TEMPLATES = Path(__file__).parent / "templates"


class Finding(NamedTuple):
    """A sentence of the summary: what it is about, the figure that counts, and the rest."""

    label: str
    value: str
    text: str


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
    price_note: str
    ranking: list[RankingRow]
    rejected: list[Rejected]
    figures: dict[str, PlacedFigure]
    winner: Winner | None
    chips: list[ChipRow]
    provenance: list[ProvenanceRow]
    works: list[Source]
    study: StudyText | None


def best_of(rows: list[RankingRow], statuses: tuple[str, ...]) -> RankingRow | None:
    """The first row with one of the statuses."""
    return next((row for row in rows if row.status in statuses), None)


def finding_of(label: str, row: RankingRow) -> Finding:
    """What one chip comes to."""
    chips = "1 chip" if row.chips == 1 else f"{counted(row.chips)} chips"
    text = (
        f"per million output tokens, {row.price_source} price; {significant(row.tokens_per_s_per_user)} tokens/s "
        f"per user on {chips}, {row.mapping}; bound by {row.binds}"
    )
    return Finding(label, f"{row.name}: ${significant(row.usd_per_million)}", text)


def findings(rows: list[RankingRow]) -> list[Finding]:
    """The summary: the best found design, the best that is in use, and how many times cheaper the first is."""
    if not rows:
        return [
            Finding("Nothing feasible", "0 chips", "No candidate keeps every limit of this job; see the reasons below.")
        ]
    found, used = best_of(rows, (FOUND,)), best_of(rows, ("shipping", "legacy", "internal"))
    notes = []
    if found is not None:
        notes.append(finding_of("Best design found", found))
    if used is not None:
        notes.append(finding_of("Best chip in use", used))
    if rows[0] not in (found, used):
        notes.append(finding_of(f"Ahead of them, {rows[0].status}", rows[0]))
    if found is not None and used is not None:
        ratio = used.usd_per_million / found.usd_per_million
        modelled = used.usd_per_million_modelled / found.usd_per_million_modelled
        text = (
            f"as many tokens per dollar, {found.name} against {used.name}; "
            f"with both prices modelled {significant(modelled)} times"
        )
        notes.append(Finding("Found over in use", f"{significant(ratio)} times", text))
    return notes


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
        "Free fields": ", ".join(study.trials) or "–",
    }
    commands = {
        "Look at it": f"optuna-dashboard {quoted}",
        "Go on with it": f"dse study resume {shlex.quote(study.name)} --storage {quoted}",
    }
    return StudyText(facts, commands, failures_of(study.reasons))


def words(name: str) -> str:
    """A field's name as words."""
    known = {
        "sram": "SRAM",
        "feed_forward": "feed-forward",
        "state_space": "state space",
        "on_chip_network": "on-chip network",
    }
    return known.get(name, name.replace("_", " "))


def environment() -> Environment:
    """Jinja with our filters; an undefined name is an error and text is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"n": significant, "q": quantity, "count": counted, "words": words}
    return made


def render(page: Page) -> str:
    """The page as HTML."""
    template = environment().get_template("report.html.j2")
    text = template.render(
        page=page, job=page.comparison.job, columns=CHIP_COLUMNS, kinds=(*KINDS, "choice"), FOUND=FOUND
    )
    return text.lstrip()
