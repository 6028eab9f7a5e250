"""Files of number formats: each determines its quantiser, agrees with its own bits, is refused when it cannot be."""

from __future__ import annotations

import csv
import importlib.util
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dse.analysis import sentence_model
from dse.analysis.format_noise import noise_levels, samples
from dse.analysis.format_quality import embedded, losses_of, measure_losses, pair_similarities, sentence_pairs, task_of
from dse.analysis.sentence_model import Formats
from dse.catalogue import CatalogueError, check, open_catalogue
from dse.catalogue.format_quality import FILES, USES, Change, folder_of, qualities, quality_of, read_records
from dse.catalogue.format_store import store
from dse.catalogue.formats import quantiser_of
from dse.catalogue.locate import shipped_root
from dse.numerics.parameters import bits_per_element
from dse.numerics.quantise import quantise

CATALOGUE = open_catalogue()
# fmt: off
NAMED = {  # that the catalogue must hold
    "fp32", "tf32", "bf16", "fp16", "fp8-e4m3", "fp8-e5m2", "int8", "int4", "fp6-e2m3", "fp6-e3m2", "fp4-e2m1",
    "mxfp8", "mxfp8-e5m2", "mxint8", "mxfp6", "mxfp6-e3m2", "mxfp4", "nvfp4", "nvint4", "msfp12", "msfp14", "msfp16",
    "mx4", "mx6", "mx9", "lns8", "lns16", "pal8", "posit8", "ternary", "binary",
}
# fmt: on
WIDER = {"tf32": 19.0}
"""Formats that are stored wider than they are, and their own bits."""

OWN = """kind = "format"
name = "mine"
title = "mine"
bits = {bits}
mac_energy_ratio = {{ value = 0.3, kind = "assumed", note = "x" }}
mac_area_ratio = {{ value = 0.3, kind = "assumed", note = "x" }}
multiplies = true

[quantiser]
{quantiser}
"""


