"""Every command as a person types it, good input and bad."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dse.catalogue import CatalogueError
from dse.cli import app

JOB = ("--model", "llama-3.1-70b", "--traffic", "chat")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def good(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exception is None, result.exception
    return result.stdout


def faults(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, CatalogueError), result.exception
    return "\n".join(str(problem) for problem in result.exception.problems)


@pytest.mark.parametrize("kind", ["chips", "transformers", "formats", "spaces", "traffic", "reports"])
def test_list_gives_objects_with_names(kind: str) -> None:
    rows = json.loads(good("list", kind, "--json"))
    assert rows
    assert all(row["name"] and isinstance(row["aliases"], list) for row in rows)


def test_show_gives_every_figure_with_its_source() -> None:
    text = good("show", "chip", "h100-sxm")
    assert "3.35 TB/s" in text
    assert re.search(r"memory\.bandwidth .* published \[mle", text)


def test_evaluate_has_the_documented_keys() -> None:
    document = json.loads(good("evaluate", "--chip", "h100-sxm", *JOB, "--json"))
    wanted = {
        "time_to_first_token_s",
        "time_per_output_token_s",
        "output_tokens_per_s",
        "output_tokens_per_s_per_user",
        "usd_per_million_output_tokens",
        "tokens_per_joule",
    }
    assert wanted <= set(document["metrics"])
    assert {"mapping", "breakdown", "binds", "feasible", "reasons"} <= set(document)
    assert document["feasible"]
    assert document["reasons"] == []


def test_a_given_mapping_is_kept() -> None:
    given = ("--chips", "8", "--tp", "8", "--batch", "32", "--weights", "bf16", "--kv-cache", "bf16")
    document = json.loads(good("evaluate", "--chip", "h100-sxm", *JOB, *given, "--json"))
    assert document["mapping"]["tensor_parallel"] == 8
    assert document["mapping"]["batch"] == 32
    assert document["metrics"]["chips"] == 8


def test_the_best_mapping_is_at_least_as_good_as_any_given_one() -> None:
    best = json.loads(good("evaluate", "--chip", "h100-sxm", *JOB, "--json"))["metrics"]["tokens_per_dollar"]
    for tensor in ("1", "2", "4", "8"):
        some = json.loads(good("evaluate", "--chip", "h100-sxm", *JOB, "--tp", tensor, "--json"))
        assert (some["metrics"]["tokens_per_dollar"] or 0.0) <= best * (1 + 1e-12)


def test_a_model_that_fits_nowhere_says_what_is_missing() -> None:
    text = good("evaluate", "--chip", "groq-lpu-v1", "--chips", "8", *JOB)
    assert "x the memory it has" in text
    document = json.loads(good("evaluate", "--chip", "groq-lpu-v1", "--chips", "8", *JOB, "--json"))
    assert not document["feasible"]
    assert document["metrics"]["output_tokens_per_s"] is None
    assert document["reasons"]


def test_compare_ranks_and_states_the_basis() -> None:
    text = good("compare", "--chips", "h100-sxm,mi300x", *JOB, "--price-basis", "make")
    assert "make" in text
    document = json.loads(good("compare", "--chips", "h100-sxm,mi300x", *JOB, "--json"))
    assert {row["chip"] for row in document["chips"]} == {"h100-sxm", "mi300x"}


def test_check_of_the_shipped_catalogue_finds_nothing() -> None:
    assert good("check").strip() == "no faults"


def test_check_reports_every_fault_at_once(elsewhere: Path) -> None:
    bad = elsewhere / "bad.toml"
    bad.write_text(
        'kind = "traffic"\nname = "bad"\ntitle = "x"\ninput_tokens = -5\noutput_tokens = 10\ninput_variaton = 1.0\n'
        'output_variation = 1.0\nprefix_hit_rate = 0.0\ntime_to_first_token = "2 GB"\ntime_per_output_token = "none"\n'
    )
    result = run("check", str(bad))
    assert result.exit_code == 1
    for part in ("bad.toml", "input_tokens", "-5", "input_variaton", "input_variation", "time_to_first_token"):
        assert part in result.stdout
    assert json.loads(run("check", str(bad), "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("evaluate", "--chip", "h10", *JOB), ("h10", "h100")),
        (("evaluate", "--chip", "h100", "--model", "lama-3.1-70b"), ("lama-3.1-70b", "llama-3.1-70b")),
        (("evaluate", "--chip", "h100", *JOB, "--weights", "fp7"), ("fp7", "fp8")),
        (("evaluate", "--chip", "h100", *JOB, "--price-basis", "lease"), ("lease", "make", "tco")),
        (("evaluate", "--chip", "h100", *JOB, "--objective", "speed"), ("speed", "tokens-per-dollar")),
        (("evaluate", "--chip", "h100", *JOB, "--chips", "3", "--tp", "2"), ("no mapping", "chips")),
        (
            ("study", "run", "sram-vs-hbm", "--sampler", "tpee"),
            ("tpee", "tpe", "nsga2", "cmaes", "qmc", "random", "gp"),
        ),
        (("study", "run", "sram-vs-hbm", "--storage", "mongo://x"), ("mongo", "journal", "sqlite", "postgresql")),
        (("study", "run", "sram-vs-hmb"), ("sram-vs-hmb", "sram-vs-hbm")),
        (("study", "resume", "nothing"), ("nothing", "dse study run")),
        (("list", "chipz"), ("chipz", "chip")),
        (("validate", "absent.csv"), ("absent.csv",)),
        (("report", "absent"), ("absent",)),
    ],
)
def test_bad_input_names_the_rule_the_value_and_the_way_out(arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    text = faults(*arguments)
    for part in parts:
        assert part in text


def test_misuse_exits_with_2() -> None:
    assert run("evaluate").exit_code == 2
    assert run("no-such-command").exit_code == 2


def test_validate_scores_the_sound_rows_and_names_the_others(elsewhere: Path) -> None:
    header = (
        "id,chip,chips,model,weights,kv_cache,tp,pp,ep,dp,phase,batch,input_tokens,output_tokens,"
        "metric,value,software,tier,family,source,note\n"
    )
    sound = "a,h100-sxm,8,llama-2-70b,bf16,bf16,8,1,,,decode,32,1024,128,tpot_s,0.0135,x,A,H100 x dense,s,n\n"
    wrong = "b,h100-sxm,8,llama-2-70b,bf16,bf16,8,1,,,decoding,-3,1024,128,tpot_s,0.0135,x,A,f,s,n\n"
    unknown = "c,h1000,8,llama-2-70b,bf16,bf16,8,1,,,decode,32,1024,128,tpot_s,0.0135,x,A,f,s,n\n"
    (elsewhere / "rows.csv").write_text(header + sound + wrong + unknown + sound)
    result = run("validate", "rows.csv", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [row["id"] for row in document["rows"]] == ["a", "c"]
    assert document["rows"][0]["predicted"] > 0
    assert "h1000" in document["rows"][1]["skipped"]
    found = {(error["line"], error["column"]) for error in document["errors"]}
    assert {(3, "phase"), (3, "batch"), (5, "id")} <= found
    assert document["summary"]["decode"]["n"] == 1


def test_import_turns_a_configuration_into_a_valid_file(elsewhere: Path) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 100, "tie_word_embeddings": False}
    (elsewhere / "config.json").write_text(json.dumps(config))
    good("import", "config.json", "--name", "tiny", "--output", "models/transformers/tiny.toml")
    assert good("check", "models/transformers/tiny.toml").strip() == "no faults"
    document = json.loads(good("evaluate", "--chip", "h100-sxm", "--model", "tiny", "--json"))
    assert document["feasible"]
