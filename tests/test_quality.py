"""What formats cost in quality: taken together, as limits and objectives, mixed over the tensors of a model."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from builders import catalogue, catalogued_traffic, change, chip, mapping, model, run
from typed import run as typed

from dse.analysis.comparison import Job, compare, evaluate_candidate, job_of
from dse.analysis.quality import Quality, formats_of_fields, held_to, quality_asked
from dse.best_mapping import compilations, evaluate_pairs
from dse.catalogue import CatalogueError, load_space, open_catalogue
from dse.catalogue.build import build_chips
from dse.catalogue.fields import Choices
from dse.catalogue.format_quality import quality_of
from dse.catalogue.numerics import in_formats
from dse.catalogue.quality import LEAST_NOISE
from dse.catalogue.space import Space
from dse.catalogue.store import Catalogue
from dse.hardware.chip import Chip
from dse.reporting.summary import reasons, slack_of
from dse.reporting.tables import formats_of
from dse.search.objective import objectives_of
from dse.search.samplers.scorer import SpaceScorer
from dse.search.start_points import start_points
from dse.search.studies.storage import open_storage
from dse.search.studies.study import create, plan_in, plan_of
from dse.search.studies.study import run as search
from dse.search.sweeps.bounds import quick_of
from dse.search.sweeps.grid import grid_of

EIGHT, FOUR = "fp8-e4m3", "mxfp4"


def in_(kind: str = "b200-sxm", **formats: str) -> Chip:
    """A catalogued chip in formats by use."""
    return build_chips(in_formats(catalogue().entry("chip", kind).values, formats), catalogue().library)


def everything(name: str, **others: str) -> dict[str, str]:
    """One format for weights, activations and cache, and others."""
    return dict.fromkeys(("weights", "activations", "kv_cache"), name) | others


def level(one: Chip) -> float:
    return -10.0 * math.log10(one.numerics.noise)


def job(quality: Quality) -> Job:
    return job_of(catalogue(), "llama-3.1-8b", "chat", "tco", most_chips=2, quality=quality)


def test_the_noisiest_format_counts() -> None:
    assert level(in_(**everything(EIGHT))) == pytest.approx(quality_of(catalogue(), EIGHT).gaussian)
    for use in ("weights", "expert_weights", "kv_cache"):
        assert level(in_(**everything(EIGHT, **{use: FOUR}))) == pytest.approx(quality_of(catalogue(), FOUR).gaussian)
    assert in_(**everything("fp32")).numerics.noise > 0.0
    assert in_(**everything("fp32")).numerics.noise >= LEAST_NOISE


def test_activations_count_in_the_format_that_is_multiplied() -> None:
    """H100 multiplies no 4 bits: activations that are asked for in MXFP4 are in the next wider format it has."""
    assert level(in_("h100-sxm", **everything(EIGHT, activations=FOUR))) == pytest.approx(
        quality_of(catalogue(), EIGHT).gaussian
    )


def test_losses_add_up_unless_all_operands_were_measured_together() -> None:
    eight, four = (quality_of(catalogue(), name) for name in (EIGHT, FOUR))
    assert in_(**everything(EIGHT)).numerics.accuracy_loss == pytest.approx(eight.loss("all"))
    mixed = four.loss("weights") + eight.loss("activations") + eight.loss("kv_cache")
    for use in ("weights", "expert_weights"):
        assert in_(**everything(EIGHT, **{use: FOUR})).numerics.accuracy_loss == pytest.approx(mixed)


def test_a_column_of_formats_has_the_quality_of_each() -> None:
    names = np.array([EIGHT, FOUR, "bf16"])
    values = dict(catalogue().entry("chip", "b200-sxm").values) | {"numerics.weights": names}
    columns = build_chips(values, catalogue().library).numerics
    for place, name in enumerate(names):
        one = in_(weights=str(name)).numerics
        assert jax.tree.map(lambda leaf, place=place: float(leaf[place]), columns) == jax.tree.map(float, one)


def test_experts_are_in_the_format_of_the_weights_unless_another_is_named() -> None:
    plain, named = in_(weights=EIGHT), in_(weights=EIGHT, expert_weights=EIGHT)
    assert jax.tree.leaves(plain) == jax.tree.leaves(named)
    own = catalogue().entry("chip", "b200-sxm").values | {"numerics.expert_weights": FOUR}
    assert in_formats(own, {"weights": EIGHT})["numerics.expert_weights"] == EIGHT
    assert in_formats(own, {"kv_cache": EIGHT})["numerics.expert_weights"] == FOUR


def test_narrow_experts_save_their_own_bytes_and_no_others() -> None:
    """GPT-OSS 120B: all in 8 bits, experts alone in 4, all in 4: footprint and traffic lie in between, to the byte."""
    which, requests, one = model("gpt-oss-120b"), catalogued_traffic("chat"), mapping(batch=64.0)
    eight, mixed, four = (
        run(in_(**everything(EIGHT, **others)), which, requests, one)
        for others in ({}, {"expert_weights": FOUR}, {"weights": FOUR})
    )
    bits = [chip_.numerics.weight for chip_ in (in_(weights=EIGHT), in_(weights=FOUR))]
    experts = which.experts
    elements = experts.layers * experts.count * experts.matrices * which.hidden * experts.width
    saved = eight.footprint.weights - mixed.footprint.weights
    np.testing.assert_allclose(saved, elements * (bits[0] - bits[1]), rtol=1e-9)
    assert 0.9 * eight.footprint.weights > mixed.footprint.weights > 1.01 * four.footprint.weights
    read = [found.decode.demand.memory_bytes for found in (eight, mixed, four)]
    assert read[0] > read[1] > read[2]
    assert mixed.footprint.state == eight.footprint.state


def test_a_dense_model_does_not_care_for_experts() -> None:
    plain = chip("b200-sxm")
    other = change(plain, numerics__expert_weight=lambda old: old / 8.0)
    found = [run(one, model("llama-3.1-8b"), catalogued_traffic("chat"), mapping(batch=8.0)) for one in (plain, other)]
    for one, same in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_array_equal(one, same)


def test_the_format_of_experts_counts_in_models_that_have_any(tmp_path: Path) -> None:
    """In what is evaluated, bounded, screened, held to a limit, and refused for want of a measurement."""
    values = in_formats(catalogue().entry("chip", "b200-sxm").values, everything(EIGHT, expert_weights=FOUR))
    mixed, plain = build_chips(values, catalogue().library), in_(**everything(EIGHT))
    requests, eight, four = catalogued_traffic("chat"), *(quality_of(catalogue(), name) for name in (EIGHT, FOUR))
    for name, worst in (("llama-3.1-8b", eight), ("gpt-oss-120b", four)):
        found, without = (run(one, model(name), requests, mapping()) for one in (mixed, plain))
        assert found.qsnr == pytest.approx(worst.gaussian)
        assert np.all(np.equal(found.accuracy_loss, without.accuracy_loss)) == (worst is eight)
    quick = quick_of(mixed, job(Quality()).assumptions, held_to(requests, Quality(20.0)))
    assert float(quick.excess) <= 0.0
    candidate = evaluate_candidate(job(Quality(20.0)), "own", "own", "found", values, mixed)
    assert candidate.feasible
    assert formats_of(candidate) == EIGHT
    space = with_experts(load_space("sram-vs-hbm", catalogue()), FOUR)
    scorer = SpaceScorer(space, job(Quality()), ("tokens_per_dollar", "qsnr"))
    columns = {path: np.array([point]) for path, point in start_points(space, catalogue())[0].params.items()}
    columns |= {"numerics.weights": np.array([EIGHT]), "numerics.expert_weights": np.array([FOUR])}
    assert scorer(columns)[0][0, 1] >= eight.gaussian - 1e-6
    own = own_format(tmp_path)
    given = replace(job(Quality()), library=own.library)
    plan_of(with_experts(load_space("sram-vs-hbm", own), "mine"), given, ["tokens-per-dollar,qsnr"], "random", 0)


def with_experts(space: Space, name: str) -> Space:
    """A space in which experts may be in a format or in 8 bits."""
    return replace(space, free={**space.free, "numerics.expert_weights": Choices((name, EIGHT))})


def test_all_formats_are_one_program() -> None:
    """Formats are numbers: nothing is compiled for another one."""
    names = [name for name in catalogue().files("format") if fits(name)]
    assert len(names) > 20
    which, requests = model("llama-3.1-8b"), catalogued_traffic("chat")
    given = job(Quality()).assumptions
    evaluate_pairs(in_("h100-sxm", weights=names[0]), which, requests, mapping(), given)
    before = compilations()
    for name in names[1:]:
        evaluate_pairs(in_("h100-sxm", weights=name, kv_cache=name), which, requests, mapping(), given)
    assert compilations() == before


def fits(name: str) -> bool:
    """Whether the activations of an H100 are as wide as weights in a format."""
    return float(catalogue().library.formats([name]).columns["bits"][0]) <= 16.0


@pytest.mark.parametrize("text", ["20 dB", "20", "20dB", " 20.0 db ", "2e1"])
def test_a_level_is_read(text: str) -> None:
    assert quality_asked(text, None) == Quality(20.0)
    assert float(held_to(catalogued_traffic("chat"), quality_asked(text, 0.5)).quantisation_noise) == 0.01


@pytest.mark.parametrize(
    ("text", "loss", "words"),
    [
        ("twenty", None, ("--min-qsnr", "'twenty'", "20 dB")),
        ("20 dBm", None, ("--min-qsnr",)),
        ("-3", None, ("--min-qsnr", "between 0 dB and 138 dB")),
        ("400 dB", None, ("--min-qsnr", "between 0 dB and 138 dB")),
        ("20", 0.0, ("--max-accuracy-loss", "rank correlation")),
        ("x", math.nan, ("--min-qsnr", "--max-accuracy-loss")),
    ],
)
def test_other_levels_and_losses_are_refused(text: str, loss: float | None, words: tuple[str, ...]) -> None:
    with pytest.raises(CatalogueError) as error:
        quality_asked(text, loss)
    assert all(word in str(error.value) for word in words)


def test_a_broken_limit_is_named_with_value_and_limit() -> None:
    values = in_formats(catalogue().entry("chip", "b200-sxm").values, everything(FOUR))
    given = (values, build_chips(values, catalogue().library))
    free, bound = (
        evaluate_candidate(job(quality), "own", "own", "found", *given) for quality in (Quality(), Quality(20.0, 0.01))
    )
    assert free.feasible
    assert math.isnan(slack_of(free.metrics)["quantisation_noise"])
    assert not bound.feasible
    noise, loss = reasons(bound.metrics)
    assert "18.8 dB against 20.0 dB" in noise
    assert "0.0113 against 0.01" in loss
    exact = Quality(quality_of(catalogue(), FOUR).gaussian, quality_of(catalogue(), FOUR).loss("all"))
    assert evaluate_candidate(job(exact), "own", "own", "found", *given).feasible


def own_format(folder: Path) -> Catalogue:
    """A catalogue with a format of its own that nobody has measured."""
    path = folder / "models/formats/mine.toml"
    path.parent.mkdir(parents=True)
    path.write_text(catalogue().files("format")[EIGHT].read_text().replace(f'"{EIGHT}"', '"mine"'), encoding="utf-8")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("aliases")]
    path.write_text("\n".join(lines), encoding="utf-8")
    return open_catalogue(folder)


def test_a_format_that_was_never_measured_is_refused_only_where_quality_counts(tmp_path: Path) -> None:
    own = own_format(tmp_path)
    values = own.entry("chip", "b200-sxm").values | {"numerics.weights": "mine"}
    one = build_chips(values, own.library)
    assert np.isnan(one.numerics.noise)
    assert np.isnan(one.numerics.accuracy_loss)
    wanted = replace(job(Quality()), library=own.library)
    assert evaluate_candidate(wanted, "own", "own", "found", values, one).feasible
    for quality in (Quality(20.0), Quality(None, 0.1)):
        wanted = replace(job(quality), library=own.library)
        with pytest.raises(CatalogueError, match="'mine'; measure it: dse formats measure mine"):
            evaluate_candidate(wanted, "own", "own", "found", values, one)
    space = load_space("sram-vs-hbm", own)
    space = replace(space, free={**space.free, "numerics.weights": Choices(("mine", EIGHT))})
    given = replace(job(Quality()), library=own.library)
    plan_of(space, given, ["tokens-per-dollar"], "random", 0)
    for objectives in (["tokens-per-dollar,qsnr"], ["tokens-per-dollar", "accuracy-loss"]):
        with pytest.raises(CatalogueError, match="'mine'"):
            plan_of(space, given, objectives, "random", 0)


def test_formats_that_a_space_allows() -> None:
    found = formats_of_fields(
        {"numerics.weights": ("a", "b"), "matrix.native": "c", "matrix.rates.d": 2.0, "style": "e"}
    )
    assert found == ["a", "b", "c", "d"]


def test_objectives_of_quality() -> None:
    assert objectives_of(["qsnr", "tokens_per_joule"]) == ("qsnr", "tokens_per_joule")
    for names, words in ((["qsnr"], "quality alone"), (["tokens-per-dollar,qsn"], "qsnr")):
        with pytest.raises(CatalogueError, match=words):
            objectives_of(names)


def found_by(objectives: list[str], quality: Quality) -> list[dict]:
    """What every feasible trial of a short search keeps, with its formats."""
    space = load_space("sram-vs-hbm", catalogue())
    space = replace(space, free={**space.free, "numerics.expert_weights": Choices(("bf16", EIGHT, FOUR))})
    given = job(quality)
    study = create(open_storage("memory:"), plan_of(space, given, objectives, "random", 5), None)
    assert plan_in(study).quality == quality
    search(study, space, given, catalogue().library, 64, starts=start_points(space, catalogue()))
    trials = [trial for trial in study.trials if trial.user_attrs["result"]["feasible"]]
    assert trials
    return [trial.user_attrs["result"]["metrics"] | trial.params | {"told": trial.values} for trial in trials]


def test_a_search_keeps_to_the_quality_that_is_asked() -> None:
    """Of the formats of a dense model, to which that of experts does not belong."""
    free, bound = (found_by(["tokens-per-dollar"], quality) for quality in (Quality(), Quality(20.0)))
    assert any(trial["numerics.weights"] == FOUR for trial in free)
    assert not any(trial["numerics.weights"] == FOUR for trial in bound)
    assert any(trial["numerics.expert_weights"] == FOUR for trial in bound)
    assert all(trial["qsnr"] >= 20.0 for trial in bound)


def test_a_search_is_told_quality_beside_dollars() -> None:
    for trial in found_by(["tokens-per-dollar,qsnr,accuracy-loss"], Quality()):
        assert trial["told"] == pytest.approx([trial["tokens_per_dollar"], trial["qsnr"], 1.0 - trial["accuracy_loss"]])
        assert "target.time_per_output_token" not in trial


def test_evaluate_tells_quality_and_keeps_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("evaluate", "--chip", "b200-sxm", "--model", "gpt-oss-120b", "--chips", "1", "--weights", EIGHT)
    mixed = (*words, "--expert-weights", FOUR, "--json")
    document = json.loads(typed(*mixed).output)
    assert document["quality"] == {"qsnr_db": 18.79, "accuracy_loss": pytest.approx(0.005482)}
    assert document["feasible"]
    document = json.loads(typed(*mixed, "--min-qsnr", "20 dB").output)
    assert not document["feasible"]
    assert "18.8 dB against 20.0 dB" in document["reasons"][0]
    assert typed(*words, "--min-qsnr", "loud").exit_code == 1


def test_evaluate_names_activations_as_they_are_multiplied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An H100 multiplies no 4 bits, a B200 no INT4: what is said is what the loss beside it was measured with."""
    monkeypatch.chdir(tmp_path)
    for chip_name, asked, found in (("h100-sxm", FOUR, EIGHT), ("b200-sxm", "int4", "int8"), ("b200-sxm", FOUR, FOUR)):
        words = ("--chips", "1", "--weights", asked, "--activations", asked, "--kv-cache", EIGHT)
        text = typed("evaluate", "--chip", chip_name, "--model", "llama-3.1-8b", *words).output
        assert f"{asked}/{found}/{EIGHT}: signal" in " ".join(text.split())


