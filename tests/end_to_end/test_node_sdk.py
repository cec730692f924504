"""Tests OpenAI's Node SDK, as npm has it, against a real server: what programs of that world see."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import ROOT
from tests.end_to_end.conftest import LABEL
from tests.end_to_end.live import LiveServer

SDK: Final = "openai@7.55.0"
CACHE: Final = ROOT / ".cache" / "node-sdk"
SCRIPT: Final = Path(__file__).with_name("node_sdk.mjs")
INSTALL_S: Final = 180
RUN_S: Final = 120


@pytest.fixture(scope="module")
def sdk() -> Path:
    """Returns the folder with the SDK of that version; npm brings it where it is not there yet."""
    folder = CACHE / SDK.replace("@", "-")
    if not folder.is_dir():
        npm = shutil.which("npm")
        assert npm is not None, "npm is not there"
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as made:
            bare = Path(made) / "sdk"
            bare.mkdir()
            (bare / "package.json").write_text('{"private": true}', "utf-8")
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", SDK]
            subprocess.run(command, cwd=bare, check=True, capture_output=True, timeout=INSTALL_S)
            bare.rename(folder)  # whole, or not there
    return folder


@pytest.fixture(scope="module")
def got(sdk: Path, server: LiveServer) -> dict[str, Any]:
    """Returns what the script saw."""
    node = shutil.which("node")
    assert node is not None, "node is not there"
    command = [node, str(SCRIPT), str(sdk), f"{server.url}/v1", LABEL, LABEL]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_a_chat_is_the_same_whole_and_streamed(got: dict[str, Any]) -> None:
    whole, stream = got["chat"], got["stream"]
    assert whole["text"]
    assert stream["text"] == whole["text"]
    assert stream["usage"] == whole["usage"]
    assert stream["chunks"] > 2
    assert whole["id"].startswith("req_")


def test_a_call_is_forced(got: dict[str, Any]) -> None:
    tools, streamed = got["tools"], got["streamed_tools"]
    assert tools["reason"] == "tool_calls"
    assert tools["call"]["name"] == "weather"
    _check(json.loads(tools["call"]["arguments"]))
    assert streamed["names"] == ["weather"]
    assert streamed["call"]["arguments"] == tools["call"]["arguments"]


def test_an_answer_is_held_to_a_schema(got: dict[str, Any]) -> None:
    _check(got["parsed"])


def test_a_response_and_its_events(got: dict[str, Any]) -> None:
    assert got["responses"]["text"]
    events = got["response_events"]
    assert events[:2] == ["response.created", "response.in_progress"]
    assert "response.output_text.delta" in events
    assert events[-1] in ("response.completed", "response.incomplete")


def test_embeddings(got: dict[str, Any]) -> None:
    assert len(got["embeddings"]) == 2
    for one in got["embeddings"]:
        assert one["length"] > 1
        assert one["norm"] == pytest.approx(1, abs=1e-3)
        assert one["apart"] < 1e-6


def test_models_are_listed(got: dict[str, Any]) -> None:
    assert LABEL in got["models"]


def test_errors_have_their_classes(got: dict[str, Any]) -> None:
    unknown, bound, streamed = got["errors"]
    for error in (unknown, streamed):
        assert (error["kind"], error["status"], error["code"]) == ("NotFoundError", 404, "model_not_found")
    assert (bound["kind"], bound["status"], bound["param"]) == ("BadRequestError", 400, "temperature")
    assert all(error["id"].startswith("req_") for error in got["errors"])


def test_a_stream_that_is_left_ends(got: dict[str, Any]) -> None:
    assert got["left"] >= 1


def _check(place: dict[str, Any]) -> None:
    assert place["city"] in ("東京", "大阪")
    assert 1 <= place["days"] <= 9
