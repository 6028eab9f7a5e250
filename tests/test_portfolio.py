"""Is a portfolio more than its parts only where it should be? One pair, scores, regret, studies, and bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import catalogue
from typer.testing import CliRunner

from dse.analysis.comparison import job_of
from dse.analysis.portfolio import Portfolio, check_rivals, portfolio_of, ranked_rows, scored
from dse.analysis.shipped import Shipped, shipped_on
from dse.best_mapping import best_mapping
from dse.catalogue import CatalogueError, check, load_space, open_catalogue
from dse.catalogue.build import build_chips
from dse.cli import app
from dse.search.studies.storage import open_storage
from dse.search.studies.study import create, plan_of, portfolio_plan, run

TWO = """kind = "portfolio"
name = "two"
title = "A recurrent model and a small transformer"

[pair.recurrent]
model = "mamba-2-2.7b"
traffic = "chat"
weight = 3

[pair.small]
model = "llama-3.2-1b"
traffic = "chat"
weight = 1
"""
ONE = TWO.replace('"two"', '"one"').partition("[pair.small]")[0]
MOST = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("own")
    (made / "models/portfolios").mkdir(parents=True)
    for name, text in (
        ("one", ONE),
        ("two", TWO),
        ("three", TWO.replace('"two"', '"three"').replace("weight = ", "weight = 7")),
    ):
        (made / f"models/portfolios/{name}.toml").write_text(text, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def two(folder: Path) -> Portfolio:
    return portfolio_of(open_catalogue(folder), "two", "tco", MOST)


def invoke(folder: Path, *arguments: str) -> dict:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


def test_one_pair_is_a_plain_study(folder: Path) -> None:
    """The same designs, values and best chip, trial by trial."""
    own = open_catalogue(folder)
    space = load_space("matx", own)
    jobs = (job_of(own, "mamba-2-2.7b", "chat", "tco", most_chips=MOST), portfolio_of(own, "one", "tco", MOST))
    plans = (
        plan_of(space, jobs[0], ["tokens-per-dollar"], "tpe", 5),
        portfolio_plan(space, jobs[1], ["mean"], "tpe", 5),
    )
    studies = [create(open_storage("memory:"), plan, None) for plan in plans]
    states = [run(study, space, job, own.library, 24) for study, job in zip(studies, jobs, strict=True)]
    plain, paired = (study.get_trials() for study in studies)
    assert [trial.params for trial in plain] == [trial.params for trial in paired]
    for one, other in zip(plain, paired, strict=True):
        assert other.values == pytest.approx(one.values, rel=1e-12)
        assert one.user_attrs["result"]["feasible"] == other.user_attrs["result"]["feasible"]
    assert states[0].best_number == states[1].best_number
    assert states[0].feasible > 0


def with_best(portfolio: Portfolio, best: list[float]) -> Portfolio:
    """The portfolio against chips on the market that reach so much [1/USD]."""
    pairs = [
        replace(pair, shipped=Shipped(pair.shipped.chips[:1], np.array([value])))
        for pair, value in zip(portfolio.pairs, best, strict=True)
    ]
    return replace(portfolio, pairs=tuple(pairs))


def test_scores_by_hand(two: Portfolio) -> None:
    values = np.array([[4.0, 16.0], [8.0, 8.0], [1.0, np.nan]])
    scores = scored(values, with_best(two, [8.0, 8.0]))
    assert scores["mean_tokens_per_dollar"] == pytest.approx([4.0**0.75 * 16.0**0.25, 8.0, np.nan], nan_ok=True)
    assert scores["worst_tokens_per_dollar"] == pytest.approx([4.0, 8.0, np.nan], nan_ok=True)
    assert scores["share_of_best"] == pytest.approx([0.5, 1.0, np.nan], nan_ok=True)


def test_how_a_token_is_counted_changes_no_order(two: Portfolio) -> None:
    """A job whose tokens are a hundred times as many a dollar for everybody moves every mean and regret alike."""
    generator = np.random.default_rng(3)
    values, best = generator.uniform(1.0, 9.0, (50, 2)), [9.0, 4.0]
    plain = scored(values, with_best(two, best))
    scaled = scored(values * np.array([1.0, 100.0]), with_best(two, [9.0, 400.0]))
    ratio = scaled["mean_tokens_per_dollar"] / plain["mean_tokens_per_dollar"]
    assert ratio == pytest.approx(np.full(50, 100.0**0.25), rel=1e-12)
    assert scaled["share_of_best"] == pytest.approx(plain["share_of_best"], rel=1e-12)


def test_only_the_shares_of_weights_count(folder: Path, two: Portfolio) -> None:
    again = portfolio_of(open_catalogue(folder), "three", "tco", MOST)
    assert two.shares == pytest.approx([0.75, 0.25])
    assert again.shares == pytest.approx(np.array([73.0, 71.0]) / 144.0)


def test_the_best_chip_has_no_regret(two: Portfolio) -> None:
    """A chip on the market that is the best at every pair, or would be if the others were not there; none has less."""
    names = [entry.name for entry in two.pairs[0].shipped.chips]
    values = np.stack([pair.shipped.tokens_per_dollar for pair in two.pairs], axis=1)
    able = np.isfinite(values).all(axis=1)
    regret = 1.0 / scored(values[able], two)["share_of_best"] - 1.0
    assert (regret >= -1e-12).all()
    chosen = int(np.flatnonzero(able)[regret.argmin()])
    alone = with_best(two, values[chosen].tolist())
    entry = catalogue().entry("chip", names[chosen])
    (row,) = ranked_rows([(entry.name, "", "shipping", entry.values)], alone, "share_of_best")
    assert row.regret == pytest.approx(0.0, abs=1e-9)


def test_every_pair_has_its_own_best_mapping(two: Portfolio) -> None:
    described = [(name, name, "shipping", catalogue().entry("chip", name).values) for name in ("h100-sxm", "tpu-v6e")]
    rows = {row.name: row for row in ranked_rows(described, two, "mean_tokens_per_dollar")}
    for name, _, _, values in described:
        chip = build_chips(values, catalogue().library)
        for member, pair, ends in zip(rows[name].members, two.pairs, rows[name].ranges, strict=True):
            job = pair.job
            best = best_mapping(chip, job.transformer, job.requests, job.assumptions, mappings=job.mappings)
            assert member.tokens_per_dollar == pytest.approx(float(best.metrics.tokens_per_dollar[0]), rel=1e-12)
            assert ends[0] < member.tokens_per_dollar < ends[1]


def test_the_reference_is_the_best_that_ships(two: Portfolio) -> None:
    pair = two.pairs[0]
    found = shipped_on(catalogue(), pair.job)
    statuses = {str(entry.figures["status"].value) for entry in found.chips}
    assert statuses == {"shipping"}
    assert two.best[0] == np.nanmax(found.tokens_per_dollar)
    assert pair.reference in {entry.name for entry in found.chips}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("weight = 3", "weight = -1", "pair.recurrent.weight: is out of range, got -1"),
        ('"mamba-2-2.7b"', '"mamba-9"', "pair.recurrent.model: unknown transformer"),
        ('traffic = "chat"', 'traffic = "chatt"', "pair.recurrent.traffic: unknown traffic"),
        ("weight = 3\n", "", "pair.recurrent.weight: missing"),
        ("weight = 3", "wait = 3", "pair.recurrent.wait: unknown key"),
        ("llama-3.2-1b", "mamba-2-2.7b", "pair.small: is the same job as pair.recurrent"),
    ],
)
def test_faults_of_a_portfolio(old: str, new: str, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(TWO.replace(old, new, 1), encoding="utf-8")
    assert rule in "\n".join(str(problem) for problem in check([path], catalogue()))


def test_weights_that_add_up_to_nothing_and_no_pairs_at_all(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(TWO.replace("weight = 3", "weight = 0").replace("weight = 1", "weight = 0"), encoding="utf-8")
    assert "the weights add up to zero" in str(check([path], catalogue())[0])
    path.write_text(TWO.partition("[pair")[0], encoding="utf-8")
    assert "has no pair of model and traffic" in str(check([path], catalogue())[0])


def test_nothing_to_regret(two: Portfolio) -> None:
    with pytest.raises(CatalogueError, match="no chip on the market can do the pair small of two"):
        check_rivals(with_best(two, [1.0, float("nan")]))


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--portfolio", "asistant"], "did you mean 'assistant'"),
        (["--portfolio", "assistant", "--model", "jamba"], "stands beside a single job"),
        (["--portfolio", "assistant", "--objective", "tokens-per-dollar"], "unknown objective of a portfolio"),
    ],
)
def test_bad_arguments(arguments: list[str], rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["study", "run", "matx", *arguments, "--trials", "1", "--most-chips", "8"])
    assert isinstance(done.exception, CatalogueError)
    assert rule in str(done.exception.problems[0])


def test_a_study_of_a_portfolio_from_end_to_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, evaluated again from the chip file, resumed, shown and exported."""
    monkeypatch.chdir(folder)
    asked = ["--portfolio", "two", "--objective", "minimax-regret", "--trials", "20", "--seed", "1", "--study", "p"]
    document = invoke(folder, "study", "run", "matx", *asked, "--most-chips", str(MOST))
    assert [pair["name"] for pair in document["pairs"]] == ["recurrent", "small"]
    rows = document["ranking"]
    feasible = [row for row in rows if row["feasible"]]
    assert [row["regret"] for row in feasible] == sorted(row["regret"] for row in feasible)
    (found,) = (row for row in rows if row["status"] == "found")
    for pair, command in zip(document["pairs"], document["evaluate"], strict=True):
        again = invoke(folder, *command.split()[1:])
        value = found["pairs"][pair["name"]]["tokens_per_dollar"]
        assert again["metrics"]["tokens_per_dollar"] == pytest.approx(value["value"], rel=1e-9)
        assert value["low"] < value["value"] < value["high"]
    assert all(row["reasons"] for row in rows if not row["feasible"])
    assert (folder / document["report"]).read_text().startswith("<!")
    assert invoke(folder, "study", "resume", "p", "--trials", "8")["trials"] == 28
    shown = invoke(folder, "study", "show", "p")
    assert shown["plan"]["portfolio"] == "two"
    assert CliRunner().invoke(app, ["study", "show", "p"]).exception is None
    assert invoke(folder, "study", "export", "p", "--output", "p.parquet")["trials"] == 28
