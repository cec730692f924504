"""Tests the three managers: which files they write and remove, which commands they run, and what they leave alone."""

from __future__ import annotations

import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hoshikage.errors import InstallFailed, UsageError
from hoshikage.service.launchd import Agent
from hoshikage.service.manager import Report, require_start
from hoshikage.service.schtasks import Task
from hoshikage.service.systemd import UserUnits, lingers, makes_gpu_files
from hoshikage.service.units import MARKER, SERVICE, SOCKET, ServiceProgram
from tests.service.conftest import POSIX, Programs

pytestmark = [POSIX, pytest.mark.process]
ADDRESS = "127.0.0.1:3977"
NO_BUS = "Failed to connect to bus: No medium found"
START = [
    "systemctl --user daemon-reload",
    "systemctl --user enable hoshikage.service",
    "systemctl --user restart hoshikage.service",
]


@pytest.fixture
def units(home: Path, programs: Programs) -> UserUnits:
    programs.say("systemctl")
    return UserUnits(programs.environ)


def test_install_writes_enables_and_starts(
    units: UserUnits, program: ServiceProgram, programs: Programs, home: Path
) -> None:
    report = units.install(program, listen="", force=False)
    assert report.files == (home / ".config" / "systemd" / "user" / SERVICE,)
    assert MARKER in units.service.read_text("utf-8")
    assert list(report.ran) == START
    assert programs.called == ["systemctl --user show-environment", *START]
    assert (report.left, report.reason) == ((), "")


def test_without_a_manager_the_commands_are_left(home: Path, program: ServiceProgram, programs: Programs) -> None:
    programs.say("systemctl", {"": (1, NO_BUS)})
    report = UserUnits(programs.environ).install(program, listen="", force=False)
    assert list(report.left) == START
    assert (report.ran, report.reason) == ((), NO_BUS)
    assert report.files[0].exists()


def test_without_systemctl_the_commands_are_left(home: Path, program: ServiceProgram, programs: Programs) -> None:
    report = UserUnits(programs.environ).install(program, listen="", force=False)
    assert (list(report.left), report.reason) == (START, "systemctl: not found")


def test_a_start_that_fails_says_why(home: Path, program: ServiceProgram, programs: Programs) -> None:
    programs.say("systemctl", {"restart": (1, "Job for hoshikage.service failed.")})
    with pytest.raises(InstallFailed) as failed:
        UserUnits(programs.environ).install(program, listen="", force=False)
    assert failed.value.details == {
        "command": "systemctl --user restart hoshikage.service",
        "reason": "Job for hoshikage.service failed.",
    }


def test_a_socket_comes_and_goes(units: UserUnits, program: ServiceProgram, programs: Programs) -> None:
    report = units.install(program, listen=ADDRESS, force=False)
    assert report.files == (units.service, units.socket)
    assert f"ListenStream={ADDRESS}\n" in units.socket.read_text("utf-8")
    assert report.ran[-2:] == ("systemctl --user enable hoshikage.socket", "systemctl --user restart hoshikage.socket")
    again = units.install(program, listen="", force=False)
    assert list(again.ran) == ["systemctl --user disable --now hoshikage.socket", *START]
    assert not units.socket.exists()
    assert "Requires" not in units.service.read_text("utf-8")


@pytest.mark.parametrize("name", [SERVICE, SOCKET])
def test_a_unit_of_somebody_else_is_left_alone(
    name: str, units: UserUnits, program: ServiceProgram, programs: Programs
) -> None:
    theirs = units.service.with_name(name)
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Service]\nExecStart=/opt/rust/hoshikage\n")
    attempts: tuple[Callable[[], Report], ...] = (
        lambda: units.install(program, listen=ADDRESS, force=False),
        lambda: units.uninstall(force=False),
    )
    for attempt in attempts:
        with pytest.raises(UsageError) as refused:
            attempt()
        assert (refused.value.key, refused.value.details) == ("service.not_ours", {"file": str(theirs)})
    assert theirs.read_text() == "[Service]\nExecStart=/opt/rust/hoshikage\n"
    assert [file.name for file in theirs.parent.iterdir()] == [name]
    assert programs.called == []
    units.install(program, listen=ADDRESS, force=True)
    assert MARKER in theirs.read_text("utf-8")


