"""Every command as a person types it, good input and bad."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
from typed import run
from typer.models import OptionInfo

from dse.catalogue import CatalogueError, open_catalogue
from dse.catalogue.locate import SHELVES
from dse.cli import app

JOB = ("--model", "llama-3.1-70b", "--traffic", "chat")


pytestmark = pytest.mark.usefixtures("elsewhere")


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


def test_show_tells_prior_from_fit_and_which_of_them_counts() -> None:
    text = good("show", "chip", "h100-sxm")
    assert re.search(r"software gpu-tuned - fitted to \d+ measured rows; evaluation uses the fitted", text)
    document = json.loads(good("show", "software", "gpu-tuned", "--json"))["execution"]
    assert document["uses"] == "fitted"
    assert document["rows"] > 0
    found = {row["key"]: row for row in document["coefficients"]}
    used = open_catalogue().library.software(["gpu-tuned"]).columns
    for key, row in found.items():
        counts = row[row["uses"]]
        assert counts["value"] == pytest.approx(float(used[key][0]), rel=1e-12)
        assert counts["low"] <= counts["value"] <= counts["high"]
    fitted = [row["fitted"] for row in found.values() if row["uses"] == "fitted"]
    assert {figure["kind"] for figure in fitted} == {"derived"}
    assert found["overlap"]["fitted"] is None
    rows = {row["key"]: row for row in json.loads(good("show", "chip", "h100-sxm", "--json"))["values"]}
    assert rows["software.gpu-tuned.matrix_efficiency"]["superseded"]
    assert not rows["software.gpu-tuned.overlap"]["superseded"]
    assumed = "assumed: no measured row is of this kind; evaluation uses the priors"
    assert assumed in good("show", "software", "wafer")
    assert assumed in good("show", "chip", "wse-3")


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
    document = json.loads(good("compare", "--chips", "h100-sxm,mi300x", *JOB, "--price-basis", "make", "--json"))
    first, second = document["chips"]
    assert {first["chip"], second["chip"]} == {"h100-sxm", "mi300x"}
    assert not first["level_with_first"]
    assert second["level_with_first"] is ("~2" in text)
    ranges = [row["ranges"]["tokens_per_dollar"] for row in (first, second)]
    assert all(one["low"] < one["value"] < one["high"] for one in ranges)


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
        (("evaluate", "--chip", "h100", *JOB, "--ep", "8"), ("--ep", "no experts", "llama-3.1-70b", "8")),
        (("evaluate", "--chip", "h100", "--model", "mixtral-8x7b", "--ep", "16"), ("--ep", "8 experts", "16")),
        (("evaluate", "--chip", "mine.toml", *JOB), ("mine.toml", "cannot be read")),
        (("study", "run", "mine.toml"), ("mine.toml", "search_spaces", "--catalogue")),
        (("list", "chipz"), ("chipz", "chip")),
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


def commands_in(group: typer.Typer, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command as the words that call it, and its function."""
    for command in group.registered_commands:
        yield (*words, str(command.name)), command.callback
    callback = group.registered_callback
    if callback is not None and callback.callback is not None:
        yield words, callback.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands_in(inner.typer_instance, (*words, str(inner.name)))


def options_of(command: Any) -> Iterator[tuple[Any, Any]]:
    """Type and declaration of every option of a command."""
    for hint in get_type_hints(command, include_extras=True).values():
        inner = [hint, *get_args(hint)]
        found = next((item for item in inner if hasattr(item, "__metadata__")), None)
        if found is not None and isinstance(found.__metadata__[0], OptionInfo):
            yield found.__origin__, found.__metadata__[0]


def flags_of(option: OptionInfo) -> list[str]:
    """The flags of a declared option; typer keeps the first of them where defaults stand in older code."""
    return [word for word in (option.default, *(option.param_decls or ())) if isinstance(word, str)]


