"""The border: what the catalogue refuses and how it says so, what it builds, and that designs read back the same."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.catalogue import (
    Catalogue,
    CatalogueError,
    Choices,
    Range,
    activate,
    check,
    import_config,
    list_entries,
    load_space,
    matrix_parameters,
    open_catalogue,
    parameters,
    resolve,
    used_sources,
    write_chip,
)
from dse.catalogue.build import build_assumptions, build_chips, build_traffic, build_transformer
from dse.catalogue.conditions import holds, parse_condition
from dse.catalogue.errors import FieldError
from dse.catalogue.read import parse_entry

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return open_catalogue()


@pytest.fixture(scope="module")
def chip_text(catalogue: Catalogue) -> str:
    return catalogue.find("chip", "h100").read_text(encoding="utf-8").replace('name = "h100-sxm"', 'name = "mine"', 1)


def own(text: str) -> str:
    """The chip with no alias of the shipped one."""
    return "\n".join("aliases = []" if line.startswith("aliases") else line for line in text.splitlines())


def line_of(text: str, key: str, after: str = "") -> str:
    """The line of a key, after a table's header."""
    start = text.index(after)
    return next(line for line in text[start:].splitlines() if line.startswith(f"{key} ="))


def replaced(text: str, key: str, line: str, after: str = "") -> str:
    """The text with another line for a key."""
    start = text.index(after)
    return text[:start] + text[start:].replace(line_of(text, key, after), line, 1)


def faults(text: str, tmp_path: Path, catalogue: Catalogue, name: str = "mine") -> list[str]:
    """The messages that `dse check` prints for a file."""
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return [str(problem) for problem in check([path], catalogue)]


def test_shipped_catalogue_is_right(catalogue: Catalogue) -> None:
    assert [str(problem) for problem in check(None, catalogue)] == []


def test_shipped_units_need_no_pint(catalogue: Catalogue) -> None:
    code = (
        "import sys; from dse.catalogue import open_catalogue, check; print(check(None, open_catalogue()));"
        "assert 'pint' not in sys.modules and 'jax' not in sys.modules, 'slow import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("key", "after", "line", "expected"),
    [
        ("tdp", "[package]", "tpd = 1", ["package.tdp: missing", "package.tpd: unknown key", "did you mean 'tdp'"]),
        ("bandwidth", "[memory]", 'bandwidth = { value = "3 TB", kind = "assumed", note = "x" }', ["bytes/s", "'TB'"]),
        ("bandwidth", "[memory]", 'bandwidth = { value = 3, kind = "assumed", note = "x" }', ["has no unit"]),
        ("bandwidth", "[memory]", 'bandwidth = "3 TB/s"', ["memory.bandwidth: has no source"]),
        ("bandwidth", "[memory]", 'bandwidth = { value = "-3 TB/s", kind = "assumed", note = "x" }', ["out of range"]),
        ("bandwidth", "[memory]", 'bandwidth = { value = "3 TB/s", source = "nobody" }', ["unknown source", "nobody"]),
        ("bandwidth", "[memory]", 'bandwidth = { value = "3 TB/s", kind = "derived" }', ["derived without a note"]),
        ("bandwidth", "[memory]", 'bandwidth = { value = "3 TB/s" }', ["memory.bandwidth: has no source"]),
        ("bandwidth", "[memory]", 'bandwidth = { vale = "3 TB/s" }', ["unknown key", "did you mean 'value'"]),
        (
            "bandwidth",
            "[memory]",
            'bandwidth = { value = "3 TB/s", low = "4 TB/s", kind = "assumed", note = "x" }',
            ["between its own low and high"],
        ),
        ("bandwidth", "[memory]", 'bandwidth = { low = "1 TB/s", high = "2 TB/s" }', ["only a search space"]),
        ("kind", "[memory]", 'kind = "hmb3"', ["memory.kind: unknown memory", "did you mean 'hbm3'"]),
        ("node", "[process]", 'node = "5mm"', ["process.node: unknown process", "did you mean '5nm'"]),
        ("weights", "[numerics]", 'weights = "fp9"', ["numerics.weights: unknown format"]),
        ("software", "", 'software = "gpu-tunes"', ["software: unknown software", "did you mean 'gpu-tuned'"]),
        ("status", "", 'status = "sold out"', ["status: unknown name", "shipping"]),
        ("units", "[matrix]", 'units = { value = 5.5, kind = "assumed", note = "x" }', ["must be a whole number"]),
        ("units", "[matrix]", 'units = { value = 5, kind = "assumed", note = "x" }', ["published_peak", "within 1 %"]),
        ("units", "[matrix]", "units = true", ["matrix.units"]),
        ("native", "[matrix]", 'native = "int4"', ["lacks the native format"]),
        ("split", "[matrix]", "split = 7", ["matrix.split: must divide matrix.rows"]),
        ("resident_share", "[sram]", "resident_share = 1.5", ["sram.resident_share: is out of range", "from 0 to 1"]),
        ("kind", "[far_memory]", 'kind = "ddr5"', ["far_memory.capacity: missing", "far_memory.bandwidth: missing"]),
        ("kind", "[scale_up]", 'kind = "none"', ["scale_up.bandwidth: stands beside scale_up.kind = 'none'"]),
    ],
)
def test_wrong_chips_are_refused(
    catalogue: Catalogue, chip_text: str, tmp_path: Path, key: str, after: str, line: str, expected: list[str]
) -> None:
    found = "\n".join(faults(replaced(own(chip_text), key, line, after), tmp_path, catalogue))
    for words in expected:
        assert words in found


