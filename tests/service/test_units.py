"""Tests the texts of the service files, read back by what will read them: systemd itself, plistlib, an XML parser."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hoshikage.errors import UsageError
from hoshikage.service import units
from hoshikage.service.units import MARKER, SERVICE, SOCKET, ServiceProgram

AWKWARD = "a b%h $HOME 星#;"
VALUES = (("A", "x y"), ("B", "q\"%h$HOME\\n星'#;"), ("C", "line\nnew\ttab"), ("D", ""), ("E", "a=b"))


def fields(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def verified(folder: Path, *names: str) -> tuple[int, str]:
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", *(str(folder / name) for name in names)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder), "SYSTEMD_LOG_LEVEL": "info"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def analyze() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.fail("systemd-analyze is missing; on Debian and Ubuntu: apt-get install systemd", pytrace=False)


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
@pytest.mark.usefixtures("analyze")
class TestBySystemd:
    @pytest.mark.process
    @pytest.mark.parametrize("on_demand", [False, True])
    @pytest.mark.parametrize("lock_privileges", [False, True])
    def test_the_units_pass(
        self, on_demand: bool, lock_privileges: bool, program: ServiceProgram, tmp_path: Path
    ) -> None:
        unit = units.systemd_service(program, on_demand=on_demand, lock_privileges=lock_privileges)
        (tmp_path / SERVICE).write_text(unit, encoding="utf-8")
        names = [SERVICE]
        if on_demand:
            (tmp_path / SOCKET).write_text(units.systemd_socket("127.0.0.1:3030"), encoding="utf-8")
            names.append(SOCKET)
        assert verified(tmp_path, *names) == (0, "")

    @pytest.mark.process
    def test_awkward_paths_and_values_pass(self, tmp_path: Path) -> None:
        folder = tmp_path / AWKWARD
        folder.mkdir()
        (folder / "python").symlink_to(sys.executable)
        program = ServiceProgram(folder / "python", folder, VALUES)
        unit = units.systemd_service(program, on_demand=False, lock_privileges=True)
        (tmp_path / SERVICE).write_text(unit, encoding="utf-8")
        assert verified(tmp_path, SERVICE) == (0, "")

    @pytest.mark.process
    def test_a_fault_would_be_seen(self, program: ServiceProgram, tmp_path: Path) -> None:
        unit = units.systemd_service(program, on_demand=False, lock_privileges=True)
        (tmp_path / SERVICE).write_text(unit.replace("WatchdogSec=", "WatchdogSecs="), encoding="utf-8")
        _, words = verified(tmp_path, SERVICE)
        assert "WatchdogSecs" in words


def test_the_service_says_what_it_promises(program: ServiceProgram) -> None:
    unit = units.systemd_service(program, on_demand=False, lock_privileges=True)
    found = fields(unit)
    assert unit.startswith(f"# {MARKER}")
    assert found["Type"] == ["notify"]
    assert found["ExecStart"] == [f"{program.interpreter} -m hoshikage serve"]
    assert found["Environment"] == ["PORT=3977", "HOSHIKAGE_LANG=ja"]
    assert found["Restart"] == ["on-failure"]
    assert found["WatchdogSec"] == ["30"]
    assert found["OOMPolicy"] == ["continue"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert found["WantedBy"] == ["default.target"]
    assert "LD_LIBRARY_PATH" not in unit
    assert "MemoryDenyWriteExecute" not in unit  # CUDA compiles kernels, ctypes makes callbacks


def test_where_cuda_needs_a_setuid_program_nothing_takes_its_rights(program: ServiceProgram) -> None:
    found = fields(units.systemd_service(program, on_demand=False, lock_privileges=False))
    implying = {"NoNewPrivileges", "LockPersonality", "SystemCallArchitectures", "SystemCallFilter"}
    assert [name for name in found if name in implying or name.startswith("Restrict")] == []


def test_a_service_on_demand_is_started_by_its_socket_alone(program: ServiceProgram) -> None:
    found = fields(units.systemd_service(program, on_demand=True, lock_privileges=True))
    assert found["Requires"] == [SOCKET]
    assert "WantedBy" not in found
    socket = fields(units.systemd_socket("127.0.0.1:3030"))
    assert (socket["ListenStream"], socket["WantedBy"]) == (["127.0.0.1:3030"], ["sockets.target"])


def test_quoting() -> None:
    program = ServiceProgram(Path(f"/opt/{AWKWARD}/python"), Path(f"/opt/{AWKWARD}"), VALUES)
    found = fields(units.systemd_service(program, on_demand=False, lock_privileges=True))
    assert found["ExecStart"] == ['":/opt/a b%%h $HOME 星#;/python" -m hoshikage serve']
    assert found["WorkingDirectory"] == ["/opt/a b%%h $HOME 星#;"]
    assert found["Environment"] == [
        '"A=x y"',
        r'''"B=q\"%%h$HOME\\n星'#;"''',
        r'"C=line\x0anew\x09tab"',
        "D=",
        "E=a=b",
    ]


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1:3030"), ("localhost", "127.0.0.1:3030"), ("::1", "[::1]:3030"), ("[::1]", "[::1]:3030")],
)
def test_addresses_to_listen_on(host: str, address: str) -> None:
    assert units.listen_address(host, 3030) == address


@pytest.mark.parametrize(
    ("host", "port", "key"), [("example.org", 3030, "service.address_needed"), ("127.0.0.1", 0, "service.port_needed")]
)
def test_addresses_that_a_socket_unit_cannot_take(host: str, port: int, key: str) -> None:
    with pytest.raises(UsageError) as refused:
        units.listen_address(host, port)
    assert refused.value.key == key


def test_the_agent_is_a_property_list(home: Path) -> None:
    program = ServiceProgram(Path(f"/Users/{AWKWARD}/python"), home, (("PORT", "1"), ("HOSHIKAGE_LANG", "ja")))
    written = units.launchd_agent(program, home / "hoshikage.log")
    agent = plistlib.loads(written)
    assert MARKER.encode() in written
    assert agent["ProgramArguments"] == [f"/Users/{AWKWARD}/python", "-m", "hoshikage", "serve"]
    assert agent["EnvironmentVariables"] == {"PORT": "1", "HOSHIKAGE_LANG": "ja"}
    assert (agent["RunAtLoad"], agent["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert agent["StandardErrorPath"] == str(home / "hoshikage.log")


def test_the_task_is_xml_that_starts_at_logon() -> None:
    program = ServiceProgram(Path("C:/Program Files/Python/python.exe"), Path("C:/Users/星 & 影"), ())
    written = units.scheduled_task(program, "PC\\星")
    assert written.startswith(b"\xff\xfe")
    task = ElementTree.fromstring(written)
    names = {"t": units.TASK_SPACE}

    def text(path: str) -> str | None:
        return task.findtext("/".join(f"t:{part}" for part in path.split("/")), namespaces=names)

    assert MARKER in (text("RegistrationInfo/Description") or "")
    assert text("Triggers/LogonTrigger/UserId") == "PC\\星"
    assert text("Principals/Principal/LogonType") == "InteractiveToken"
    assert text("Settings/ExecutionTimeLimit") == "PT0S"
    assert text("Settings/RestartOnFailure/Count") == "10"
    assert text("Actions/Exec/Command") == str(program.interpreter)
    assert text("Actions/Exec/Arguments") == "-m hoshikage serve"
    assert text("Actions/Exec/WorkingDirectory") == str(program.folder)