def test_compare_names_activations_as_they_are_multiplied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An H100 whose file asks for 4 bits runs 8, in comparisons and in every table of candidates."""
    monkeypatch.chdir(tmp_path)
    text = catalogue().files("chip")["h100-sxm"].read_text()
    text = text.replace(f'activations = "{EIGHT}"', f'activations = "{FOUR}"').replace('"h100-sxm"', '"narrow"')
    lines = [line for line in text.splitlines() if not line.startswith("aliases")]
    Path("narrow.toml").write_text("\n".join(lines), encoding="utf-8")
    own = open_catalogue()
    name = own.adopt("chip", "narrow.toml")
    asked, (found,) = own.entry("chip", name).values, compare(own, job(Quality()), [name]).candidates
    assert (asked["numerics.activations"], formats_of(found)) == (FOUR, EIGHT)
    told = typed("compare", "--chips", "narrow.toml", "--model", "llama-3.1-8b", "--json").output
    assert FOUR not in told
    assert json.loads(told)


def test_experts_of_a_model_that_has_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their format would count as the noise of a model that they are no part of."""
    monkeypatch.chdir(tmp_path)
    result = typed("evaluate", "--chip", "b200-sxm", "--model", "llama-3.1-8b", "--expert-weights", FOUR)
    assert result.exit_code == 1
    assert "llama-3.1-8b has no experts" in str(result.exception)