def own(folder: Path, quantiser: str, bits: str = "16") -> Path:
    path = folder / "models" / "formats" / "mine.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    bits = bits if "{" in bits else f'{{ value = {bits}, kind = "assumed", note = "stored wider" }}'
    path.write_text(OWN.format(bits=bits, quantiser="\n".join(quantiser.split("; "))), encoding="utf-8")
    return path


def test_the_catalogue_holds_the_formats() -> None:
    assert set(CATALOGUE.files("format")) >= NAMED


@pytest.mark.parametrize("name", CATALOGUE.files("format"))
def test_bits_are_those_of_the_quantiser(name: str) -> None:
    entry = CATALOGUE.entry("format", name)
    stated = WIDER.get(name, entry.values["bits"])
    assert bits_per_element(quantiser_of(entry)) == pytest.approx(stated, rel=1e-12)


MX = 'rule = "floor"; scale = "e8m0"'


@pytest.mark.parametrize(
    ("quantiser", "bits"),
    [  # a float with blocks, one with its own bias, a logarithm to another base, microexponents, listed levels
        (f'element = "float"; exponent = 3; mantissa = 4; block = 64; {MX}', 8.125),
        ('element = "float"; exponent = 4; mantissa = 3; bias = 11; rule = "absmax"; scale = "e8m23"', 8),
        ('element = "logarithmic"; integer = 4; fraction = 4; base = 1.5', 9),
        (f'element = "integer"; width = 4; block = 32; group = 4; group_bits = 2; {MX}', 4.75),
        ('element = "posit"; width = 10; exponent = 1; rule = "rms"; scale = "e8m23"', 10),
        ('element = "levels"; levels = [-1, -0.3, 0.3, 1]; block = 64; rule = "absmax"; scale = "e5m10"', 2.25),
        (
            'element = "integer"; width = 4; zero_point = true; block = 64; rule = "absmax"; scale = "e5m10"',
            4.3125,
        ),
    ],
)
def test_formats_of_the_user(tmp_path: Path, quantiser: str, bits: float) -> None:
    """Checked without a fault, with the bits that they take; and of some use."""
    own(tmp_path, quantiser, str(bits))
    catalogue = open_catalogue(tmp_path)
    assert not check([tmp_path], catalogue)
    found = quantiser_of(catalogue.entry("format", "mine"))
    assert bits_per_element(found) == pytest.approx(bits)
    values = jnp.asarray(np.random.default_rng(0).standard_normal((64, 4096)), jnp.float32)
    assert 6.0 < noise_levels(found, {"gaussian": values})["gaussian"] < 60.0


@pytest.mark.parametrize(
    ("quantiser", "bits", "words"),
    [
        ('element = "float"; exponent = 0; mantissa = 0', "16", ("1 to 8 bits of exponent", "got 0 and 0")),
        ('element = "integer"; width = 0', "16", ("quantiser.width", "out of range", "from 2")),
        ('element = "float"; exponent = 4; mantissa = 3', "0", ("bits", "out of range", "above 0")),
        ('element = "float"; exponent = 4; mantissa = 3', "7", ("fewer than elements and scales take", "8 or more")),
        (
            'element = "float"; exponent = 4; mantissa = 3',
            '{ value = 9, kind = "published", source = "x" }',
            ("unknown source",),
        ),
        (
            'element = "flaot"; exponent = 4; mantissa = 3',
            "16",
            ("unknown name", "did you mean 'float'", "logarithmic"),
        ),
        ('element = "float"; mantissa = 3', "16", ("quantiser.exponent", "missing")),
        ('element = "posit"; width = 8; mantissa = 3', "16", ("quantiser.mantissa", "means nothing", "width")),
        ('element = "integer"; width = 4; block = 16', "16", ("quantiser.rule", "missing", "e8m0")),
        (
            'element = "integer"; width = 4; block = 16; rule = "absmax"; scale = "fp9"',
            "16",
            ("quantiser.scale", "e4m3 (fp8)"),
        ),
        (
            f'element = "integer"; width = 4; block = 16; group = 3; group_bits = 1; {MX}',
            "16",
            ("does not divide", "multiple"),
        ),
        (f'element = "integer"; width = 4; block = 16; group = 4; {MX}', "16", ("group_bits", "give both")),
        (
            'element = "integer"; width = 4; block = 16; rule = "absmax"; scale = "e4m3"',
            "16",
            ("cannot hold", "tensor_scale"),
        ),
        (
            'element = "integer"; width = 4; block = 16; rule = "absmax"; scale = "e2m1"; tensor_scale = true',
            "16",
            ("cannot hold blocks of one tensor", "take a wider one"),
        ),
        (
            'element = "integer"; width = 4; block = 16; rule = "absmax"; scale = "e8m0"',
            "16",
            ("powers of two only", "floor"),
        ),
        ('element = "integer"; width = 4; block = 16; rule = "floor"; scale = "e5m10"', "16", ("no format of powers",)),
        (
            'element = "integer"; width = 4; block = 16; per_row = true; rule = "absmax"; scale = "e5m10"',
            "16",
            ("beside block",),
        ),
        ('element = "levels"; levels = [1, 0]', "16", ("rising numbers",)),
        ('element = "float"; exponent = 7; mantissa = 3; bias = 127', "16", ("within 2^-126 and 2^126", "bias 127")),
        ('element = "float"; exponent = 8; mantissa = 3; specials = "none"', "16", ("bias, 127",)),
        ('element = "float"; exponent = 4; mantissa = 0; specials = "nan"', "16", ("no code to spare",)),
        ('element = "float"; exponent = 4; mantissa = 3; rules = "x"', "16", ("unknown key", "did you mean 'rule'")),
    ],
)
def test_what_is_no_format_is_refused(tmp_path: Path, quantiser: str, bits: str, words: tuple[str, ...]) -> None:
    """By file and key, with the value and a way out."""
    path = own(tmp_path, quantiser, bits)
    text = "\n".join(str(problem) for problem in check([path], open_catalogue(tmp_path)))
    assert str(path) in text
    for word in words:
        assert word in text


def test_more_bits_than_needed_ask_for_a_note(tmp_path: Path) -> None:
    path = own(tmp_path, 'element = "float"; exponent = 4; mantissa = 3')
    path.write_text(path.read_text().replace('{ value = 16, kind = "assumed", note = "stored wider" }', "16"))
    assert "are more than the 8 of elements and scales" in str(check([path], open_catalogue(tmp_path))[0])


def test_stored_noise_is_what_is_measured() -> None:
    """The table that ships, measured again for some formats."""
    values = samples()
    for name in ("mxfp4", "lns8"):
        stored = quality_of(CATALOGUE, name).noise
        found = noise_levels(quantiser_of(CATALOGUE.entry("format", name)), values)
        assert stored == pytest.approx(found, abs=0.02)


def test_every_format_is_measured_in_every_use() -> None:
    for name, quality in qualities(CATALOGUE).items():
        assert len(quality.noise) == 5, name
        assert set(quality.losses) == set(USES), name
        assert quality.worst <= quality.gaussian


def test_losses_follow_the_noise() -> None:
    """16 bits lose next to nothing, one bit nearly all; over all formats noise and loss rank alike."""
    known = qualities(CATALOGUE)
    assert known["fp32"].loss() == pytest.approx(0.0, abs=1e-9)
    assert max(known[name].loss() for name in ("bf16", "fp16", "tf32", "lns16")) < 1e-3
    assert known["binary"].loss() > 0.1
    blocks = ("mx9", "mxint8", "mxfp8", "mxfp8-e5m2", "nvint4", "mxfp4", "mx4")
    cosines = [known[name].loss(measure="cosine") for name in blocks]
    assert cosines == sorted(cosines)
    assert all(quality.loss("weights") <= quality.loss() + 0.01 for quality in known.values())


def test_published_changes_name_formats_that_there_are() -> None:
    rows = read_records(folder_of(shipped_root()) / "published.csv", FILES["published.csv"])
    assert len({row["id"] for row in rows}) == len(rows) >= 60
    for row in rows:
        assert all(CATALOGUE.find("format", row[use]) for use in ("weights", "activations", "kv_cache") if row[use])
        assert row["weights"]
        assert row["source"]
        assert row["locator"]
        if row["value"] and row["baseline"]:
            assert float(row["value"]) - float(row["baseline"]) == pytest.approx(float(row["change"]), abs=0.0051)


def test_a_rise_of_perplexity_and_a_fall_of_a_score_are_losses() -> None:
    change = Change("m", "b", "perplexity", {}, "", "", 0.5, "", "")
    assert change.loss == 0.5
    assert Change("m", "b", "points", {}, "", "", 0.5, "", "").loss == -0.5


def test_rows_replace_those_of_the_same_format_only(tmp_path: Path) -> None:
    own(tmp_path, 'element = "float"; exponent = 4; mantissa = 3')
    row = {
        "distribution": "gaussian",
        "qsnr_db": "1.0",
        "samples": "1",
        "seed": "0",
        "package": "x",
        "date": "2026-01-01",
    }
    store(tmp_path, "noise.csv", [{"format": "mine", **row}, {"format": "int8", **row}])
    path = store(tmp_path, "noise.csv", [{"format": "mine", **row, "qsnr_db": "2.0"}])
    assert [line["qsnr_db"] for line in csv.DictReader(path.read_text().splitlines())] == ["1.0", "2.0"]
    catalogue = open_catalogue(tmp_path)
    assert quality_of(catalogue, "mine").gaussian == 2.0
    assert quality_of(catalogue, "int8").gaussian == 1.0
    assert math.isnan(quality_of(catalogue, "mine").loss())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", ("other columns", "dse formats measure")),
        ("{header}\nmine,gaussian,loud,1,0,x,y\n", ("line 2, qsnr_db", "must be a number", "'loud'")),
        ("{header}\nmine,gaussian\n", ("line 2", "one field a column")),
    ],
)
def test_stored_tables_are_checked(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = folder_of(tmp_path) / "noise.csv"
    path.parent.mkdir(parents=True)
    path.write_text(text.format(header=",".join(FILES["noise.csv"])), encoding="utf-8")
    with pytest.raises(CatalogueError) as error:
        qualities(open_catalogue(tmp_path))
    assert all(word in str(error.value) for word in words)


def test_pairs_of_sentences_are_graded() -> None:
    pairs = sentence_pairs()
    assert len(pairs) == 100
    assert {grade for grade, _, _ in pairs} == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    assert len({(first, second) for _, first, second in pairs}) == 100


def test_losses_by_hand() -> None:
    """A rotation of all vectors changes no similarity; swapped pairs turn the ranks around."""
    angles = np.array([0.0, 0.0, 0.0, 0.1, 0.5, 1.2])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    turned = vectors @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert losses_of(vectors, vectors) == pytest.approx({"cosine_loss": 0, "spearman_loss": 0, "kendall_loss": 0})
    assert losses_of(vectors, turned) == pytest.approx(
        {"cosine_loss": 1, "spearman_loss": 0, "kendall_loss": 0}, abs=1e-12
    )
    assert losses_of(vectors, vectors[[0, 1, 2, 5, 4, 3]])["spearman_loss"] == pytest.approx(2.0)


def test_a_layer_is_attention_and_a_perceptron() -> None:
    """The model's layer against the same written plainly, sentence by sentence, without padding."""
    rng = np.random.default_rng(0)
    width, inner, heads = 8, 16, 2
    shapes = {
        "attention.self.query": (width, width), "attention.self.key": (width, width),
        "attention.self.value": (width, width), "attention.output.dense": (width, width),
        "intermediate.dense": (inner, width), "output.dense": (width, inner),
    }  # fmt: skip
    weights = {f"{name}.weight": rng.standard_normal(shape) * 0.3 for name, shape in shapes.items()}
    weights |= {f"{name}.bias": rng.standard_normal(shape[0]) * 0.1 for name, shape in shapes.items()}
    for name in ("attention.output", "output"):
        weights |= {f"{name}.LayerNorm.weight": np.ones(width), f"{name}.LayerNorm.bias": np.zeros(width)}
    hidden, mask = rng.standard_normal((2, 4, width)), np.array([[1.0, 1, 1, 1], [1, 1, 0, 0]])
    given = {name: jnp.asarray(value, jnp.float32) for name, value in weights.items()}
    layer = jax.jit(sentence_model.encoder_layer, static_argnums=(3, 4, 5))
    found = layer(jnp.asarray(hidden, jnp.float32), given, jnp.asarray(mask, jnp.float32), heads, 1e-12, Formats())
    for row, length in enumerate((4, 2)):
        np.testing.assert_allclose(found[row, :length], plain_layer(hidden[row, :length], weights, heads), atol=2e-5)


def plain_layer(hidden: np.ndarray, weights: dict[str, np.ndarray], heads: int) -> np.ndarray:
    def linear(values: np.ndarray, name: str) -> np.ndarray:
        return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normal(values: np.ndarray) -> np.ndarray:
        return (values - values.mean(-1, keepdims=True)) / values.std(-1, keepdims=True)

    query, key, value = (linear(hidden, f"attention.self.{name}") for name in ("query", "key", "value"))
    mixed = []
    for part in np.split(np.arange(hidden.shape[1]), heads):
        scores = np.exp(query[:, part] @ key[:, part].T / math.sqrt(len(part)))
        mixed.append(scores / scores.sum(-1, keepdims=True) @ value[:, part])
    hidden = normal(hidden + linear(np.concatenate(mixed, -1), "attention.output.dense"))
    inner = linear(hidden, "intermediate.dense")
    inner = 0.5 * inner * (1.0 + np.vectorize(math.erf)(inner / math.sqrt(2.0)))
    return normal(hidden + linear(inner, "output.dense"))


def test_a_row_that_blocks_do_not_fill_is_one_block() -> None:
    values = jnp.asarray(np.random.default_rng(0).standard_normal((4, 48)), jnp.float32)
    entry = quantiser_of(CATALOGUE.entry("format", "int4"))
    found = sentence_model.in_format(values, entry)
    padded = jnp.pad(values, ((0, 0), (0, 80)))
    np.testing.assert_array_equal(found, quantise(padded, entry)[:, :48])
    assert sentence_model.in_format(values, None) is values


extra = pytest.mark.skipif(not sentence_model.installed(), reason="needs the extra [quality]")


@extra
def test_the_sentence_model_is_the_published_one() -> None:
    """Sentence Transformers documentation, quickstart: similarities of all-MiniLM-L6-v2, to four digits."""
    model = sentence_model.load_model()
    sentences = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    vectors = np.asarray(sentence_model.embed(model, model.batch(sentences), Formats()))
    expected = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=6e-5)