def test_all_faults_are_told_at_once(catalogue: Catalogue, chip_text: str, tmp_path: Path) -> None:
    text = replaced(own(chip_text), "tdp", "", "[package]")
    text = replaced(text, "clock", 'clock = { value = "2 GB", kind = "assumed", note = "x" }', "[matrix]")
    text = replaced(text, "kv_cache", "kv_cache = 3", "[numerics]")
    found = faults(text, tmp_path, catalogue)
    assert len(found) == 3
    assert all(message.startswith(str(tmp_path / "mine.toml")) and "\n" not in message for message in found)


def test_unreadable_files_are_told(catalogue: Catalogue, chip_text: str, tmp_path: Path) -> None:
    assert "cannot be read" in str(check([tmp_path / "absent.toml"], catalogue)[0])
    assert "holds no .toml" in str(check([tmp_path], catalogue)[0])
    (tmp_path / "latin.toml").write_bytes('title = "Zürich"'.encode("latin-1"))
    assert "not UTF-8" in str(check([tmp_path / "latin.toml"], catalogue)[0])
    assert "line 1" in faults("kind = ", tmp_path, catalogue)[0]
    assert "duplicate key" in faults("kind = 'chip'\nkind = 'chip'", tmp_path, catalogue)[0]
    assert "duplicate key" in faults("[a]\nx = 1\n[a]\nx = 2", tmp_path, catalogue)[0]
    assert "did you mean 'chip'" in faults("kind = 'chp'", tmp_path, catalogue)[0]
    assert "kind: missing" in faults("name = 'mine'", tmp_path, catalogue)[0]
    assert "name of the file" in "".join(faults(own(chip_text), tmp_path, catalogue, "other"))


@pytest.mark.parametrize("text", ["[kind]", "kind = 'chip'\nsources = 3", "kind = 'chip'\nmatrix = 'x'\naliases = 'a'"])
def test_misshapen_tables_are_told(catalogue: Catalogue, tmp_path: Path, text: str) -> None:
    assert faults(text, tmp_path, catalogue)


