"""Tests RPC_SERVERS with ggml's real RPC backend and server: the same answers, listed devices, words where it fails."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.registry import Registry
from hoshikage.settings import config_dir
from tests.end_to_end.live import LiveServer, home_environ
from tests.rpc.conftest import serving

pytestmark = pytest.mark.rpc
QUESTION: Final = "星影とは何ですか？"


def server_with(home: Path, library: Path, model: Path, servers: str = "") -> LiveServer:
    Registry(config_dir() / "model_map.json").add("tiny", model)
    return LiveServer(home_environ(home, library, RPC_SERVERS=servers, RAMDISK_PATH="off"))


def asked(server: LiveServer) -> tuple[int, Any]:
    body = {"messages": [{"role": "user", "content": QUESTION}], "temperature": 0, "model": "tiny", "max_tokens": 40}
    headers = {"Content-Type": "application/json", "Accept-Language": "en"}
    request = urllib.request.Request(f"{server.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def text(answer: tuple[int, Any]) -> str:
    assert answer[0] == 200, answer
    return str(answer[1]["choices"][0]["message"]["content"])


def status(server: LiveServer) -> Any:
    with urllib.request.urlopen(f"{server.url}/v1/status", timeout=20) as answer:
        return json.load(answer)


def test_the_answer_is_the_same_and_the_device_is_listed(
    home: Path, rpc_library: Path, demo_model: Path, unused_tcp_port: int
) -> None:
    with server_with(home, rpc_library, demo_model) as alone:
        expected = text(asked(alone))
        assert not any(one["name"].startswith("RPC") for one in status(alone)["library"]["devices"])
    where = f"127.0.0.1:{unused_tcp_port}"
    with (
        serving(rpc_library.parent, unused_tcp_port) as remote,
        server_with(home, rpc_library, demo_model, where) as server,
    ):
        assert text(asked(server)) == expected
        found = status(server)
        (device,) = (one for one in found["library"]["devices"] if one["name"].startswith("RPC"))
        assert (device["description"], device["kind"]) == (where, "gpu")
        assert found["model"]["n_gpu_layers"] > 0, "the layers are there, not here"
        remote.kill()
        remote.wait()
        code, said = asked(server)
        assert code >= 500
        assert said["error"]["code"] in ("model_crashed", "unavailable")
        with serving(rpc_library.parent, unused_tcp_port):
            assert text(asked(server)) == expected


def test_what_cannot_be_is_told(
    home: Path, rpc_library: Path, library_file: Path, demo_model: Path, unused_tcp_port: int
) -> None:
    where = f"127.0.0.1:{unused_tcp_port}"
    with server_with(home, rpc_library, demo_model, where) as server:
        code, said = asked(server)
        assert code == 503
        assert f"The RPC server {where} cannot be reached" in said["error"]["message"]
    with server_with(home, library_file, demo_model, where) as server:
        code, said = asked(server)
        assert code == 501
        assert "this library has no RPC backend" in said["error"]["message"]
