"""Tests doctor: every finding over real folders, files, ports and libraries."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from hoshikage import settings
from hoshikage.cli import doctor
from hoshikage.library import rpc
from hoshikage.registry import OwnOptions, Registry
from tests.adapter_files import write_lora
from tests.cli.conftest import Cli, Running


@pytest.fixture(autouse=True)
def port(work: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("PORT", str(unused_tcp_port))
    return unused_tcp_port


@pytest.fixture
def no_library(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    empty = work / "no-library"
    empty.mkdir()
    monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(empty))
    return empty


def of(subject: str, data: Any) -> list[dict[str, str]]:
    return [finding for finding in data["findings"] if finding["subject"] == subject]


@pytest.mark.native
def test_a_sound_house_is_all_well(
    cli: Cli, model: Path, library_file: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(library_file))
    cli("add", model, "small")
    ran = cli("doctor", "--json")
    assert ran.status == 0, ran.out
    data = ran.data
    assert [finding["state"] for finding in data["findings"] if finding["state"] == "problem"] == []
    library = " ".join(finding["text"] for finding in of("library", data))
    assert str(library_file) in library
    assert "v0.5.0" in library
    assert any("CPU" in finding["text"] for finding in of("device", data))
    assert of("model", data)[0]["text"].startswith("Model small: llama · 320 · Q8_0")
    assert of("port", data)[0]["text"] == f"127.0.0.1:{port} is free."
    shown = cli("doctor", "--lang", "ja").out
    assert "良好" in shown
    assert "問題" not in shown


@pytest.mark.native
def test_machines_that_the_library_cannot_reach_are_a_problem_with_its_remedy(
    cli: Cli, library_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(library_file))
    monkeypatch.setenv("RPC_SERVERS", "192.168.1.9:50052")
    (found,) = (one for one in of("device", cli("doctor", "--json").data) if one["state"] == "problem")
    assert "192.168.1.9:50052" in found["text"]
    assert "GGML_RPC=ON" in found["advice"]


def test_the_rpc_backend_is_known_by_the_files_of_a_library(tmp_path: Path) -> None:
    library = tmp_path / "libllama.so"
    library.write_bytes(b"x" * 5000 + b"\0ggml_backend_rpc_add_device\0")
    (tmp_path / "libggml-base.so").touch()
    (tmp_path / "notes.txt").write_bytes(b"ggml_backend_rpc_init")
    assert not rpc.is_there(library)
    (tmp_path / "libggml-rpc.so").write_bytes(b"\0ggml_backend_rpc_init\0")
    assert rpc.is_there(library)


def test_a_file_of_settings_that_is_partly_passed_over_is_named(cli: Cli, no_library: Path, work: Path) -> None:
    assert of("settings", cli("doctor", "--json").data) == []
    file = work / ".env"
    file.write_text("UNIX_SOCKET=./socket\nMODEL_DIR=../elsewhere\nTEMPRATURE=1\nN_CTX=64\n")
    (found,) = of("settings", cli("doctor", "--json").data)
    assert found["state"] == "warning"
    assert found["text"] == f"Part of {file} has no effect."
    assert [name for name in ("UNIX_SOCKET", "MODEL_DIR", "TEMPRATURE", "N_CTX") if name in found["advice"]] == [
        "UNIX_SOCKET",
        "MODEL_DIR",
        "TEMPRATURE",
    ]


def test_no_library_is_a_problem_with_its_remedy(cli: Cli, no_library: Path) -> None:
    ran = cli("doctor", "--json")
    assert ran.status == 1
    assert ran.data["state"] == "problem"
    (library,) = of("library", ran.data)
    assert library["state"] == "problem"
    assert str(no_library) in library["advice"]
    shown = cli("doctor")
    assert shown.status == 1
    assert shown.err == ""
    assert "→" in shown.out


@pytest.mark.parametrize(
    ("option", "missing"),
    [("mmproj", "--mmproj"), ("draft", "--draft"), ("lora", "--lora"), ("control_vector", "--control-vector")],
)
def test_a_model_whose_companion_is_missing_or_none_is_no_sound_one(
    option: str, missing: str, cli: Cli, no_library: Path, model: Path, work: Path, registry: Registry
) -> None:
    registry.add("small", model)
    file = work / "beside.gguf"
    entries = json.loads(registry.file.read_text("utf-8"))
    entries["small"][option] = [f"{file}:1"] if option in ("lora", "control_vector") else str(file)
    registry.file.write_text(json.dumps(entries), "utf-8")
    for there in (False, True):
        if there:
            file.write_text("no GGUF")
        for language in ("en", "ja"):
            (found,) = of("model", cli("doctor", "--json", "--lang", language).data)
            (row,) = cli("list", "--json", "--lang", language).data["models"]
            assert (found["state"], row["state"]) == ("problem", "damaged")
            assert str(file) in found["text"]
            assert str(file) in row["reason"]
            assert (missing in row["reason"]) is not there
            assert ('--mmproj ""' in found["advice"]) is (option == "mmproj")
            assert row["size_bytes"] == model.stat().st_size


def test_a_model_whose_template_is_missing_is_no_sound_one(
    cli: Cli, no_library: Path, model: Path, work: Path, registry: Registry
) -> None:
    registry.add("small", model, (), OwnOptions({"chat_template": str(work / "none.jinja")}))
    assert of("model", cli("doctor", "--json").data)[0]["state"] == "problem"
    (row,) = cli("list", "--json").data["models"]
    assert (row["state"], "none.jinja" in row["reason"]) == ("damaged", True)


def test_a_persona_whose_adapter_is_missing_is_told(
    cli: Cli, no_library: Path, model: Path, work: Path, registry: Registry
) -> None:
    adapter = write_lora(work / "poet.gguf", 1)
    registry.add("small", model)
    registry.add_persona("poet", "small", "Be brief.", OwnOptions({"lora": [f"{adapter}:1"]}))
    assert of("persona", cli("doctor", "--json").data)[0]["state"] == "ok"
    adapter.unlink()
    (found,) = of("persona", cli("doctor", "--json").data)
    assert (found["state"], str(adapter) in found["text"]) == ("warning", True)


@pytest.mark.process
def test_models_and_registry(cli: Cli, no_library: Path, model: Path, registry: Registry) -> None:
    (none,) = of("registry", cli("doctor", "--json").data)
    assert none["state"] == "warning"
    cli("add", model, "small")
    model.write_bytes(model.read_bytes()[:100])
    (broken,) = of("model", cli("doctor", "--json").data)
    assert broken["state"] == "problem"
    assert "hoshikage rm small" in broken["advice"]
    registry.file.write_text('{"bad": 7}')
    skipped, _ = of("registry", cli("doctor", "--json").data)
    assert skipped["state"] == "warning"
    assert "hoshikage rm bad" in skipped["advice"]
    registry.file.write_text("{")
    (damaged,) = of("registry", cli("doctor", "--json").data)
    assert damaged["state"] == "problem"
    assert str(registry.last_good) in damaged["advice"]
    registry.last_good.unlink()
    damaged, _ = of("registry", cli("doctor", "--json").data)
    assert "last-good" not in damaged["advice"], "no advice to copy what is not there"
    assert f"Mend {registry.file}" in damaged["advice"]


def test_a_registry_that_may_not_be_read_is_a_matter_of_permissions(
    cli: Cli, no_library: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat_of = Path.stat

    def refused(self: Path, **options: Any) -> Any:
        if self == registry.file:
            raise PermissionError(13, "Permission denied", str(self))
        return stat_of(self, **options)

    monkeypatch.setattr(Path, "stat", refused)
    found = of("registry", cli("doctor", "--json").data)[0]
    assert found["state"] == "problem"
    assert found["advice"].startswith(f"Check the owner and permissions of {registry.file}")


def test_port_of_another_program(cli: Cli, no_library: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "WAKING_S", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        (finding,) = of("port", cli("doctor", "--json").data)
    assert finding["state"] == "problem"
    assert f"PORT={port + 1}" in finding["advice"]


def test_port_of_a_running_hoshikage(cli: Cli, no_library: Path, server: Running) -> None:
    (finding,) = of("port", cli("doctor", "--json").data)
    assert finding["state"] == "ok"
    assert f"runs at http://127.0.0.1:{server.port}" in finding["text"]


def test_an_address_that_is_not_ours(cli: Cli, no_library: Path) -> None:
    (finding,) = of("port", cli("doctor", "--json", "--host", "192.0.2.1").data)
    assert finding["state"] == "problem"


def test_a_folder_that_cannot_be(cli: Cli, no_library: Path) -> None:
    settings.config_dir().parent.mkdir(parents=True, exist_ok=True)
    settings.config_dir().write_text("a file where the folder should be")
    states = [finding["state"] for finding in of("folder", cli("doctor", "--json").data)]
    assert states == ["problem", "ok"]


def test_little_room_is_a_warning(cli: Cli, no_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage())
    folders = of("folder", cli("doctor", "--json").data)
    assert {finding["state"] for finding in folders} == {"warning"}
    assert all("GiB" in finding["advice"] for finding in folders)


@pytest.mark.parametrize(("asked", "state", "has_advice"), [("0", "ok", False), ("4", "warning", True)])
def test_a_busy_machine_is_told(
    cli: Cli, no_library: Path, monkeypatch: pytest.MonkeyPatch, asked: str, state: str, has_advice: bool
) -> None:
    """Threads for all of its cores are warned of; `auto` leaves one free."""
    monkeypatch.setattr("hoshikage.cli.doctor.is_busy", lambda: True)
    for module in ("cli.doctor", "cores"):
        monkeypatch.setattr(f"hoshikage.{module}.physical_cores", lambda: 4)
    monkeypatch.setenv("N_THREADS", asked)
    (machine,) = of("machine", cli("doctor", "--json").data)
    assert machine["state"] == state
    assert ("with: 3" if asked == "0" else "with: 4") in machine["text"]
    assert "other programs" in machine["text"]
    assert ("N_THREADS" in machine.get("advice", "")) is has_advice


class _Usage:
    free = 5_000_000


def test_memory_that_lacks_packages_says_so_once(cli: Cli, no_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY", "on")
    monkeypatch.setattr("hoshikage.cli.doctor.find_spec", lambda name: None)
    lacking, *_ = told = of("memory", cli("doctor", "--json").data)
    assert "sentencex, sklearn, chromadb" in lacking["advice"]
    assert sum("hoshikage[memory]" in one["advice"] for one in told) == 1


def test_memory_that_is_on_and_lacks_its_model_is_a_problem_with_its_remedy(
    cli: Cli, no_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> list[dict[str, str]]:
        return of("memory", cli("doctor", "--json").data)

    assert told() == [], "off, it is no matter"
    monkeypatch.setenv("MEMORY", "on")
    *_, lacking, shared = told()
    assert (lacking["state"], "EMBEDDING_MODEL" in lacking["advice"]) == ("problem", True)
    assert "local" in shared["text"]
    monkeypatch.setenv("EMBEDDING_MODEL", "nobody")
    assert "EMBEDDING_MODEL=nobody" in told()[-2]["text"]
