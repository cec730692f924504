"""Tests pull, list --remote and /api/pull as people and Ollama's clients use them, against a hub on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from hoshikage.access.local_admin import prepare
from hoshikage.registry import Registry
from hoshikage.settings import config_dir
from tests.cli.conftest import Cli, running_server
from tests.gguf_files import Gguf
from tests.hub import imitation
from tests.hub.imitation import REPO, Hub, Page
from tests.media_samples import projector

BIG: Final = replace(Gguf(), data=bytes(448) + bytes(400_000))
SLOW_S: Final = 30


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    content = Gguf().content()
    files = {"s-Q4_K_M.gguf": content, "s-Q8_0.gguf": content + bytes(32), "mmproj-s-f16.gguf": projector().content()}
    files["s-draft-Q4_0.gguf"] = Gguf().without("general.name").content()
    with imitation.running(files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.mark.process
def test_what_would_come_and_what_came(cli: Cli, hub: Hub, registry: Registry) -> None:
    plan = cli("pull", f"{REPO}:Q4_K_M", "--dry-run", "--json").data
    assert plan["files"][0]["path"] == "s-Q4_K_M.gguf"
    assert (plan["label"], plan["quant"], registry.specs()) == ("star", "Q4_K_M", ())
    ran = cli("pull", f"{REPO}:Q4_K_M", "mine")
    assert ran.status == 0
    assert "Registered: mine → " in ran.out
    assert "mmproj-s-f16.gguf" in ran.out
    (spec,) = registry.specs()
    assert (spec.label, spec.file.name) == ("mine", "s-Q4_K_M.gguf")
    assert spec.options.draft is not None
    assert Path(spec.options.draft).name == "s-draft-Q4_0.gguf"
    assert spec.options.mmproj == str(spec.file.parent / "mmproj-s-f16.gguf")
    assert Path(spec.options.mmproj).read_bytes() == projector().content()


@pytest.mark.process
def test_what_is_here_is_not_fetched_again_not_even_offline(
    cli: Cli, hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("pull", REPO, "one").status == 0
    hub.asked.clear()
    assert cli("pull", REPO, "two").status == 0
    assert hub.ranges() == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.asked.clear()
    assert cli("pull", REPO, "three").status == 0
    ran = cli("pull", "org/Other-GGUF")
    assert (ran.status, hub.asked) == (2, [])
    assert "is not in the cache here" in ran.err
    assert [spec.label for spec in registry.specs()] == ["one", "two", "three"]


def test_what_a_repository_has(cli: Cli, hub: Hub) -> None:
    told = cli("list", "--remote", REPO, "--json").data
    assert [(one["quant"], one["usual"], one["fits"]) for one in told["variants"]] == [
        ("Q4_K_M", True, True),
        ("Q8_0", False, True),
    ]
    assert [one["path"] for one in told["projectors"]] == ["mmproj-s-f16.gguf"]
    shown = cli("list", "--remote", REPO).out
    assert "what pull takes" in shown
    assert "for pictures: mmproj-s-f16.gguf" in shown
    assert hub.ranges() == []


def test_without_the_hubs_client_it_says_what_to_install(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    ran = cli("pull", REPO)
    assert ran.status == 2
    assert "pip install 'hoshikage[pull]'" in ran.err


class Halfway:
    """This fault gives half of a file, and more only when the test lets it go on, and then the connection is cut."""

    def __init__(self, more: int = 0) -> None:
        """`more` bytes come before the cut."""
        self.came, self.go_on = threading.Event(), threading.Event()
        self._more = more

    def __call__(self, page: Page, content: bytes) -> None:
        page.send_response(200)
        page.send_header("Content-Length", str(len(content)))
        page.end_headers()
        page.wfile.write(content[: len(content) // 2])
        page.wfile.flush()
        self.came.set()
        self.go_on.wait(SLOW_S)
        page.wfile.write(content[len(content) // 2 :][: self._more])
        page.hang_up()


def sizes(home: Path) -> list[int]:
    """Lists the sizes of what has been downloaded so far; folders beside it come and go."""
    try:
        return [part.stat().st_size for part in home.rglob("*.part")]
    except OSError:
        return []


@pytest.mark.process
def test_a_killed_download_goes_on(cli: Cli, hub: Hub, registry: Registry) -> None:
    content = BIG.content()
    hub.files = {"s-Q4_K_M.gguf": content}
    half = Halfway()
    hub.faults = [half]
    command = [sys.executable, "-m", "hoshikage", "pull", REPO]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert half.came.wait(SLOW_S)
        home = Path(os.environ["HOME"])
        while not any(sizes(home)):
            assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        half.go_on.set()
    assert registry.specs() == ()
    (had,) = sizes(home)
    assert 0 < had <= len(content) // 2
    assert cli("pull", REPO).status == 0
    assert hub.ranges() == ["", f"bytes={had}-"]
    assert registry.specs()[0].file.read_bytes() == content


@pytest.mark.process
def test_another_process_has_it(cli: Cli, hub: Hub, registry: Registry, home: Path) -> None:
    from filelock import FileLock

    hub.files = {"s-Q4_K_M.gguf": Gguf().content()}
    assert cli("pull", REPO).status == 0
    blob = registry.specs()[0].file.resolve()
    registry.remove("star")
    registry_file = next(home.rglob("s-Q4_K_M.gguf"))
    registry_file.unlink()
    blob.unlink()
    with FileLock(blob.with_name(blob.name + ".part.lock")):
        ran = cli("pull", REPO)
    assert ran.status == 1
    assert "by another process" in ran.err
    assert registry.specs() == ()


class TestOllama:
    """These test POST /api/pull."""

    def asked(self, work: Path, registry: Registry, body: dict[str, Any], *, token: bool = True) -> tuple[int, str]:
        prepare(config_dir() / "admin.token")

        async def ask(port: int) -> tuple[int, str]:
            word = (config_dir() / "admin.token").read_text().strip()
            headers = {"Authorization": f"Bearer {word}"} if token else {}
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"http://127.0.0.1:{port}/api/pull", json=body, headers=headers) as answer,
            ):
                return answer.status, await answer.text()

        with running_server(work, registry, REQUIRE_TOKEN="auto") as running:
            return asyncio.run(ask(running.port))

    def test_the_lines_of_a_pull(self, work: Path, hub: Hub, registry: Registry) -> None:
        status, said = self.asked(work, registry, {"model": f"hf.co/{REPO}:Q4_K_M"})
        lines = [json.loads(line) for line in said.splitlines()]
        assert status == 200
        assert lines[0] == {"status": "pulling manifest"}
        assert [line["status"] for line in lines[-2:]] == ["writing manifest", "success"]
        model = f"sha256:{hub.sum('s-Q4_K_M.gguf')}"
        assert any(line.get("digest") == model and line["total"] == line["completed"] for line in lines)
        assert {"status": "verifying sha256 digest"} in lines
        assert registry.resolve(f"hf.co/{REPO}:Q4_K_M").file.name == "s-Q4_K_M.gguf"

    def test_only_the_end_without_a_stream(self, work: Path, hub: Hub, registry: Registry) -> None:
        status, said = self.asked(work, registry, {"name": f"hf.co/{REPO}", "stream": False})
        assert (status, json.loads(said)) == (200, {"status": "success"})

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            ({"model": "qwen3:8b"}, 400, "Ollama"),
            ({"model": "hf.co/org/Other-GGUF"}, 404, "org/Other-GGUF"),
            ({}, 400, "model"),
        ],
    )
    def test_what_cannot_be(
        self, work: Path, hub: Hub, registry: Registry, body: dict[str, Any], status: int, words: str
    ) -> None:
        if "hf.co" in str(body):
            hub.api = imitation.status(404, X_Error_Code="RepoNotFound")
        found, said = self.asked(work, registry, body)
        assert found == status
        assert words in json.loads(said)["error"]

    def test_a_failure_on_the_way_is_a_line(self, work: Path, hub: Hub, registry: Registry) -> None:
        hub.faults = [imitation.status(404)]
        status, said = self.asked(work, registry, {"model": f"hf.co/{REPO}"})
        assert status == 200
        assert list(json.loads(said.splitlines()[-1])) == ["error"]
        assert registry.specs() == ()

    def test_nobody_else_may(self, work: Path, hub: Hub, registry: Registry) -> None:
        assert self.asked(work, registry, {"model": f"hf.co/{REPO}"}, token=False)[0] == 401
        assert hub.asked == []

    def test_a_client_that_leaves_ends_it_and_what_came_is_kept(self, work: Path, hub: Hub, registry: Registry) -> None:
        content = BIG.content()
        hub.files = {"s-Q4_K_M.gguf": content}
        half = Halfway(more=1000)

        async def leave(port: int) -> None:
            headers = {"Authorization": f"Bearer {(config_dir() / 'admin.token').read_text().strip()}"}
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"http://127.0.0.1:{port}/api/pull", json={"model": REPO}, headers=headers) as answer,
            ):
                assert await answer.content.readline() == b'{"status":"pulling manifest"}\n'
                await asyncio.to_thread(half.came.wait, SLOW_S)

        prepare(config_dir() / "admin.token")
        hub.faults = [half]
        with running_server(work, registry) as running:
            asyncio.run(leave(running.port))
            half.go_on.set()
            while threads := [one for one in threading.enumerate() if one.name == "pull"]:
                threads[0].join(SLOW_S)
        assert registry.specs() == ()
        assert self.asked(work, registry, {"model": REPO})[0] == 200
        assert hub.ranges()[-1].startswith("bytes=")
        assert registry.resolve(REPO).file.read_bytes() == content
