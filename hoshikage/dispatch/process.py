"""Hosts the engine thread in a runner process, over its pipes. Event loop only, on the main thread: Linux ends a
child when the thread that started it ends (`PR_SET_PDEATHSIG`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

from hoshikage import wire
from hoshikage.dispatch.host import Exit
from hoshikage.library import pip_folders
from hoshikage.runner.launch import command as launch_command

KEPT_LINES: Final = 40
STDIN, STDOUT, STDERR = 0, 1, 2


class _Straight(asyncio.Protocol):
    """Takes what a pipe brings at once, where a subprocess' transport would wait for another turn of the loop."""

    def __init__(self, before: asyncio.BaseProtocol, received: Callable[[bytes], None]) -> None:
        """`before` is the transport's own protocol, which is to know when the pipe ends."""
        self._before = before
        self._received = received

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._before.connection_lost(exc)


PASSED_ON: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|USERPROFILE|SYSTEMROOT|SYSTEMDRIVE|WINDIR|PATHEXT|COMSPEC|LOCALAPPDATA|APPDATA|PROGRAM\w*"
    r"|LANG|LC_\w+|TZ|TMP|TEMP|TMPDIR|DISPLAY|XDG_\w+|LD_LIBRARY_PATH|DYLD_\w+|PYTHON\w*|VIRTUAL_ENV|COVERAGE\w*"
    r"|(?:CUDA|NVIDIA|NV|HIP|HSA|ROC\w*|AMD|VK|VULKAN|MESA|GGML|LLAMA|OMP|KMP|GOMP|OPENBLAS|MKL|METAL|MTL|SYCL|ONEAPI|ZE"
    r"|MALLOC|HOSHIKAGE)_\w+",
    re.IGNORECASE,
)
"""A runner needs these variables: its own, the loader's, the drivers'. It loads a stranger's code and reads a
stranger's files, and gets nobody's keys and passwords."""


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns what a runner gets of the environment."""
    return {name: value for name, value in environ.items() if PASSED_ON.fullmatch(name)}


class ProcessHost(asyncio.SubprocessProtocol):
    """This is one runner process, from start to exit."""

    def __init__(
        self,
        library: Path,
        log_level: int,
        on_event: Callable[[wire.Event], None],
        on_exit: Callable[[Exit], None],
        layouts: Path | None = None,
    ) -> None:
        """`layouts` is the file with the library's calibrated layouts, where it has some."""
        self._library = library
        self._log_level = log_level
        self._layouts = layouts
        self._on_event = on_event
        self._on_exit = on_exit
        self._buffer = bytearray()
        self._log: deque[str] = deque(maxlen=KEPT_LINES)
        self._log_rest = b""
        self._killed_for: str | None = None
        self._stopping = False
        self._gone = asyncio.Event()
        self._process: asyncio.SubprocessTransport | None = None
        self._commands: asyncio.WriteTransport | None = None

    @property
    def pid(self) -> int:
        return self._process.get_pid() if self._process is not None else 0

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Returns command line and environment of the process."""
        args = [str(self._library), str(self._log_level)]
        arguments = launch_command("hoshikage.runner.main", *args, *([str(self._layouts)] if self._layouts else []))
        environ = passed_on(os.environ)
        if folders := pip_folders.searched(os.environ):
            environ[pip_folders.VARIABLE] = folders
        return arguments, environ

    async def start(self) -> None:
        arguments, environ = self.command()
        await asyncio.get_running_loop().subprocess_exec(lambda: self, *arguments, env=environ)

    def send(self, command: wire.Command) -> None:
        if self._commands is not None and not self._commands.is_closing():
            self._commands.write(wire.encode(command))

    def kill(self, reason: str) -> None:
        self._killed_for = reason
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> None:
        """Kills the process: it holds nothing that the system does not take back, and a polite end takes longer."""
        self._stopping = True
        if self._process is None:
            return
        self.kill("stop")
        await self._gone.wait()

    # asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast(asyncio.SubprocessTransport, transport)
        self._commands = cast(asyncio.WriteTransport, self._process.get_pipe_transport(STDIN))
        events = cast(asyncio.ReadTransport, self._process.get_pipe_transport(STDOUT))
        events.set_protocol(_Straight(events.get_protocol(), self._received))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == STDOUT:  # what came before `connection_made`
            self._received(data)
            return
        *lines, self._log_rest = (self._log_rest + data).split(b"\n")
        self._log.extend(line.decode("utf-8", "replace") for line in lines)
        self._log_rest = self._log_rest[-4096:]

    def _received(self, data: bytes) -> None:
        self._buffer += data
        try:
            for event in self._events():
                self._on_event(event)
        except wire.FrameError as error:
            self._buffer.clear()
            self.kill(f"bad frame: {error}")

    def process_exited(self) -> None:
        """The pipes may still hold events: the exit is told in `connection_lost`, after the last of them."""

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._process is not None:
            self._process.close()
        self._gone.set()
        if not self._stopping:
            self._on_exit(Exit(self._reason(), tuple(self._log)))

    def _events(self) -> list[wire.Event]:
        """Decodes what is whole in the buffer."""
        buffer, events, begin = self._buffer, [], 0
        while len(buffer) - begin >= wire.HEADER_BYTES:
            body = begin + wire.HEADER_BYTES
            end = body + wire.body_length(buffer[begin:body])
            if len(buffer) < end:
                break
            events.append(wire.decode_event(bytes(buffer[body:end])))
            begin = end
        del buffer[:begin]
        return events

    def _reason(self) -> str:
        if self._killed_for is not None:
            return self._killed_for
        code = self._process.get_returncode() if self._process is not None else None
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit status {code}"