def test_two_files_with_one_name_are_refused(catalogue: Catalogue, chip_text: str, tmp_path: Path) -> None:
    (tmp_path / "models/chips").mkdir(parents=True)
    mine = tmp_path / "models/chips/mine.toml"
    mine.write_text(chip_text, encoding="utf-8")
    clashes = check([mine], catalogue)
    assert any("h100-sxm.toml" in str(problem) and "mine.toml" in str(problem) for problem in clashes)
    (tmp_path / "models/chips/h100-sxm.toml").write_text(chip_text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"h100-sxm.toml.*has the same name as .*h100-sxm.toml"):
        open_catalogue(tmp_path).entry("chip", "h100-sxm")


def test_a_users_folder_is_added(chip_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models/chips").mkdir(parents=True)
    (tmp_path / "models/chips/mine.toml").write_text(own(chip_text), encoding="utf-8")
    assert open_catalogue(tmp_path).entry("chip", "mine").name == "mine"
    monkeypatch.chdir(tmp_path)
    assert {"mine", "h100-sxm"} <= {row["name"] for row in list_entries("chips", open_catalogue())}
    with pytest.raises(CatalogueError, match="is no directory"):
        open_catalogue(tmp_path / "nowhere")


def test_the_repository_itself_is_no_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert len(open_catalogue().roots) == 1


def test_names_and_aliases(catalogue: Catalogue) -> None:
    assert catalogue.entry("chip", "H100").name == "h100-sxm"
    with pytest.raises(CatalogueError, match=r"unknown chip, got 'h10'.*did you mean"):
        catalogue.entry("chip", "h10")
    with pytest.raises(CatalogueError, match="unknown kind"):
        list_entries("ships", catalogue)
    with pytest.raises(CatalogueError, match=r"unknown transformer.*did you mean 'llama-3.1-70b'"):
        catalogue.entry("transformer", "llama-3.1-70")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("llama-2-70b", 68_976_648_192),
        ("gpt-2", 124_439_808),
        ("llama-3.1-8b", 8_030_261_248),
        ("mixtral-8x7b", 46_702_792_704),
        ("mamba-2.8b", 2_768_345_600),
        ("deepseek-v3", 671_026_419_200),
    ],
)
def test_parameters_are_the_published_count(catalogue: Catalogue, name: str, count: int) -> None:
    values = catalogue.entry("transformer", name).values
    assert parameters(values) == count
    assert build_transformer(values).other_parameters == count - sum(matrix_parameters(values).values())


def test_wrong_models_are_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    text = catalogue.find("transformer", "llama-2-70b").read_text(encoding="utf-8")
    text = own(text).replace('name = "llama-2-70b"', 'name = "mine"')
    found = "".join(faults(replaced(text, "width", "width = 28671", "[feed_forward]"), tmp_path, catalogue))
    assert "parameters_tolerance" in found
    assert "68,976,648,192" in found
    found = "".join(faults(replaced(text, "kv_heads", "kv_heads = 7", "[attention]"), tmp_path, catalogue))
    assert "must divide attention.heads" in found
    assert "more than architecture.layers" in "".join(
        faults(replaced(text, "layers", "layers = 81", "[feed_forward]"), tmp_path, catalogue)
    )


def test_traffic_without_limits(catalogue: Catalogue) -> None:
    values = catalogue.entry("traffic", "batch").values | {"time_to_first_token": "none", "concurrency": "none"}
    traffic = build_traffic(values)
    assert traffic.time_to_first_token == 1e9
    assert traffic.concurrency == 1e9


def leaves(tree: Any) -> dict[str, Any]:
    """Every leaf of nested dataclasses by its path."""
    found: dict[str, Any] = {}
    for field in fields(tree):
        value = getattr(tree, field.name)
        inner = leaves(value) if is_dataclass(value) else {"": value}
        found |= {f"{field.name}.{key}".rstrip("."): item for key, item in inner.items()}
    return found


def test_every_shipped_chip_builds(catalogue: Catalogue) -> None:
    for name in catalogue.files("chip"):
        for path, leaf in leaves(build_chips(catalogue.entry("chip", name).values, catalogue.library)).items():
            assert leaf.shape == (), path
            assert np.isfinite(leaf) and leaf >= 0, f"{name}: {path}"  # noqa: PT018