def test_a_masked_unit_is_somebodys(units: UserUnits, program: ServiceProgram) -> None:
    units.service.parent.mkdir(parents=True)
    units.service.symlink_to("/dev/null")
    with pytest.raises(UsageError):
        units.install(program, listen="", force=False)
    units.install(program, listen="", force=True)
    assert not units.service.is_symlink()
    assert units.service.stat().st_mode & 0o022 == 0


def test_uninstall_stops_and_removes(units: UserUnits, program: ServiceProgram, programs: Programs) -> None:
    units.install(program, listen=ADDRESS, force=False)
    programs.forget()
    report = units.uninstall(force=False)
    assert report.files == (units.socket, units.service)
    assert programs.called[1:] == list(report.ran)
    assert list(report.ran) == [
        "systemctl --user disable --now hoshikage.socket",
        "systemctl --user disable --now hoshikage.service",
        "systemctl --user daemon-reload",
    ]
    assert list(units.service.parent.iterdir()) == []
    assert units.uninstall(force=False).files == ()


def test_uninstall_without_a_manager_removes_the_links_too(
    units: UserUnits, program: ServiceProgram, programs: Programs
) -> None:
    units.install(program, listen="", force=False)
    link = units.service.parent / "default.target.wants" / SERVICE
    link.parent.mkdir()
    link.symlink_to(units.service)
    programs.say("systemctl", {"": (1, NO_BUS)})
    report = units.uninstall(force=False)
    assert not link.is_symlink()
    assert (report.left, report.reason) == (("systemctl --user daemon-reload",), NO_BUS)


@pytest.mark.parametrize(
    ("service", "socket", "state"),
    [
        ("active", "inactive", "running"),
        ("activating", "inactive", "starting"),
        ("failed", "inactive", "failed"),
        ("inactive", "inactive", "stopped"),
        ("inactive", "active", "waiting"),
        ("active", "active", "running"),
    ],
)
def test_states(
    service: str, socket: str, state: str, units: UserUnits, program: ServiceProgram, programs: Programs
) -> None:
    units.install(program, listen="", force=False)
    programs.say(
        "systemctl",
        {
            SERVICE: (0, f"ActiveState={service}\nUnitFileState=enabled\nStatusText=http://127.0.0.1:3977"),
            SOCKET: (0, f"ActiveState={socket}\nUnitFileState=disabled\nStatusText="),
        },
    )
    status = units.status()
    assert (status.state, status.at_login, status.ours) == (state, True, True)
    assert status.url == ("http://127.0.0.1:3977" if state == "running" else "")


def test_the_state_is_unknown_without_a_manager(units: UserUnits, program: ServiceProgram, programs: Programs) -> None:
    assert not units.status().installed
    units.install(program, listen="", force=False)
    programs.say("systemctl", {"": (1, NO_BUS)})
    status = units.status()
    assert (status.installed, status.state, status.reason) == (True, "unknown", NO_BUS)


def test_nvidia_modprobe_counts_where_it_is_setuid(
    units: UserUnits, program: ServiceProgram, programs: Programs
) -> None:
    assert not makes_gpu_files(programs.environ)
    programs.say("nvidia-modprobe")
    assert not makes_gpu_files(programs.environ)
    units.install(program, listen="", force=False)
    assert "NoNewPrivileges=yes" in units.service.read_text("utf-8")
    (programs.folder / "nvidia-modprobe").chmod(0o4755)
    assert makes_gpu_files(programs.environ)
    units.install(program, listen="", force=False)
    assert "NoNewPrivileges=yes" not in units.service.read_text("utf-8")


def test_nobody_does_not_linger() -> None:
    assert not lingers("")
    assert not lingers("no-such-user-of-this-machine")


def test_a_server_that_cannot_start_from_there_is_no_service(home: Path, programs: Programs) -> None:
    programs.say("python", {"": (1, "Traceback\nNo module named hoshikage")})
    broken = ServiceProgram(programs.folder / "python", home / "new", ())
    with pytest.raises(InstallFailed) as failed:
        require_start(broken, programs.environ)
    assert failed.value.details["reason"] == "No module named hoshikage"
    assert broken.folder.is_dir()
    missing = ServiceProgram(programs.folder / "none", home, ())
    with pytest.raises(InstallFailed):
        require_start(missing, programs.environ)


