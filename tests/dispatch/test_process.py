"""Tests the runner process over its real pipes: what it says, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest

from hoshikage import wire
from hoshikage.dispatch.host import Exit
from hoshikage.dispatch.process import ProcessHost, passed_on
from hoshikage.params import LoadParams


class Ear:
    """Keeps what a host says."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[wire.Event] = asyncio.Queue()
        self.exits: asyncio.Queue[Exit] = asyncio.Queue()

    def host(self, library: Path) -> ProcessHost:
        return ProcessHost(library, logging.WARNING, self.events.put_nowait, self.exits.put_nowait)


async def test_a_runner_reports_its_library_then_its_model_and_stops_quietly(
    library_file: Path, demo_model: Path
) -> None:
    ear = Ear()
    host = ear.host(library_file)
    await host.start()
    ready = await ear.events.get()
    assert isinstance(ready, wire.Ready)
    assert ready.library.version == "v0.5.0"
    host.send(wire.Load(LoadParams(str(demo_model), n_ctx=256)))
    while not isinstance(event := await ear.events.get(), wire.Loaded):
        assert isinstance(event, wire.Loading)
    assert event.model.n_ctx == 256
    await host.stop()
    assert ear.exits.empty()
    with pytest.raises(ProcessLookupError):
        os.kill(host.pid, 0)


@pytest.mark.process
async def test_a_library_that_is_none_is_told_as_such(tmp_path: Path) -> None:
    nothing = tmp_path / "libllama.so"
    nothing.write_text("no library")
    ear = Ear()
    host = ear.host(nothing)
    await host.start()
    failed = await ear.events.get()
    assert isinstance(failed, wire.Failed)
    assert failed.error().code == "library_unavailable"
    await host.stop()


async def test_a_killed_runner_tells_its_signal(library_file: Path) -> None:
    ear = Ear()
    host = ear.host(library_file)
    await host.start()
    await ear.events.get()
    os.kill(host.pid, signal.SIGSEGV)
    assert (await ear.exits.get()).reason == "SIGSEGV"


async def test_garbage_on_the_pipe_ends_the_runner(library_file: Path) -> None:
    ear = Ear()
    host = ear.host(library_file)
    await host.start()
    await ear.events.get()
    host.pipe_data_received(1, b"\xff\xff\xff\xff")
    assert "bad frame" in (await ear.exits.get()).reason


def test_a_runner_gets_no_keys_and_passwords() -> None:
    given = {"PATH": "/bin", "HOME": "/h", "LD_LIBRARY_PATH": "/l", "CUDA_VISIBLE_DEVICES": "0", "GGML_X": "1"}
    secrets = {"OPENAI_API_KEY": "k", "AWS_SECRET_ACCESS_KEY": "k", "DATABASE_URL": "u", "SSH_AUTH_SOCK": "s"}
    assert passed_on({**given, **secrets}) == given