@pytest.mark.parametrize("path", sorted((ROOT / "models/measurements").glob("*.csv")), ids=lambda path: path.stem)
def test_every_measured_row_names_a_chip(catalogue: Catalogue, path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as lines:
        named = {row["chip"] for row in csv.DictReader(lines)}
    assert named
    for name in named:
        assert catalogue.find("chip", name).exists()


def test_columns_equal_chips_one_by_one(catalogue: Catalogue) -> None:
    fixed = dict(catalogue.entry("chip", "h100").values)
    del fixed["memory.capacity"], fixed["memory.bandwidth"]
    designs = [
        {"process.node": node, "memory.kind": memory, "memory.stacks": stacks, "numerics.activations": activations}
        | {"matrix.native": native, "matrix.rates.int8": rate, "scale_up.topology": shape, "scale_up.kind": link}
        for node, memory, stacks, activations, native, rate, shape, link in [
            ("7nm", "hbm3", 4.0, "fp8-e4m3", "bf16", 2.0, "switch", "nvlink"),
            ("5nm", "none", 4.0, "int4", "bf16", 2.0, "torus-2d", "none"),
            ("3nm", "gddr7", 8.0, "int4", "bf16", 0.0, "ring", "ethernet"),
            ("5nm", "hbm3", 1.0, "bf16", "fp8-e4m3", 0.0, "switch", "nvlink"),
        ]
    ]
    columns = {**fixed, **{path: np.array([design[path] for design in designs]) for path in designs[0]}}
    together = leaves(build_chips(columns, catalogue.library))
    for index, design in enumerate(designs):
        for path, leaf in leaves(build_chips(fixed | design, catalogue.library)).items():
            assert together[path].shape == (len(designs),)
            assert together[path][index] == leaf, path


def test_narrow_formats_fall_back_to_the_next_wider(catalogue: Catalogue) -> None:
    values = catalogue.entry("chip", "a100").values
    formats = {"numerics.weights": "fp8-e4m3", "numerics.activations": "fp8-e4m3"}
    chip = build_chips(values | formats, catalogue.library)
    assert (chip.numerics.weight, chip.numerics.activation, chip.numerics.rate) == (1.0, 2.0, 1.0)
    chip = build_chips(values | {"numerics.weights": "int8", "numerics.activations": "int8"}, catalogue.library)
    assert (chip.numerics.activation, chip.numerics.rate) == (1.0, 2.0)
    only = {path: value for path, value in values.items() if not path.startswith("matrix.rates.")}
    with pytest.raises(CatalogueError, match="neither this format nor a wider one"):
        build_chips(only | {"matrix.native": "bf16", "numerics.activations": "fp32"}, catalogue.library)


def test_more_formats_take_more_silicon(catalogue: Catalogue) -> None:
    values = catalogue.entry("chip", "h100").values
    only = {path: value for path, value in values.items() if not path.startswith("matrix.rates.")}
    plain = build_chips(only | {"matrix.native": "bf16", "numerics.activations": "bf16"}, catalogue.library)
    assert plain.matrix.area_ratio == 1.0
    assert build_chips(values, catalogue.library).matrix.area_ratio > 1.0


def test_memory_defaults_to_its_stacks(catalogue: Catalogue) -> None:
    values = dict(catalogue.entry("chip", "h100").values)
    del values["memory.capacity"], values["memory.bandwidth"]
    kind = catalogue.library.shelves["memory"].gather("hbm3")
    memory = build_chips(values, catalogue.library).memory
    assert memory.bandwidth == 5 * kind["bandwidth"]
    assert memory.capacity == 5 * kind["capacity"]


def test_price_basis(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="unknown price basis"):
        build_assumptions(catalogue.library, "lease")


def test_show_tells_sources_and_defaults(catalogue: Catalogue) -> None:
    shown = resolve("chips", "h100", catalogue)
    json.dumps(shown)
    rows = {row["key"]: row for row in shown["values"]}
    assert rows["memory.bandwidth"]["text"] == "3.35 TB/s"
    assert rows["memory.bandwidth"]["kind"] == "published"
    assert rows["scale_up.latency"]["kind"] == "derived"
    assert rows["memory.hbm3.energy"]["unit"] == "J/byte"
    keys = {source["key"] for source in shown["sources"]}
    assert {row["source"] for row in shown["values"] if "." in row["key"] and row.get("source")} & keys
    assert used_sources([catalogue.entry("chip", "h100")])


SPACE = """
[space]
model = "llama-3.1-70b"
traffic = "chat"
objective = "tokens-per-dollar"
price_basis = "tco"
grid = { "memory.stacks" = 5 }
"""


@pytest.fixture
def space_text(chip_text: str) -> str:
    text = own(chip_text).replace('kind = "chip"', 'kind = "space"', 1)
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("status", "published_peak")))
    text = replaced(text, "kind", 'kind = { choices = ["none", "hbm3", "gddr7"], because = "range" }', "[memory]")
    stacks = 'stacks = { low = 1, high = 8, because = "edge", when = "memory.kind != \'none\'", otherwise = 0 }'
    text = replaced(text, "stacks", stacks, "[memory]")
    text = replaced(text, "capacity", "", "[memory]")
    text = replaced(text, "bandwidth", "", "[memory]")
    clock = 'clock = { low = "0.5 GHz", high = "3 GHz", log = true, because = "range" }'
    return replaced(text, "clock", clock, "[matrix]") + SPACE


