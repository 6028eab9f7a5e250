"""Search spaces: free fields, conditions, and designs that read back the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from catalogue_files import leaves, with_space
from optuna.distributions import IntDistribution

from dse.catalogue import Catalogue, CatalogueError, Choices, Range, activate, check, load_space, resolve, write_chip
from dse.catalogue.build import build_chips
from dse.catalogue.conditions import holds, parse_condition
from dse.catalogue.errors import FieldError
from dse.catalogue.read import parse_entry
from dse.search.space import distributions, flat_design, suggest
from dse.units import exact


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
        expected = {
            key: value
            for key, value in values.items()
            if not (absent and key in ("memory.stacks", "memory.spare_stacks"))
        }
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


def test_whole_numbers_stay_whole_on_a_logarithmic_scale(space_text: str, tmp_path: Path) -> None:
    text = space_text.replace("low = 1, high = 8,", "low = 1, high = 8, log = true,")
    space = load_space("mine", with_space(text, tmp_path))
    found = distributions(space)["memory.stacks"]
    assert isinstance(found, IntDistribution)
    assert found.log
    design = flat_design(space, {"memory.stacks": 4, "memory.kind": "hbm3", "matrix.clock": 1e9})
    assert design["memory.stacks"] == 4.0
    assert isinstance(design["memory.stacks"], float)


def test_what_a_search_chooses_has_six_digits(space_text: str, tmp_path: Path) -> None:
    space = load_space("mine", with_space(space_text, tmp_path))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        trial = study.ask()
        design = suggest(trial, space, distributions(space))
        clock = design["matrix.clock"]
        assert isinstance(clock, float)
        number = exact(clock, "1/s").split()[0]
        assert len(number.replace(".", "").lstrip("0")) <= 6
        assert clock == pytest.approx(trial.params["matrix.clock"], rel=1e-5)
        assert 0.5e9 <= clock <= 3e9
        study.tell(trial, 0.0)
        assert flat_design(space, study.trials[-1].params)["matrix.clock"] == clock
