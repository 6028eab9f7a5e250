"""When does a logarithmic chip win, and how wide should weights be? Answers in numbers, and in sentences made of them.

Both are made from the tables of the report alone, so that anyone who has these can check them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dse.analysis.logarithmic import last_above
from dse.catalogue.schema_report import FormatsTable
from dse.reporting.format_tables import FREE, Row
from dse.reporting.text import significant, spoken

__all__ = ["Tables", "answers_of", "ratio_grid", "sentences_of"]

Tables = Mapping[str, Sequence[Row]]
"""Rows by the name of their table: quality, tokens, region, logarithms, weights."""
Answers = dict[str, float]
BUSY = {"matrix": "the matrix units", "memory": "main memory", "fixed": "fixed times", "communication": "links"}


def number(row: Row, column: str) -> float:
    """A number of a table; not a number where it is empty."""
    value = row[column]
    return float("nan") if value in (None, "") else float(value)


def ratio_grid(
    rows: Sequence[Row], traffic: str, rival: str, energy: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Areas, bits, and tokens per dollar over a rival's (bits, areas), of the free points with one energy."""
    some = [row for row in rows if row["traffic"] == traffic and row["format"] == FREE]
    some = [row for row in some if np.isclose(number(row, "energy_ratio"), energy)]
    columns = ([number(row, name) for row in some] for name in ("area_ratio", "bits", f"over_{rival}"))
    area, bits, ratio = (np.array(list(column)) for column in columns)
    areas, levels = np.unique(area), np.unique(bits)
    return areas, levels, ratio[np.lexsort((area, bits))].reshape(len(levels), len(areas))


def at_bits(grid: tuple[np.ndarray, np.ndarray, np.ndarray], bits: float) -> float:
    """The largest area at which a logarithmic chip of so many bits wins [1]."""
    areas, levels, ratios = grid
    line = [np.exp(np.interp(bits, levels, np.log(column))) for column in ratios.T]
    return float(np.exp(last_above(np.log(areas), np.array(line))))


def at_area(grid: tuple[np.ndarray, np.ndarray, np.ndarray], area: float) -> float:
    """The most bits with which a logarithmic chip of this area of a multiply-accumulate wins [1]."""
    areas, levels, ratios = grid
    line = [np.exp(np.interp(np.log(area), np.log(areas), np.log(row))) for row in ratios]
    return last_above(levels, np.array(line))


def answers_of(tables: Tables, plan: FormatsTable) -> Answers:
    """Everything that the sentences say, by name."""
    return logarithmic_answers(tables, plan) | weight_answers(tables["weights"], plan)


def logarithmic_answers(tables: Tables, plan: FormatsTable) -> Answers:
    """Ratios to the rivals, bits of equal accuracy, largest areas and most bits with which a logarithmic chip wins."""
    asked, found = plan.logarithmic, {}
    quality = {row["format"]: row for row in tables["quality"]}
    named = {(row["traffic"], row["format"]): row for row in tables["region"] if row["format"] != FREE}
    own = named[asked.traffics[0], asked.format]
    found["area"], found["energy"] = number(own, "area_ratio"), number(own, "energy_ratio")
    for rival in asked.rivals:
        level = number(quality[rival], "worst_qsnr_db")
        bits = narrowest(tables["logarithms"], level)
        found |= {f"qsnr.{rival}": level, f"bits.{rival}": bits}
        found[f"area.{rival}"] = number(named[asked.traffics[0], rival], "area_ratio")
        for traffic in asked.traffics:
            grid, where = ratio_grid(tables["region"], traffic, rival, found["energy"]), f"{rival}.{traffic}"
            for name, what in ((asked.format, "ratio"), ("low", "low"), ("high", "high")):
                found[f"{what}.{where}"] = number(named[traffic, name], f"over_{rival}")
            found[f"area_at_equal_accuracy.{where}"] = at_bits(grid, bits)
            found[f"bits_at_area.{where}"] = at_area(grid, found["area"])
    return found


def narrowest(rows: Sequence[Row], level: float) -> float:
    """Bits of the narrowest logarithmic format whose worst QSNR is at least a level [dB]; nan where there is none."""
    return min((number(row, "bits") for row in rows if number(row, "worst_qsnr_db") >= level), default=float("nan"))


def base_value(rows: Sequence[Row], plan: FormatsTable) -> float:
    """Tokens per dollar with weights in the first format of the activations, which others are held against [1/USD]."""
    first = plan.weights.activations[0]
    return next(number(row, "tokens_per_dollar") for row in rows if {row["weights"], row["activations"]} == {first})