def test_the_agent_is_loaded_and_left(home: Path, program: ServiceProgram, programs: Programs) -> None:
    programs.say("launchctl")
    agent = Agent(programs.environ)
    report = agent.install(program, listen="", force=False)
    assert agent.file == home / "Library" / "LaunchAgents" / "io.github.tanep3.hoshikage.plist"
    assert plistlib.loads(agent.file.read_bytes())["EnvironmentVariables"]["PORT"] == "3977"
    assert [command.split()[1] for command in report.ran] == ["bootout", "enable", "bootstrap"]
    programs.say("launchctl", {"/io.github": (0, "{\n\tstate = running\n}")})
    assert agent.status().state == "running"
    assert [command.split()[1] for command in agent.uninstall(force=False).ran] == ["bootout"]
    assert not agent.file.exists()


def test_an_agent_without_a_session_is_left_to_the_person(
    home: Path, program: ServiceProgram, programs: Programs
) -> None:
    programs.say("launchctl", {"print": (1, "Could not find domain")})
    agent = Agent(programs.environ)
    report = agent.install(program, listen="", force=False)
    assert [command.split()[1] for command in report.left] == ["enable", "bootstrap"]
    assert (agent.status().state, agent.status().at_login) == ("stopped", True)


def test_an_agent_of_somebody_else_is_left_alone(home: Path, program: ServiceProgram, programs: Programs) -> None:
    agent = Agent(programs.environ)
    agent.file.parent.mkdir(parents=True)
    agent.file.write_bytes(plistlib.dumps({"Label": "theirs"}))
    with pytest.raises(UsageError):
        agent.install(program, listen="", force=False)
    with pytest.raises(UsageError):
        agent.uninstall(force=False)
    assert plistlib.loads(agent.file.read_bytes()) == {"Label": "theirs"}


def test_the_task_is_created_and_deleted(home: Path, programs: Programs) -> None:
    programs.say("schtasks", {"/XML": (0, "")})
    environ = {**programs.environ, "USERDOMAIN": "PC", "USERNAME": "tane"}
    task = Task(environ, home)
    program = ServiceProgram(Path("python.exe"), home, (("PORT", "3977"), ("N_CTX", "8192")))
    programs.say("schtasks", {"/Query /TN Hoshikage": (1, "ERROR: The system cannot find the file specified.")})
    report = task.install(program, listen="", force=False)
    assert report.lost == ("N_CTX",)
    written = task.file.read_text("utf-16")
    assert "<Arguments>-m hoshikage serve --port 3977</Arguments>" in written
    assert "PC\\tane" in written
    assert [command.split()[1] for command in report.ran] == ["/Create", "/Run"]
    assert not task.status().installed
    programs.say("schtasks", {"/Query /TN Hoshikage /XML": (0, written), "/V": (0, '"Hoshikage","267009"')})
    assert task.status().state == "running"
    assert [command.split()[1] for command in task.uninstall(force=False).ran] == ["/Delete"]
    assert not task.file.exists()


def test_a_task_of_somebody_else_is_left_alone(home: Path, program: ServiceProgram, programs: Programs) -> None:
    programs.say("schtasks", {"/XML": (0, "<Task/>")})
    task = Task(programs.environ, home)
    attempts: tuple[Callable[[], Report], ...] = (
        lambda: task.install(program, listen="", force=False),
        lambda: task.uninstall(force=False),
    )
    for attempt in attempts:
        with pytest.raises(UsageError) as refused:
            attempt()
        assert refused.value.key == "service.not_ours"
    assert not task.file.exists()
    assert not any("/Create" in command or "/Delete" in command for command in programs.called)


@pytest.mark.parametrize("kind", [Agent, Task])
def test_sockets_are_systemds(
    kind: type[Agent] | type[Task], home: Path, program: ServiceProgram, programs: Programs
) -> None:
    manager = Agent(programs.environ) if kind is Agent else Task(programs.environ, home)
    with pytest.raises(UsageError) as refused:
        manager.install(program, listen=ADDRESS, force=False)
    assert refused.value.key == "service.socket_is_systemd"
    assert not manager.file.exists()
