"""What does a format cost in quality? Noise on five kinds of values, and the answers of a real transformer."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import kendalltau, spearmanr

from dse.analysis import sentence_model
from dse.analysis.format_noise import SEED, noise_levels, samples
from dse.analysis.sentence_model import Batch, Formats, Model
from dse.catalogue.format_quality import LOSS, NOISE, USES, folder_of
from dse.catalogue.locate import shipped_root
from dse.numerics.parameters import Quantiser

__all__ = [
    "embedded",
    "losses_of",
    "measure_losses",
    "measure_noise",
    "pair_similarities",
    "sentence_pairs",
    "task_of",
]

Record = dict[str, str]
Report = Callable[[str], None]


def measure_noise(quantisers: Mapping[str, Quantiser], report: Report = lambda _: None) -> list[Record]:
    """QSNR of each format on each kind of values, as rows of the stored table."""
    values, found = samples(), []
    made = {"samples": str(next(iter(values.values())).size), "seed": str(SEED), **provenance("altarch-dse")}
    for name, quantiser in quantisers.items():
        report(name)
        for kind, level in noise_levels(quantiser, values).items():
            row = {"format": name, "distribution": kind, "qsnr_db": f"{level:.2f}", **made}
            found.append({column: row[column] for column in NOISE})
    return found


def provenance(package: str) -> Record:
    """Which version measured, and when."""
    named = sentence_model.package_version() if package == sentence_model.PACKAGE else f"{package} {version(package)}"
    return {"package": named, "date": date.today().isoformat()}


def sentence_pairs() -> list[tuple[float, str, str]]:
    """Pairs of sentences with their similarity as judged by a person, from 0 to 5 [1]."""
    path = folder_of(shipped_root()) / "sentence_pairs.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return [(float(row["grade"]), row["first"], row["second"]) for row in csv.DictReader(stream)]


def formats_of(quantiser: Quantiser, use: str) -> Formats:
    """A run with a format in one use, or in all of them."""
    return Formats(**{field: quantiser for field in Formats._fields if use in (field, "all")})


def pair_similarities(vectors: Float[np.ndarray, "sentences width"]) -> Float[np.ndarray, " pairs"]:
    """Cosine of the two sentences of each pair: first all first ones, then all second ones [1]."""
    first, second = np.split(vectors, 2)
    return np.sum(first * second, axis=-1)


def losses_of(
    exact: Float[np.ndarray, "sentences width"], found: Float[np.ndarray, "sentences width"]
) -> dict[str, float]:
    """What embeddings lose against exact ones [1].

    One less the mean cosine of a sentence with itself, and one less the rank correlations (Spearman, Kendall) of the
    similarities of the pairs; no correlation at all counts as a loss of 1.
    """
    cosine = float(np.mean(np.sum(exact * found, axis=-1)))
    before, after = pair_similarities(exact), pair_similarities(found)
    ranks = {"spearman": spearmanr, "kendall": kendalltau}
    agreement = {name: float(rank(before, after).statistic) if np.ptp(after) else 0.0 for name, rank in ranks.items()}
    return {f"{name}_loss": 1.0 - value for name, value in {"cosine": cosine, **agreement}.items()}


def measure_losses(quantisers: Mapping[str, Quantiser], report: Report = lambda _: None) -> list[Record]:
    """Losses of the sentence model in each format and use, as rows; ImportError without the extra."""
    model, pairs = sentence_model.load_model(), sentence_pairs()
    task = task_of(model, pairs)
    exact = embedded(model, task, Formats())
    made = {"pairs": str(len(pairs)), **provenance(sentence_model.PACKAGE)}
    found = []
    for name, quantiser in quantisers.items():
        report(name)
        for use, losses in losses_by_use(model, task, exact, quantiser):
            row = {"format": name, "use": use, **{key: f"{loss:.3g}" for key, loss in losses.items()}, **made}
            found.append({column: row[column] for column in LOSS})
    return found


def losses_by_use(
    model: Model, task: Task, exact: Float[np.ndarray, "sentences width"], quantiser: Quantiser
) -> Iterator[tuple[str, dict[str, float]]]:
    """Losses of a format in each use."""
    for use in USES:
        yield use, losses_of(exact, embedded(model, task, formats_of(quantiser, use)))


class Task(NamedTuple):
    """What is embedded: each sentence once, and where the first and then the second ones of all pairs are."""

    batch: Batch
    places: list[int]


def task_of(model: Model, pairs: Sequence[tuple[float, str, str]]) -> Task:
    """Pairs as a task."""
    sentences = [first for _, first, _ in pairs] + [second for _, _, second in pairs]
    place = {sentence: number for number, sentence in enumerate(dict.fromkeys(sentences))}
    return Task(model.batch(list(place)), [place[sentence] for sentence in sentences])


def embedded(model: Model, task: Task, formats: Formats) -> Float[np.ndarray, "sentences width"]:
    """Embeddings of the first, then the second ones, in double precision so that small losses are not lost in sums."""
    vectors = np.asarray(sentence_model.embed(model, task.batch, formats), np.float64)[task.places]
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
