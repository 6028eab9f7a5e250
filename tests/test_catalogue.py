"""What the catalogue holds: names, figures with sources, and the arrays that are built from them."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from catalogue_files import leaves, own

from dse.catalogue import (
    Catalogue,
    CatalogueError,
    check,
    list_entries,
    matrix_parameters,
    open_catalogue,
    parameters,
    resolve,
    used_sources,
)
from dse.catalogue.build import build_chips, build_traffic, build_transformer
from dse.catalogue.locate import shipped_root


def test_shipped_catalogue_is_right(catalogue: Catalogue) -> None:
    assert [str(problem) for problem in check(None, catalogue)] == []


def test_shipped_units_need_no_pint(catalogue: Catalogue) -> None:
    code = (
        "import sys; from dse.catalogue import open_catalogue, check; print(check(None, open_catalogue()));"
        "assert 'pint' not in sys.modules and 'jax' not in sys.modules, 'slow import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_users_folder_is_added(chip_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models/chips").mkdir(parents=True)
    (tmp_path / "models/chips/mine.toml").write_text(own(chip_text), encoding="utf-8")
    assert open_catalogue(tmp_path).entry("chip", "mine").name == "mine"
    monkeypatch.chdir(tmp_path)
    assert {"mine", "h100-sxm"} <= {row["name"] for row in list_entries("chips", open_catalogue())}
    with pytest.raises(CatalogueError, match="is no directory"):
        open_catalogue(tmp_path / "nowhere")


def test_the_repository_itself_is_no_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shipped_root())
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


def test_traffic_without_limits(catalogue: Catalogue) -> None:
    values = catalogue.entry("traffic", "batch").values | {"time_to_first_token": "none", "concurrency": "none"}
    traffic = build_traffic(values)
    assert traffic.time_to_first_token == 1e9
    assert traffic.concurrency == 1e9


def test_every_shipped_chip_builds(catalogue: Catalogue) -> None:
    for name in catalogue.files("chip"):
        for path, leaf in leaves(build_chips(catalogue.entry("chip", name).values, catalogue.library)).items():
            assert leaf.shape == (), path
            assert np.isfinite(leaf) and leaf >= 0, f"{name}: {path}"  # noqa: PT018


@pytest.mark.parametrize(
    "path", sorted((shipped_root() / "models/measurements").glob("*.csv")), ids=lambda path: path.stem
)
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


def test_patterns_of_layers_are_checked(catalogue: Catalogue, tmp_path: Path) -> None:
    """A list of layers with a wrong letter, a wrong length or other counts than the tables is refused."""
    text = catalogue.find("transformer", "nemotron-3-nano").read_text(encoding="utf-8")
    path = tmp_path / "nemotron-3-nano.toml"
    for changed, expected in (
        ("MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEMQ", "unknown letters"),
        ("MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM", "is not as long as architecture.layers = 52"),
        ("MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*", "differs from the 22 in architecture.pattern"),
    ):
        path.write_text(
            re.sub(r'pattern = \{ value = "[^"]*"', f'pattern = {{ value = "{changed}"', text), encoding="utf-8"
        )
        assert any(expected in str(problem) for problem in check([path], catalogue))
