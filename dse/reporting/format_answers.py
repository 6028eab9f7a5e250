"""When does a logarithmic chip win, and how wide should weights be? Answers in numbers, and in sentences made of them.

Both are made from the tables of the report alone, so that anyone who has these can check them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dse.analysis.logarithmic import last_above
from dse.catalogue.schema_report import FormatsTable
from dse.reporting.format_tables import FREE, Row
from dse.reporting.text import spoken

__all__ = [
    "SHARED",
    "Answers",
    "Tables",
    "answers_of",
    "base_value",
    "narrowest",
    "number",
    "ratio_grid",
    "sentences_of",
    "winning_areas",
]

Tables = Mapping[str, Sequence[Row]]
"""Rows by the name of their table: quality, tokens, region, logarithms, weights."""
Answers = dict[str, float]
BUSY = {"matrix": "matrix units", "memory": "main memory", "fixed": "fixed times", "communication": "links"}
FIGURES = ("area_ratio", "energy_ratio", "bits")
SCALE_WORDS = {"plain": "one scale a tensor", "blocks": "a scale per {}"}
SHARED = tuple(SCALE_WORDS)
"""Logarithms whose scale the whole tensor shares, and those with a scale for each block of values."""
PERCENT = 100.0


def number(row: Row, column: str) -> float:
    """A number of a table; not a number where it is empty."""
    value = row.get(column)
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
    found["area"], found["energy"], found["own_bits"] = (number(own, name) for name in FIGURES)
    for rival in asked.rivals:
        level = number(quality[rival], "worst_qsnr_db")
        found[f"qsnr.{rival}"], found[f"area.{rival}"] = level, number(named[asked.traffics[0], rival], "area_ratio")
        equal = {shared: narrowest(tables["logarithms"], level - asked.as_accurate, shared) for shared in SHARED}
        for shared, one in equal.items():
            found |= {f"{name}.{shared}.{rival}": value for name, value in one.items()}
        for traffic in asked.traffics:
            grid, where = ratio_grid(tables["region"], traffic, rival, found["energy"]), f"{rival}.{traffic}"
            for name, what in ((asked.format, "ratio"), ("low", "low"), ("high", "high")):
                found[f"{what}.{where}"] = number(named[traffic, name], f"over_{rival}")
            for shared, one in equal.items():
                found[f"area_at_equal_accuracy.{shared}.{where}"] = at_bits(grid, one["bits"])
            found[f"bits_at_area.{where}"] = at_area(grid, found["area"])
    return found


def narrowest(rows: Sequence[Row], level: float, shared: str) -> Answers:
    """Bits, worst QSNR [dB] and block of the narrowest logarithm with at least a level of it [dB]; nan without one.

    Of equals the least noisy; shared: one of SHARED.
    """
    some = [row for row in rows if (number(row, "block") > 0.0) == (shared == "blocks")]
    enough = [row for row in some if number(row, "worst_qsnr_db") >= level]
    best = min(enough, key=lambda row: (number(row, "bits"), -number(row, "worst_qsnr_db")), default={})
    columns = {"bits": "bits", "reaches": "worst_qsnr_db", "block": "block"}
    return {name: number(best, column) for name, column in columns.items()}


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


def each(answers: Answers, what: str, rival: str, plan: FormatsTable) -> str:
    """A number for each traffic that has one: '1.20 (chat) and 1.30 (batch)'."""
    values = {traffic: answers[f"{what}.{rival}.{traffic}"] for traffic in plan.logarithmic.traffics}
    return spoken([f"{value:.2f} ({traffic})" for traffic, value in values.items() if np.isfinite(value)])


def conditions(answers: Answers, rival: str, plan: FormatsTable, shared: str) -> str:
    """Bits of a logarithm as accurate as a rival, and below which area of a multiply-accumulate it wins."""
    bits, reaches, block = (answers[f"{name}.{shared}.{rival}"] for name in ("bits", "reaches", "block"))
    if np.isnan(bits):
        return "no width of these with " + SCALE_WORDS[shared].format("block")
    areas = winning_areas(answers, rival, plan, shared)
    return f"{bits:g} bits with {SCALE_WORDS[shared].format(f'{block:g}')} ({reaches:.1f} dB), and wins {areas}"


def winning_areas(answers: Answers, rival: str, plan: FormatsTable, shared: str) -> str:
    """Where a logarithm as accurate as a rival wins, where nowhere, and where for all areas that were looked at."""
    low, high = plan.logarithmic.area_ratio
    found = {one: answers[f"area_at_equal_accuracy.{shared}.{rival}.{one}"] for one in plan.logarithmic.traffics}
    never = [traffic for traffic, area in found.items() if np.isnan(area)]
    always = [traffic for traffic, area in found.items() if np.isclose(area, high)]
    up_to = [f"{area:.2f} ({traffic})" for traffic, area in found.items() if traffic not in (*never, *always)]
    parts = [f"nowhere from {low:g} on in {spoken(never)}"] if never else []
    parts += [f"up to {high:g} and more in {spoken(always)}"] if always else []
    if not up_to:
        return spoken(parts)
    others = f" ({spoken(parts)})" if parts else ""
    return f"where its multiply-accumulate takes less than {spoken(up_to)} of a bf16 one{others}"


def extremes(answers: Answers, rival: str, plan: FormatsTable) -> str:
    """The least and the most over all traffics and the bounds of the unpublished figures: '0.7 to 1.5'."""
    ends = [[answers[f"{what}.{rival}.{one}"] for one in plan.logarithmic.traffics] for what in ("low", "high")]
    return f"{min(map(min, ends)):.2f} to {max(map(max, ends)):.2f}"


def rival_sentence(answers: Answers, rival: str, plan: FormatsTable) -> str:
    """How a logarithmic chip fares against one rival: as its file assumes it, and as accurate as that."""
    return (
        f"A {plan.logarithmic.format} chip as assumed (a multiply-accumulate of {answers['area']:.2f} of the area of a "
        f"bf16 one, {answers['own_bits']:g} bits) earns {each(answers, 'ratio', rival, plan)} times the tokens per "
        f"dollar of an {rival} chip of the same node, die area, package and memory, and "
        f"{extremes(answers, rival, plan)} over the bounds of its unpublished figures. A logarithm as accurate as "
        f"{rival} (within {plan.logarithmic.as_accurate:g} of {answers[f'qsnr.{rival}']:.1f} dB on the worst kind of "
        f"values) takes {'; or '.join(conditions(answers, rival, plan, shared) for shared in SHARED)}; that of {rival} "
        f"takes {answers[f'area.{rival}']:.2f}."
    )


def width_sentences(answers: Answers, plan: FormatsTable) -> list[str]:
    """At which width of the weights tokens per dollar are highest, and why."""
    first = plan.weights.activations[0]
    names = [name.removeprefix("gain.") for name in answers if name.startswith("gain.")]
    plain = [name for name in names if name.endswith(f".{first}") and name != f"{first}.{first}"]
    good = [name for name in names if answers[f"loss.{name}"] <= plan.largest_loss]
    base = f"{first}.{first}"
    best, top = (max(some, key=gain_in(answers), default="") for some in (good, names))
    narrow = max((name for name in good if name.endswith(f".{first}")), key=gain_in(answers), default=base)
    steps = spoken([step_text(answers, name, base) for name in plain])
    busy = {word: f"{PERCENT * answers[f'busy_{key}.{narrow}']:.0f} %" for key, word in BUSY.items()}
    others = spoken([f"{word} {share}" for word, share in busy.items() if word != BUSY["memory"]])
    memory, wide, chosen = busy[BUSY["memory"]], answers[f"bits.{base}"], answers[f"bits.{narrow}"]
    why = (
        f"On the best {plan.weights.space} chip for each width of the weights, activations in {first}, tokens per "
        f"dollar over those at {wide:g} bits are {steps}: narrower weights relieve nothing but memory, which at "
        f"{chosen:g} bits is busy for {memory} of a decode step ({others}), and shrink the deployment from "
        f"{answers[f'chips.{base}']:,.0f} to {answers[f'chips.{narrow}']:,.0f} chips."
    )
    where = (
        f"Held to a loss of {PERCENT * plan.largest_loss:g} % of the sentence model the optimum is "
        f"{pair_text(answers, best) if best else 'none of these'}; without a limit it would be "
        f"{pair_text(answers, top)}."
    )
    return [why, where]


def step_text(answers: Answers, name: str, base: str) -> str:
    """What a width of the weights gains; products beside weights wider than the activations are in their format."""
    wide = answers[f"bits.{name}"] > answers[f"bits.{base}"]
    weights = name.rsplit(".", 1)[0]
    also = f" (where products are in {weights}, too)" if wide else ""
    return f"{answers[f'gain.{name}']:.2f} at {answers[f'bits.{name}']:g} bits{also}"


def gain_in(answers: Answers) -> Callable[[str], float]:
    """What pairs of formats are compared by."""
    return lambda name: answers[f"gain.{name}"]


def pair_text(answers: Answers, name: str) -> str:
    """A pair of formats with what it gains and loses."""
    weights, activations = name.rsplit(".", 1)
    gain, loss = answers[f"gain.{name}"], PERCENT * answers[f"loss.{name}"]
    return f"weights in {weights} and activations in {activations} ({gain:.2f} times, loss {loss:.2g} %)"


def sentences_of(answers: Answers, plan: FormatsTable) -> list[str]:
    """The answers in words: one sentence for each rival of the logarithmic chip, two on the width of weights."""
    return [rival_sentence(answers, rival, plan) for rival in plan.logarithmic.rivals] + width_sentences(answers, plan)
