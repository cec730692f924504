"""Tests MEMORY over a real server: kept after an answer, recalled before a later one, forgotten for good."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from hoshikage.registry import OwnOptions, Registry
from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ
from tests.media_library import media_library
from tests.media_samples import png, url
from tests.projector_files import LLAVA_TOKENS, write_llava
from tests.tiny_decoders import write_decoder

pytestmark = pytest.mark.memory
FACT: Final = "My cat is called Mikan and she is three years old."
PATIENCE_S: Final = 60


class Home:
    """This is a user's home with a server whose built-in model answers and makes the vectors."""

    def __init__(self, folder: Path, library: Path, model: Path, **settings: str) -> None:
        self.folder = folder
        register(folder, {LABEL: model})
        self.environ = home_environ(
            folder, library, N_CTX="1024", MEMORY="on", EMBEDDING_MODEL=LABEL, MEMORY_DISTANCE="2", **settings
        )
        self.server = LiveServer(self.environ)

    def say(self, words: str, **memory: Any) -> httpx.Response:
        body = {"model": LABEL, "max_tokens": 4, "messages": [{"role": "user", "content": words}], "memory": memory}
        answer = httpx.post(f"{self.server.url}/v1/chat/completions", json=body, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer

    def kept(self, count: int) -> list[dict[str, Any]]:
        """What is kept, once there is so much of it."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            listed = httpx.get(f"{self.server.url}/v1/memory", timeout=60).json()
            if listed["total"] >= count:
                return list(listed["data"])
        raise AssertionError(f"{listed}\n" + "\n".join(self.server.log))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hoshikage", "--port", str(self.server.port), "memory", *arguments]
        return subprocess.run(
            command, env={**os.environ, **self.environ}, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, library_file: Path, demo_model: Path) -> Iterator[Home]:
    made = Home(tmp_path_factory.mktemp("home"), library_file, demo_model)
    with made.server:
        yield made


def test_what_was_said_is_recalled_in_another_conversation_and_forgotten_when_asked(home: Home) -> None:
    plain = home.say(FACT, conversation="first")
    assert "X-Hoshikage-Recalled" not in plain.headers
    kept = home.kept(1)
    (fact,) = (one for one in kept if one["text"] == FACT)
    assert (fact["scope"], fact["conversation"], fact["role"]) == ("local", "first", "user")
    later = home.say("How old is my cat?", conversation="second", store=False)
    assert int(later.headers["X-Hoshikage-Recalled"]) >= 1
    alone = home.say("How old is my cat?", conversation="second", store=False, recall=False)
    assert "X-Hoshikage-Recalled" not in alone.headers
    tokens = [one.json()["usage"]["prompt_tokens"] for one in (later, alone)]
    assert tokens[0] > tokens[1] + 10
    own = home.say(FACT, conversation="first", store=False)
    assert "X-Hoshikage-Recalled" not in own.headers, "never the words of the conversation at hand"

    found = json.loads(home.run("search", "cat", "--json").stdout)["data"]
    assert FACT in [one["text"] for one in found]
    listed = home.run("list")
    assert fact["id"] in listed.stdout
    exported = home.folder / "memory.jsonl"
    assert home.run("export", str(exported)).returncode == 0
    assert FACT in [json.loads(line)["text"] for line in exported.read_text("utf-8").splitlines()]
    assert home.run("forget", fact["id"]).returncode == 0
    assert home.run("forget", fact["id"]).returncode == 1
    assert FACT not in [one["text"] for one in httpx.get(f"{home.server.url}/v1/memory", timeout=60).json()["data"]]
    raw = b"".join(one.read_bytes() for one in (home.folder / ".config/hoshikage/memory").rglob("*") if one.is_file())
    assert FACT.encode() not in raw


def test_of_a_message_with_a_picture_the_words_are_kept(tmp_path: Path, demo_model: Path) -> None:
    model = write_decoder(tmp_path / "star.gguf")
    projector = write_llava(tmp_path / "mmproj-star.gguf")
    home = Home(tmp_path / "home", media_library(), demo_model)
    registry = Registry(home.folder / ".config" / "hoshikage" / "model_map.json")
    registry.add("seeing", model, [], OwnOptions({"mmproj": str(projector)}))
    shown = {"type": "image_url", "image_url": {"url": url(png(8, 8, 40))}}

    def ask(conversation: str, *content: dict[str, Any]) -> httpx.Response:
        messages = [{"role": "user", "content": list(content)}]
        body = {"model": "seeing", "max_tokens": 4, "messages": messages, "memory": {"conversation": conversation}}
        answer = httpx.post(f"{home.server.url}/v1/chat/completions", json=body, timeout=120)
        assert (answer.status_code, answer.json().get("warnings")) == (200, None), answer.text
        return answer

    with home.server:
        ask("first", shown, {"type": "text", "text": FACT})
        (fact,) = (one for one in home.kept(1) if one["role"] == "user")
        assert fact["text"] == f"[image]\n{FACT}"
        later = ask("second", {"type": "text", "text": "How old is my cat?"}, shown)
        assert int(later.headers["X-Hoshikage-Recalled"]) >= 1
        assert later.json()["usage"]["prompt_tokens"] > LLAVA_TOKENS
        ask("third", shown)
        kept = json.dumps(home.kept(2), ensure_ascii=False)
    assert not re.search("base64|iVBOR|\ue002", kept)


def test_a_keeper_that_does_not_answer_costs_the_memory_and_not_the_answer(home: Home) -> None:
    home.say("Something to keep.", conversation="third")
    home.kept(1)
    children = Path(f"/proc/{home.server.process.pid}/task/{home.server.process.pid}/children").read_text().split()
    keepers = [int(pid) for pid in children if b"keeper" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(keepers) == 1
    os.kill(keepers[0], signal.SIGSTOP)
    began = time.monotonic()
    answer = home.say("And now?", store=False)
    took = time.monotonic() - began
    os.kill(keepers[0], signal.SIGKILL)
    assert [one["code"] for one in answer.json()["warnings"]] == ["memory_unavailable"]
    assert took < 10
    after = home.say("And now?", store=False)
    assert "warnings" not in after.json(), "the next one has a keeper of its own"


def test_a_second_server_on_the_folder_is_refused_with_words(home: Home) -> None:
    command = [sys.executable, "-m", "hoshikage", "--port", "0"]
    second = subprocess.run(
        command, env={**os.environ, **home.environ}, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 2
    assert "Another Hoshikage uses the memory folder" in second.stderr


def test_a_server_that_keeps_nothing_says_so(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    with LiveServer(home_environ(tmp_path, library_file)) as live:
        assert httpx.get(f"{live.url}/v1/memory", timeout=60).json()["error"]["param"] == "memory"
        body = {"model": LABEL, "messages": [{"role": "user", "content": "x"}], "memory": {"recall": True}}
        refused = httpx.post(f"{live.url}/v1/chat/completions", json=body, timeout=60)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "memory.recall")
        assert not (tmp_path / ".config/hoshikage/memory").exists()


def test_a_chroma_server_is_shared_and_its_end_is_no_error(
    tmp_path: Path, library_file: Path, demo_model: Path
) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(tmp_path / "chroma")]
    chroma = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                httpx.get(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=5)
                break
            except httpx.TransportError:
                continue
        home = Home(tmp_path, library_file, demo_model, CHROMA_URL=f"http://127.0.0.1:{port}")
        with home.server:
            home.say(FACT, conversation="first")
            home.kept(1)
            assert "X-Hoshikage-Recalled" in home.say("My cat?", conversation="second", store=False).headers
            cleared = home.run("clear")
            assert (cleared.returncode, "not known here" in cleared.stdout) == (0, True)
            chroma.kill()
            chroma.wait(30)
            answer = home.say("My cat?", conversation="second")
            assert [one["code"] for one in answer.json()["warnings"]] == ["memory_unavailable"]
    finally:
        chroma.kill()
        chroma.wait(30)