def test_a_sweep_leaves_out_what_breaks_the_limit_of_quality() -> None:
    narrow = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), in_(**everything(FOUR)))
    excess = [
        float(quick_of(narrow, job(Quality()).assumptions, held_to(catalogued_traffic("chat"), asked)).excess)
        for asked in (Quality(), Quality(18.0), Quality(20.0), Quality(None, 0.001))
    ]
    assert max(excess[:2]) <= 0.0 < min(excess[2:])


@pytest.mark.parametrize(
    "words", [("sweep", "sram-vs-hbm"), ("sensitivity", "b200-sxm", "--model", "llama-3.1-8b"),
              ("breakeven", "b200-sxm", "--model", "llama-3.1-8b")]
)  # fmt: skip
def test_every_command_that_judges_chips_takes_limits_of_quality(words: tuple[str, ...]) -> None:
    result = typed(*words, "--min-qsnr", "loud")
    assert result.exit_code == 1
    assert "--min-qsnr: must be a level in dB, got 'loud'" in str(result.exception)


def test_what_breaks_a_limit_of_quality_has_no_sensitivities() -> None:
    words = ("sensitivity", "h100-sxm", "--model", "llama-3.1-8b", "--max-accuracy-loss", "1e-6", "--json")
    document = json.loads(typed(*words).output)
    assert not document["feasible"]
    assert "accuracy_loss" in document["broken_limits"]


def test_matx_searches_the_format_of_experts() -> None:
    """Attention in 8 bits and experts in 4 is one of its designs, fewer bytes than 8 bits everywhere."""
    space = load_space("matx", catalogue())
    grid = grid_of(space, dict.fromkeys(space.free, 1) | {"numerics.expert_weights": 2})
    weights = [build_chips(grid.design(one), catalogue().library).numerics for one in range(grid.designs)]
    assert weights[0].weight == weights[1].weight
    assert weights[0].expert_weight / weights[1].expert_weight == pytest.approx(8.0 / 4.25)