COMMANDS = dict(commands_in(app))
NUMBERS = [
    (words, flags_of(option)[0])
    for words, command in COMMANDS.items()
    for kind, option in options_of(command)
    if {int, float} & {kind, *get_args(kind)}
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_json_and_help(words: tuple[str, ...]) -> None:
    options = [option for _, option in options_of(COMMANDS[words])]
    assert "--json" in {flag for option in options for flag in flags_of(option)}
    assert COMMANDS[words].__doc__
    assert all(option.help for option in options)
    assert run(*words, "--help").exit_code == 0


def test_there_are_numbers_to_bound() -> None:
    assert {(("study", "run"), "--seed"), (("evaluate",), "--tp"), (("bench",), "--points")} <= set(NUMBERS)


@pytest.mark.parametrize(("words", "flag"), NUMBERS, ids=lambda part: part if isinstance(part, str) else " ".join(part))
def test_numbers_out_of_range_are_misuse(words: tuple[str, ...], flag: str) -> None:
    for value in ("-1", "1" + "0" * 30, "nan", "inf", "2.5", "many", ""):
        result = run(*words, f"{flag}={value}")
        assert result.exit_code == 2, (value, result.output)
        assert "Traceback" not in result.output
        assert flag in re.sub(r"\x1b\[[0-9;]*m", "", result.output)


@pytest.mark.parametrize("kind", list(SHELVES))
def test_every_entry_can_be_shown(kind: str) -> None:
    for entry in json.loads(good("list", kind, "--json")):
        text = good("show", kind, entry["name"])
        assert text.startswith(entry["name"])
        assert json.loads(good("show", kind, entry["name"], "--json"))["name"] == entry["name"]


def test_free_fields_are_shown_with_their_bounds() -> None:
    text = good("show", "space", "sram-vs-hbm")
    assert "900 MHz ... 1.9 GHz" in text
    assert "none, hbm3, hbm3e, hbm4, lpddr5x or gddr7" in text
    assert "when memory.kind != 'none', otherwise 0" in text


@pytest.fixture
def own_files(elsewhere: Path) -> Path:
    """A chip, a model and a traffic of the user's as files outside every catalogue."""
    found = open_catalogue()
    for kind, name in (("chip", "h100-sxm"), ("transformer", "llama-3.1-70b"), ("traffic", "chat")):
        text = found.find(kind, name).read_text(encoding="utf-8").replace(f'name = "{name}"', f'name = "my-{kind}"', 1)
        text = "\n".join(line for line in text.splitlines() if not line.startswith("aliases"))
        (elsewhere / f"my-{kind}.toml").write_text(text, encoding="utf-8")
    return elsewhere


def test_chips_models_and_traffics_can_be_files(own_files: Path) -> None:
    shipped = json.loads(good("evaluate", "--chip", "h100-sxm", *JOB, "--json"))
    job = ("--model", "my-transformer.toml", "--traffic", "./my-traffic.toml")
    mine = json.loads(good("evaluate", "--chip", str(own_files / "my-chip.toml"), *job, "--json"))
    assert mine["metrics"] == shipped["metrics"]
    assert (mine["chip"], mine["model"], mine["traffic"]) == ("my-chip", "my-transformer", "my-traffic")
    rows = json.loads(good("compare", "--chips", "h100-sxm,my-chip.toml", *job, "--json"))["chips"]
    assert {row["chip"] for row in rows} == {"h100-sxm", "my-chip"}


def test_faults_of_a_given_file_are_told_at_once(own_files: Path) -> None:
    chip = own_files / "my-chip.toml"
    chip.write_text(chip.read_text().replace("tdp =", "tpd =").replace('name = "my-chip"', 'name = "yours"'))
    text = faults("evaluate", "--chip", "my-chip.toml", *JOB)
    assert faults("compare", "--chips", "h100,my-chip.toml", *JOB) == text
    for words in ("package.tdp: missing", "did you mean 'tdp'", "must be the name of the file"):
        assert words in text


def test_a_given_file_may_not_take_the_name_of_another(own_files: Path) -> None:
    text = (own_files / "my-chip.toml").read_text().replace('"my-chip"', '"h100-sxm"', 1) + "\n# changed\n"
    (own_files / "h100-sxm.toml").write_text(text)
    assert "has the same name as" in faults("evaluate", "--chip", "h100-sxm.toml", *JOB)


def test_an_infeasible_answer_is_no_error() -> None:
    result = run("evaluate", "--chip", "groq-lpu-v1", "--chips", "8", *JOB, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["feasible"] is False
    assert "exit status 0" in " ".join(run("evaluate", "--help").stdout.split())
    assert run("evaluate", "--chip", "h100", *JOB, "--tp", "2.5").exit_code == 2


TINY = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TINY |= {"num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 100, "tie_word_embeddings": False}


def test_import_overwrites_only_when_told_to(elsewhere: Path) -> None:
    (elsewhere / "config.json").write_text(json.dumps(TINY))
    output = elsewhere / "tiny.toml"
    output.write_text("mine")
    assert "--force" in faults("import", "config.json", "--output", "tiny.toml")
    assert output.read_text() == "mine"
    document = json.loads(good("import", "config.json", "--output", "tiny.toml", "--force", "--json"))
    assert document["name"] == "tiny"
    assert document["text"] == output.read_text()
    assert good("check", "tiny.toml").strip() == "no faults"
    assert "must be the name of the file" in faults("import", "config.json", "--name", "a", "--output", "b.toml")


def test_import_tells_a_name_that_is_taken(elsewhere: Path) -> None:
    (elsewhere / "config.json").write_text(json.dumps(TINY))
    name = "llama-3.1-70b"
    text = faults("import", "config.json", "--output", f"{name}.toml")
    assert "in the catalogue already" in text
    assert "--name" in text
    assert not (elsewhere / f"{name}.toml").exists()
    shown = run("import", "config.json", "--name", name)
    assert shown.stdout.startswith('kind = "transformer"')
    assert "in the catalogue already" in shown.stderr


@pytest.mark.parametrize("command", [("resume", "x"), ("show", "x"), ("export", "x", "--output", "t.csv"), ("list",)])
@pytest.mark.parametrize("storage", ["journal:away/none.journal", "sqlite:///away/none.db"])
def test_looking_makes_no_storage(elsewhere: Path, command: tuple[str, ...], storage: str) -> None:
    (elsewhere / "other.journal").write_text("")
    text = faults("study", *command, "--storage", storage)
    assert "no such storage" in text
    assert "journal:other.journal" in text
    assert [path.name for path in elsewhere.iterdir()] == ["other.journal"]


def test_listing_no_studies_is_an_empty_list(elsewhere: Path) -> None:
    assert json.loads(good("study", "list", "--json")) == []
    assert "dse study run" in good("study", "list")
    assert list(elsewhere.iterdir()) == []


def test_drafts_that_are_kept_save_steps() -> None:
    """Four drafts of which 0.8 are kept give 3.36 tokens a step (Leviathan et al., eq. 1), for more work in each."""
    degrees = ("--chips", "1", "--batch", "1", "--shared-pool")
    plain, drafted = (
        json.loads(good("evaluate", "--chip", "h200-sxm", *JOB, *degrees, *more, "--json"))["metrics"]
        for more in ((), ("--draft-tokens", "4", "--draft-acceptance", "0.8"))
    )
    gained = drafted["output_tokens_per_s_per_user"] / plain["output_tokens_per_s_per_user"]
    assert 2.0 < gained < 3.362
