"""The border: what the catalogue refuses, and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogue_files import faults, own, replaced

from dse.catalogue import Catalogue, CatalogueError, check, open_catalogue, resolve
from dse.catalogue.build import build_assumptions
from dse.catalogue.locate import SHELVES


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
        (
            "units_per_core",
            "[matrix]",
            'units_per_core = { value = 5, kind = "assumed", note = "x" }',
            ["matrix.units_per_core: must divide matrix.units", "5 of 528", "whole cores"],
        ),
        (
            "spare_units",
            "[matrix]",
            'spare_units = { value = 46, kind = "assumed", note = "x" }',
            ["matrix.units_per_core: must divide matrix.spare_units", "4 of 46"],
        ),
        (
            "resident_share",
            "[sram]",
            'resident_share = 0.5\nlocal_cache = { value = "900 MB", kind = "assumed", note = "x" }',
            ["sram.local_cache: is a part of sram.local", "at most sram.local"],
        ),
        ("resident_share", "[sram]", "resident_share = 1.5", ["sram.resident_share: is out of range", "from 0 to 1"]),
        ("kind", "[far_memory]", 'kind = "ddr5"', ["far_memory.capacity: missing", "far_memory.bandwidth: missing"]),
        (
            "node",
            "[process]",
            'node = { value = "16nm", kind = "assumed", note = "x" }',
            ["memory.kind: has no interface in 16nm", "'hbm3'", "take an older memory"],
        ),
        (
            "node",
            "[process]",
            'node = "5nm"\nvoltage = "0.2 V"',
            ["process.voltage: is outside what 5nm works at", "200 mV", "leave it out"],
        ),
        (
            "die_area",
            "[package]",
            'die_area = { value = "900 mm2", kind = "assumed", note = "x" }',
            ["package.die_area: a die is larger than package 'cowos-s' can be made of", "900 mm2", "at most 858 mm2"],
        ),
        (
            "die_area",
            "[package]",
            'die_area = { value = "3000 mm2", kind = "assumed", note = "x" }',
            ["the dies are more than package 'cowos-s' can hold", "take another package"],
        ),
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


def test_price_basis(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="unknown price basis"):
        build_assumptions(catalogue.library, "lease")


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
        ("memory.kind != 'none'", "memory.kind == 'hbmX'", "stacks.when: unknown memory, got 'hbmX'"),
        ("memory.kind != 'none'", "memory.kind == 'hmb3'", "did you mean 'hbm3'"),
        ("memory.kind != 'none'", "memory.kind not in ['none', 'hbm33']", "got 'hbm33'"),
        ("memory.kind != 'none'", "style == 'systolik'", "did you mean 'systolic'"),
        ("memory.kind != 'none'", "numerics.weights == 'fp9'", "unknown format, got 'fp9'"),
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


def test_faults_of_schema_names_and_parts_are_told_together(
    catalogue: Catalogue, chip_text: str, tmp_path: Path
) -> None:
    text = replaced(own(chip_text), "tdp", "tpd = 5", "[package]")
    text = replaced(text, "kind", 'kind = "hmb3"', "[memory]")
    text = replaced(text, "kind", 'kind = "none"', "[scale_up]")
    text = replaced(text, "split", "split = 7", "[matrix]")
    text = replaced(text, "units", 'units = { value = 5, kind = "assumed", note = "x" }', "[matrix]")
    found = faults(text, tmp_path, catalogue, "other")
    for words in (
        "package.tdp: missing",
        "package.tpd: unknown key",
        "name: must be the name of the file",
        "memory.kind: unknown memory",
        "scale_up.bandwidth: stands beside",
        "matrix.split: must divide matrix.rows",
        "matrix.published_peak: is not units x rows",
    ):
        assert sum(words in message for message in found) == 1, words


def test_a_wrong_value_is_told_once(catalogue: Catalogue, chip_text: str, tmp_path: Path) -> None:
    for key, after, line in (
        ("stacks", "[memory]", 'stacks = "many"'),
        ("clock", "[matrix]", "clock = 3"),
        ("kind", "[memory]", "kind = 3"),
        ("native", "[matrix]", "native = 8"),
        ("rates", "[matrix]", "rates = { bf16 = -1, fp8-e4m3 = 2 }"),
    ):
        found = faults(replaced(own(chip_text), key, line, after), tmp_path, catalogue)
        assert len(found) == 1, found
    without = own(chip_text).replace("[memory]", "[memry]")
    assert {message.split(": ")[1] for message in faults(without, tmp_path, catalogue)} == {"memory", "memry"}


def test_faults_of_a_space_are_told_together(catalogue: Catalogue, space_text: str, tmp_path: Path) -> None:
    text = space_text.replace('model = "llama-3.1-70b"', 'model = "lama-3.1-70b"')
    text = text.replace('"memory.stacks" = 5', '"memory.stack" = 5').replace('because = "edge", ', "")
    found = "\n".join(faults(text, tmp_path, catalogue, "other"))
    for words in ("because: missing", "space.model: unknown", "space.grid.memory.stack", "name of the file"):
        assert words in found


def test_a_file_that_does_not_say_its_kind_is_checked_all_the_same(chip_text: str, tmp_path: Path) -> None:
    path = tmp_path / "models/chips/mine.toml"
    path.parent.mkdir(parents=True)
    path.write_text(replaced(own(chip_text), "tdp", "", "[package]").replace('kind = "chip"', "", 1), encoding="utf-8")
    assert [problem.key for problem in check([path], open_catalogue())] == ["kind", "package.tdp"]


def test_long_lists_of_names_are_cut_to_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError) as caught:
        catalogue.entry("transformer", "llama-3.1-71b")
    (problem,) = caught.value.problems
    assert problem.nearest == "llama-3.1-70b"
    assert len(problem.allowed.split(", ")) <= 8
    assert "in all" in problem.allowed
    with pytest.raises(CatalogueError) as caught:
        catalogue.entry("transformer", "zzz")
    assert caught.value.problems[0].nearest == ""


def test_every_entry_can_be_shown(catalogue: Catalogue) -> None:
    for kind in SHELVES:
        for name in catalogue.files(kind):
            rows = resolve(kind, name, catalogue)["values"]
            assert all(isinstance(row["text"], str) and row["text"] for row in rows), name