def weight_answers(rows: Sequence[Row], plan: FormatsTable) -> Answers:
    """Tokens per dollar by width over those of the base, losses, and where the decode step goes."""
    base = base_value(rows, plan)
    found: Answers = {}
    for row in rows:
        name = f"{row['weights']}.{row['activations']}"
        found[f"gain.{name}"] = number(row, "tokens_per_dollar") / base
        for column in ("bits", "loss", "chips", *(f"busy_{resource}" for resource in BUSY)):
            found[f"{column}.{name}"] = number(row, column)
    return found


def each(answers: Answers, what: str, rival: str, plan: FormatsTable, end: float | None = None) -> str:
    """A number for each traffic in words: '1.2 (chat), 1.3 (batch)'; end: where the search for it ended."""
    texts = []
    for traffic in plan.logarithmic.traffics:
        value = answers[f"{what}.{rival}.{traffic}"]
        text = "none" if np.isnan(value) else f"any up to {significant(value, 2)}" if end and np.isclose(value, end) else f"{value:.2f}"
        texts.append(f"{text} ({traffic})")
    return spoken(texts)


def extremes(answers: Answers, rival: str, plan: FormatsTable) -> str:
    """The least and the most over all traffics and the bounds of the unpublished figures: '0.7 to 1.5'."""
    ends = [[answers[f"{what}.{rival}.{one}"] for one in plan.logarithmic.traffics] for what in ("low", "high")]
    return f"{min(map(min, ends)):.2f} to {max(map(max, ends)):.2f}"


def rival_sentence(answers: Answers, rival: str, plan: FormatsTable) -> str:
    """How a logarithmic chip fares against one rival."""
    asked = plan.logarithmic
    largest, bits = answers[f"area.{rival}"], answers[f"bits.{rival}"]
    return (
        f"Against an {rival} chip of the same node, die area, package and memory, one with {asked.format} as assumed "
        f"({answers['area']:.2f} of the area of a bf16 multiply-accumulate, 8 bits) earns "
        f"{each(answers, 'ratio', rival, plan)} times the tokens per dollar, and {extremes(answers, rival, plan)} over "
        f"the bounds of what nobody has published; at equal accuracy ({answers[f'qsnr.{rival}']:.1f} dB on the worst "
        f"kind of values, which takes a logarithm of {bits:.0f} bits) it wins where its multiply-accumulate takes less "
        f"than {each(answers, 'area_at_equal_accuracy', rival, plan, asked.area_ratio[1])} of a bf16 one "
        f"({rival}: {largest:.2f}), and at the assumed area with at most "
        f"{each(answers, 'bits_at_area', rival, plan, asked.bits[1])} bits."
    )


def width_sentences(answers: Answers, plan: FormatsTable) -> list[str]:
    """At which width of the weights tokens per dollar are highest, and why."""
    first, *others = plan.weights.activations
    names = [name.removeprefix("gain.") for name in answers if name.startswith("gain.")]
    plain = [name for name in names if name.endswith(f".{first}")]
    allowed = [name for name in names if answers[f"loss.{name}"] <= plan.largest_loss]
    best = max(allowed, key=lambda name: answers[f"gain.{name}"])
    steps = spoken([f"{answers[f'bits.{name}']:g} bits {answers[f'gain.{name}']:.2f}" for name in plain[1:]])
    busy = spoken([f"{word} {100.0 * answers[f'busy_{key}.{best}']:.0f} %" for key, word in BUSY.items()])
    top = max(names, key=lambda name: answers[f"gain.{name}"])
    beyond = " and ".join(top.rsplit(".", 1))
    return [
        f"On the best {plan.weights.space} chip for each width, tokens per dollar over those at "
        f"{answers[f'bits.{plain[0]}']:g} bits are, with activations in {first}: {steps}; below 8 bits little is gained, "
        f"for of a decode step at {answers[f'bits.{best}']:g} bits {busy} are busy, and narrower weights make only "
        f"their own share of memory traffic and the deployment ({answers[f'chips.{plain[1]}']:,.0f} chips at "
        f"{answers[f'bits.{plain[1]}']:g} bits, {answers[f'chips.{best}']:,.0f} at {answers[f'bits.{best}']:g}) smaller.",
        f"Held to a loss of {100.0 * plan.largest_loss:g} % of the sentence model, the best is "
        f"{' and '.join(best.rsplit('.', 1))} (weights and activations; {answers[f'gain.{best}']:.2f} times 16 bits, "
        f"loss {100.0 * answers[f'loss.{best}']:.2g} %); without a limit it would be {beyond} "
        f"({answers[f'gain.{top}']:.2f}, loss {100.0 * answers[f'loss.{top}']:.2g} %).",
    ]


def sentences_of(answers: Answers, plan: FormatsTable) -> list[str]:
    """The answers in words: one sentence for each rival of the logarithmic chip, two on the width of weights."""
    return [rival_sentence(answers, rival, plan) for rival in plan.logarithmic.rivals] + width_sentences(answers, plan)