def with_space(text: str, tmp_path: Path) -> Catalogue:
    """The catalogue with a space of the user's."""
    (tmp_path / "search_spaces").mkdir(exist_ok=True)
    (tmp_path / "search_spaces/mine.toml").write_text(text, encoding="utf-8")
    return open_catalogue(tmp_path)


def test_spaces_have_free_fields(space_text: str, tmp_path: Path) -> None:
    catalogue = with_space(space_text, tmp_path)
    space = load_space("mine", catalogue)
    assert space.free["matrix.clock"] == Range(0.5e9, 3e9, log=True, because="range")
    stacks = space.free["memory.stacks"]
    assert isinstance(stacks, Range)
    assert (stacks.step, stacks.otherwise) == (1.0, 0.0)
    kinds = space.free["memory.kind"]
    assert isinstance(kinds, Choices)
    assert kinds.values == ("none", "hbm3", "gddr7")
    columns = {
        "memory.kind": np.array(["none", "hbm3"]),
        "memory.stacks": np.array([4.0, 4.0]),
        "matrix.clock": np.array([1e9, 2e9]),
    }
    chips = build_chips(activate(space, columns), catalogue.library)
    assert chips.memory.stacks.tolist() == [0.0, 4.0]
    one = activate(space, {"memory.kind": "none", "matrix.clock": 1e9})
    assert one["memory.stacks"] == 0.0
    assert resolve("space", "mine", catalogue)["values"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("low = 1, high = 8", "low = 8, high = 1", "low must be below high"),
        ("low = 1, high = 8", "low = 1, high = 8, step = 9", "within the range"),
        ("low = 1, high = 8", "low = 0, high = 8, log = true", "logarithmic range must begin above zero"),
        ('low = "0.5 GHz"', 'low = "0.5 GB"', "1/s"),
        ("log = true", 'log = "yes"', "log: must be true or false"),
        ('because = "edge", ', "", "because: missing"),
        (", otherwise = 0", "", "otherwise: missing"),
        ("memory.kind != 'none'", "memory.knid != 'none'", "did you mean 'memory.kind'"),
        ("memory.kind != 'none'", "memory.kind = 'none'", "is no comparison"),
        ("memory.kind != 'none'", "memory.kind < 'none'", "order of names"),
        ("memory.kind != 'none'", "memory.stacks > 2", "circle"),
        ("memory.kind != 'none'", "__import__('os')", "is no comparison"),
        ('"gddr7"]', '"gddr77"]', "did you mean 'gddr7'"),
        ('"gddr7"]', '"hbm3"]', "is listed twice"),
        ('["none", "hbm3", "gddr7"]', "[]", "at least one value"),
        ("llama-3.1-70b", "llama-3.1-71b", "space.model: unknown transformer"),
        ('traffic = "chat"', 'traffic = "chatter"', "did you mean 'chat'"),
        ('price_basis = "tco"', 'price_basis = "tcp"', "did you mean 'tco'"),
        ('"memory.stacks" = 5', '"memory.stack" = 5', "did you mean 'memory.stacks'"),
        ('"memory.stacks" = 5', '"memory.stacks" = 0', "grid.memory.stacks"),
    ],
)
def test_wrong_spaces_are_refused(
    catalogue: Catalogue, space_text: str, tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in space_text
    assert expected in "\n".join(faults(space_text.replace(old, new), tmp_path, catalogue))


def test_conditions() -> None:
    values = {"a.b": np.array([1.0, 2.0, 3.0]), "kind": np.array(["x and y", "z", "z"])}
    assert holds(parse_condition("a.b >= 2 and kind == 'z'"), values).tolist() == [False, True, True]
    assert holds(parse_condition("kind in ['x and y', 'w']"), values).tolist() == [True, False, False]
    assert holds(parse_condition("kind not in ['z']"), {"kind": "q"}) is True
    for wrong in ("", "a", "a ==", "a == b", "a in 3", "a == [1]", "or a == 1", "a == 1 or a == 2", 5):
        with pytest.raises(FieldError):
            parse_condition(wrong)


def test_found_designs_read_back_bit_identical(catalogue: Catalogue, space_text: str, tmp_path: Path) -> None:
    space = load_space("mine", with_space(space_text, tmp_path))
    random = np.random.default_rng(1)
    for index in range(20):
        sampled = {
            "memory.kind": str(random.choice(["none", "hbm3", "gddr7"])),
            "memory.stacks": float(random.integers(1, 9)),
            "matrix.clock": float(random.uniform(0.5e9, 3e9)),
            "sram.resident_share": float(random.random()),
            "sram.bandwidth": float(10 ** random.uniform(11, 14)),
            "package.tdp": float(random.uniform(50, 2000)),
            "price.rent": float(random.uniform(1e-4, 1e-2)),
        }
        values = {path: value for path, value in activate(space, sampled).items() if not isinstance(value, np.ndarray)}
        path = tmp_path / f"found-{index}.toml"
        entry = write_chip(path, values, title='Found "it"', note="study s, trial 3", catalogue=catalogue)
        again = parse_entry(path.read_text(encoding="utf-8"), path, "chip").values
        assert again == entry.values
        absent = values["memory.kind"] == "none"
        expected = {key: value for key, value in values.items() if not (absent and key == "memory.stacks")}
        assert again == expected
        rebuilt = leaves(build_chips(again, catalogue.library))
        assert rebuilt == leaves(build_chips(values, catalogue.library))
    assert check([path], catalogue) == []


def test_shipped_chips_can_be_written_again(catalogue: Catalogue, tmp_path: Path) -> None:
    for name in catalogue.files("chip"):
        values = catalogue.entry("chip", name).values
        written = write_chip(tmp_path / f"{name}.toml", values, title="t", note="copied", catalogue=catalogue)
        assert written.values == values


def test_impossible_designs_are_not_written(catalogue: Catalogue, tmp_path: Path) -> None:
    values = catalogue.entry("chip", "h100").values | {"matrix.clock": -1.0}
    with pytest.raises(CatalogueError, match=r"matrix.clock: is out of range"):
        write_chip(tmp_path / "bad.toml", values, title="t", note="n", catalogue=catalogue)
    assert not (tmp_path / "bad.toml").exists()


LLAMA = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}
CONFIGS: list[tuple[dict[str, Any], int]] = [
    (LLAMA | {"model_type": "llama", "vocab_size": 128256, "num_key_value_heads": 8}, 8_030_261_248),
    (LLAMA | {"model_type": "mistral", "vocab_size": 32000, "num_key_value_heads": 8}, 7_241_732_096),
    (
        LLAMA
        | {"model_type": "mixtral", "vocab_size": 32000, "num_key_value_heads": 8}
        | {"num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None},
        46_702_792_704,
    ),
    (
        {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257, "n_ctx": 1024},
        124_439_808,
    ),
    (
        {"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28}
        | {"num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064},
        7_615_616_512,
    ),
    (
        {"model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36}
        | {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936},
        8_190_735_360,
    ),
    (
        {"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48}
        | {"num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936}
        | {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768},
        30_532_122_624,
    ),
    (
        {"model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44}
        | {"num_attention_heads": 64, "vocab_size": 50432},
        20_554_567_680,
    ),
    ({"model_type": "bloom", "n_embed": 14336, "n_layer": 70, "n_head": 112, "vocab_size": 250880}, 176_247_271_424),
    (
        {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71}
        | {"vocab_size": 65024, "multi_query": True, "parallel_attn": True},
        6_921_720_704,
    ),
    (
        {"model_type": "opt", "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
        | {"vocab_size": 50272, "max_position_embeddings": 2048},
        125_239_296,
    ),
    (
        {"model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42}
        | {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 256000}
        | {"sliding_window": 4096},
        9_241_705_984,
    ),
    (
        {
            "model_type": "gemma3",
            "text_config": {"model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504}
            | {"num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "vocab_size": 262208}
            | {"num_hidden_layers": 62, "sliding_window": 1024},
        },
        27_009_346_304,
    ),
    (
        {"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61}
        | {"num_attention_heads": 128, "vocab_size": 129280, "moe_intermediate_size": 2048, "n_routed_experts": 256}
        | {"n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3, "q_lora_rank": 1536}
        | {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128},
        671_026_419_200,
    ),
    (
        {"model_type": "deepseek_v2", "hidden_size": 5120, "intermediate_size": 12288, "num_hidden_layers": 60}
        | {"num_attention_heads": 128, "vocab_size": 102400, "moe_intermediate_size": 1536, "n_routed_experts": 160}
        | {"n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "q_lora_rank": 1536}
        | {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128},
        235_741_434_880,
    ),
    (
        {"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24}
        | {"num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201088}
        | {"num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128},
        20_914_757_184,
    ),
    (
        {"model_type": "mamba", "hidden_size": 2560, "num_hidden_layers": 64, "vocab_size": 50280, "state_size": 16}
        | {"expand": 2, "conv_kernel": 4, "time_step_rank": 160},
        2_768_345_600,
    ),
]


@pytest.mark.parametrize(("config", "count"), CONFIGS, ids=[str(config["model_type"]) for config, _ in CONFIGS])
def test_hugging_face_configs(catalogue: Catalogue, tmp_path: Path, config: dict[str, Any], count: int) -> None:
    folder = tmp_path / "My Model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    text = import_config(folder / "config.json")
    path = tmp_path / "my-model.toml"
    path.write_text(text, encoding="utf-8")
    assert check([path], catalogue) == []
    assert parameters(parse_entry(text, path).values) == count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "JSON syntax"),
        ("[]", "JSON object"),
        ("{}", "unknown architecture"),
        ('{"model_type": "lama"}', "did you mean 'llama'"),
        ('{"model_type": "llama"}', "hidden_size: missing"),
        ('{"model_type": "llama", "hidden_size": "big"}', "must be a whole number"),
        ('{"model_type": "llama", "hidden_size": -4}', "must be a whole number"),
    ],
)
def test_wrong_configs_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=expected):
        import_config(path)