@extra
def test_the_sentence_model_agrees_with_the_grades_and_stored_losses() -> None:
    from scipy.stats import spearmanr

    pairs = sentence_pairs()
    model = sentence_model.load_model()
    similarities = pair_similarities(embedded(model, task_of(model, pairs), Formats()))
    assert spearmanr([grade for grade, _, _ in pairs], similarities).statistic > 0.9
    rows = measure_losses({"mxfp4": quantiser_of(CATALOGUE.entry("format", "mxfp4"))})
    stored = quality_of(CATALOGUE, "mxfp4").losses
    for row in rows:
        assert float(row["cosine_loss"]) == pytest.approx(stored[row["use"]]["cosine"], rel=0.1)


@extra
def test_mixed_formats_lose_no_more_than_the_sum_of_their_parts() -> None:
    """What a search takes for the loss of formats that were never measured together is a bound, and no wide one."""
    pairs, model = sentence_pairs(), sentence_model.load_model()
    task = task_of(model, pairs)
    exact = embedded(model, task, Formats())
    for mixed in (("mxfp4", "fp8-e4m3", "fp8-e4m3"), ("mxfp4", "nvfp4", "fp8-e4m3"), ("int4", "int8", "int8")):
        run = Formats(*(quantiser_of(CATALOGUE.entry("format", name)) for name in mixed))
        found = losses_of(exact, embedded(model, task, run))["spearman_loss"]
        parts = [quality_of(CATALOGUE, name).loss(use) for name, use in zip(mixed, Formats._fields, strict=True)]
        assert 0.5 * sum(parts) < found <= sum(parts), mixed


def test_formats_measured_together_lose_hardly_more_than_their_parts() -> None:
    """As the documentation says: one loses more, by a fifth."""
    uses = ("weights", "activations", "kv_cache")
    known = qualities(CATALOGUE).items()
    over = {name: one.loss() / sum(map(one.loss, uses)) for name, one in known if one.loss() > 1e-4}
    assert [name for name, ratio in over.items() if ratio > 1.0] == ["mx6"]
    assert over["mx6"] < 1.25


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not sentence_model.installed()
    assert "altarch-dse[quality]" in sentence_model.INSTALL
