"""Tests `hoshikage service`: what is written, said and left to do, in both languages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hoshikage.service.units import SERVICE, SOCKET
from tests.cli.conftest import Cli, Running
from tests.service.conftest import POSIX, Programs

ROOT = Path(__file__).resolve().parent.parent.parent
NO_BUS = "Failed to connect to bus: No medium found"
# Nothing is missing elsewhere: the other systems' managers are met by test_managers.py and test_units.py.
pytestmark = [POSIX, pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's"), pytest.mark.process]


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Makes a systemctl that says yes to everything, and an interpreter that has the package wherever it is started."""
    programs = Programs(tmp_path / "programs")
    programs.say("systemctl")
    interpreter = programs.folder / "python"
    interpreter.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    monkeypatch.setenv("PATH", str(programs.folder))
    monkeypatch.delenv("USER", raising=False)
    return programs


@pytest.fixture
def unit(home: Path) -> Path:
    return home / ".config" / "systemd" / "user" / SERVICE


def test_install_says_what_it_did(cli: Cli, manager: Programs, unit: Path) -> None:
    ran = cli("service", "install", "--port", "3977", "--lang", "en")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[:4] == [
        f"Wrote {unit}",
        "Ran systemctl --user daemon-reload",
        "Ran systemctl --user enable hoshikage.service",
        "Ran systemctl --user restart hoshikage.service",
    ]
    assert "loginctl enable-linger $USER" in ran.out
    assert "journalctl --user -u hoshikage" in ran.out
    written = unit.read_text("utf-8")
    assert f"ExecStart={sys.executable} -m hoshikage serve\n" in written
    assert "Environment=PORT=3977\n" in written
    assert "Environment=HOSHIKAGE_LANG=en\n" in written


def test_in_japanese(cli: Cli, manager: Programs, unit: Path) -> None:
    ran = cli("--lang", "ja", "service", "install")
    assert ran.out.startswith(f"書きました: {unit}\n実行しました: systemctl --user daemon-reload\n")
    assert "Environment=HOSHIKAGE_LANG=ja\n" in unit.read_text("utf-8")
    assert "消しました" in cli("--lang", "ja", "service", "uninstall").out
    assert cli("--lang", "ja", "service", "uninstall").out == f"サービスは登録されていません: {unit}\n"


def test_without_a_manager_the_commands_are_shown(cli: Cli, manager: Programs, unit: Path) -> None:
    manager.say("systemctl", {"": (1, NO_BUS)})
    ran = cli("service", "install")
    assert f"systemd could not be reached ({NO_BUS})" in ran.out
    assert "\n  systemctl --user enable hoshikage.service\n" in ran.out
    assert "runs as a service now" not in ran.out
    data = cli("service", "install", "--json").data
    assert data["left_to_run"][-1] == "systemctl --user restart hoshikage.service"
    assert (data["ran"], data["reason"], data["files"]) == ([], NO_BUS, [str(unit)])


def test_settings_of_this_terminal_are_kept_and_those_of_its_folder_told(
    cli: Cli, manager: Programs, unit: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("N_CTX", "8192")
    monkeypatch.setenv("LOG_FILE_PATH", "logs/hoshikage.log")
    (work / ".env").write_text("TOP_P=0.5\n")
    ran = cli("service", "install")
    written = unit.read_text("utf-8")
    assert "Environment=N_CTX=8192\n" in written
    assert f"Environment=LOG_FILE_PATH={work / 'logs' / 'hoshikage.log'}\n" in written
    assert f"Environment=XDG_CONFIG_HOME={os.environ['XDG_CONFIG_HOME']}\n" in written
    assert "TOP_P" not in written
    assert f"TOP_P stand in {work / '.env'}" in ran.out


def test_a_socket_starts_it(cli: Cli, manager: Programs, unit: Path) -> None:
    ran = cli("service", "install", "--socket")
    assert "ListenStream=127.0.0.1:3030\n" in unit.with_name(SOCKET).read_text("utf-8")
    assert "first connection to 127.0.0.1:3030" in ran.out
    refused = cli("service", "install", "--socket", "--host", "example.org")
    assert (refused.status, refused.out) == (2, "")
    assert "example.org" in refused.err


def test_a_unit_of_somebody_else_needs_force(cli: Cli, manager: Programs, unit: Path) -> None:
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    ran = cli("service", "install")
    assert (ran.status, ran.out) == (2, "")
    assert "--force" in ran.err
    assert cli("service", "uninstall").status == 2
    assert "not written by this command" in cli("service").out
    assert cli("service", "install", "--force").status == 0


def test_an_interpreter_without_the_package_is_no_service(
    cli: Cli, manager: Programs, unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.say("bare", {"": (1, "bare: No module named hoshikage")})
    monkeypatch.setattr(sys, "executable", str(manager.folder / "bare"))
    ran = cli("service", "install")
    assert ran.status == 1
    assert "No module named hoshikage" in ran.err
    assert not unit.exists()


def test_a_gpu_whose_files_are_made_by_a_setuid_program(cli: Cli, manager: Programs, unit: Path) -> None:
    manager.say("nvidia-modprobe")
    (manager.folder / "nvidia-modprobe").chmod(0o4755)
    assert "nvidia-modprobe" in cli("service", "install").out
    assert "NoNewPrivileges=" not in unit.read_text("utf-8")


def test_status_of_nothing(cli: Cli, manager: Programs, unit: Path) -> None:
    ran = cli("service")
    assert ran.status == 1
    assert "hoshikage service install" in ran.out
    data = cli("service", "status", "--json").data
    assert (data["manager"], data["file"], data["installed"], data["state"]) == ("systemd", str(unit), False, "unknown")


def test_status_asks_the_address_that_the_service_told(cli: Cli, manager: Programs, server: Running) -> None:
    cli("service", "install")
    told = f"ActiveState=active\nUnitFileState=enabled\nStatusText=http://127.0.0.1:{server.port}"
    manager.say("systemctl", {SERVICE: (0, told)})
    ran = cli("service", "status", "--port", "1")
    assert ran.status == 0
    assert f"http://127.0.0.1:{server.port}" in ran.out
    assert "running" in ran.out
    data = cli("service", "status", "--json", "--port", "1").data
    assert (data["state"], data["starts_by_itself"], data["lingers"]) == ("running", True, False)
    assert data["server"]["version"]


def test_status_does_not_start_a_service_that_waits(cli: Cli, manager: Programs, server: Running) -> None:
    cli("service", "install", "--socket", "--port", str(server.port))
    inactive = "ActiveState=inactive\nUnitFileState=static\nStatusText="
    manager.say("systemctl", {SERVICE: (0, inactive), SOCKET: (0, "ActiveState=active\nUnitFileState=enabled")})
    ran = cli("service", "status", "--json")
    assert (ran.status, ran.data["state"]) == (0, "waiting")
    assert ran.data["server"]["version"] is None
