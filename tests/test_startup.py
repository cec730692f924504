"""Tests what the server has imported when it first answers /health: start and idle memory are the imports' doing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.registry import Registry

pytestmark = pytest.mark.process

PROGRAM: Final = """
import gc, json, os, signal, sys
gc.disable()  # as `__main__` has it
from hoshikage.cli import serve
from hoshikage.cli.main import main

def look(_context):
    looked = collections() - before
    modules = dict(sys.modules)
    own = [vars(module) for name, module in modules.items() if name.startswith("hoshikage.")]
    classes = {f"{one.__module__}.{one.__name__}" for names in own for one in names.values() if compiled(one)}
    told.append([sorted(modules), sorted(one for one in classes if one.startswith("hoshikage.")), looked])
    os.kill(os.getpid(), signal.SIGTERM)

def compiled(one):
    return isinstance(one, type) and "__dataclass_params__" in vars(one)

def collections():
    return sum(one["collections"] for one in gc.get_stats())

told, before = [], collections()
serve._ready = look
main(["--port", "0"])
print(json.dumps(told[0]))
"""
LATER: Final = {
    # of others
    "numpy", "jinja2", "rich", "llguidance", "dotenv", "pynvml", "sqlite3", "tarfile",
    "xml", "curses", "unittest", "chromadb", "sklearn", "sentencex", "aiohttp.client", "aiohttp.connector",
    "ssl", "_ssl", "_hashlib", "http.client", "urllib.request",
    # our own
    "hoshikage._ffi", "hoshikage.llama", "hoshikage.engine", "hoshikage.runner.main", "hoshikage.tools",
    "hoshikage.keeper", "hoshikage.memory", "hoshikage.answer.remembering",
    "hoshikage.library.selection", "hoshikage.answer.schema", "hoshikage.answer.prepared", "hoshikage.answer.shapes",
    "hoshikage.gguf.reader", "hoshikage.gguf.parts", "hoshikage.gguf.memory", "hoshikage.dispatch.process",
    "hoshikage.protocols.openai.chat", "hoshikage.protocols.openai.completions",
    "hoshikage.protocols.openai.responses", "hoshikage.protocols.openai.embeddings",
    "hoshikage.protocols.anthropic.handlers", "hoshikage.protocols.ollama.handlers",
    "hoshikage.protocols.llama_server.handlers", "hoshikage.protocols.hoshikage.admin",
    "hoshikage.protocols.hoshikage.openapi", "hoshikage.protocols.hoshikage.reference",
    "hoshikage.cli.add", "hoshikage.cli.list", "hoshikage.cli.table", "hoshikage.cli.client",
}  # fmt: skip
"""Nothing of these is needed to say that the server is healthy, and each costs milliseconds or memory."""


def printed(program: str, home: object, *arguments: str, **variables: str) -> Any:
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **variables}
    command = [sys.executable, "-c", program, *arguments]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(ran.stdout)


def test_only_what_is_needed_to_answer_health_is_imported(tmp_path: object) -> None:
    loaded, classes, collections = printed(PROGRAM, tmp_path)
    assert "aiohttp.web" in loaded
    assert "hoshikage.protocols.app" in loaded
    early = {name for name in loaded for later in LATER if name == later or name.startswith(f"{later}.")}
    assert early == set()
    assert classes == [], "a start compiles the methods of these; frozen.Frozen and frozen.Mutable have none to compile"
    assert collections == 0, "nothing is looked through for garbage before the first answer"


CHATTED: Final = """
import json, os, signal, socket, sys
from hoshikage.cli import serve
from hoshikage.cli.main import main

PORT = sys.argv[1]
def chat(_context):
    try:
        body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2, "stream": True}
        sent = json.dumps(body).encode()
        head = f"Content-Length: {len(sent)}\\r\\nContent-Type: application/json\\r\\nConnection: close\\r\\n\\r\\n"
        with socket.create_connection(("127.0.0.1", int(PORT)), timeout=50) as line:
            line.sendall(f"POST /v1/chat/completions HTTP/1.1\\r\\nHost: localhost\\r\\n{head}".encode() + sent)
            answer = b"".join(iter(lambda: line.recv(65536), b""))
        own = [vars(module) for name, module in dict(sys.modules).items() if name.startswith("hoshikage.")]
        classes = {f"{one.__module__}.{one.__name__}" for names in own for one in names.values() if compiled(one)}
        kept = sorted(one for one in classes if one.startswith("hoshikage."))
        told.append([b"[DONE]" in answer, sorted(sys.modules), kept])
    finally:
        os.kill(os.getpid(), signal.SIGTERM)

def compiled(one):
    return isinstance(one, type) and "__dataclass_params__" in vars(one)

told = []
serve._ready = chat
main(["--port", PORT])
print(json.dumps(told[0]))
"""
NO_CHATS: Final = {
    # of others
    "tarfile", "zipfile", "gzip", "numpy", "jinja2", "rich", "llguidance", "aiohttp.client", "sqlite3",
    "ssl", "_hashlib",
    # our own
    "hoshikage._ffi", "hoshikage.llama", "hoshikage.engine", "hoshikage.memory", "hoshikage.keeper",
    "hoshikage.library.archive", "hoshikage.library.dependencies", "hoshikage.library.packages",
    "hoshikage.library.gpu", "hoshikage.library.card_code", "hoshikage.protocols.openai.responses",
    "hoshikage.protocols.anthropic.handlers", "hoshikage.protocols.ollama.handlers",
    "hoshikage.gguf.adapters", "hoshikage.gguf.projector", "hoshikage.gguf.projector_faults",
    "hoshikage.gguf.projector_types",
    "hoshikage.gguf.draft",
}  # fmt: skip
"""Nothing of these is needed for a chat without tools, and what a chat imports stays when its model has gone."""
OF_TOOLS: Final = {"deltas", "detect", "instruction", "known_formats", "thought_marks"}


def test_a_chat_without_tools_imports_no_format_of_calls(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    """The first load examines the library; of the second server is told what a chat leaves behind."""
    Registry(tmp_path / ".config" / "hoshikage" / "model_map.json").add("built-in", demo_model)
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        environ = {"HOSHIKAGE_LIB_PATH": str(library_file), "RUNNER_AHEAD": "off"}
        answered, loaded, classes = printed(CHATTED, tmp_path, str(port), **environ)
    assert answered
    assert "hoshikage.library.selection" in loaded
    assert {name for name in loaded for no in NO_CHATS if name == no or name.startswith(f"{no}.")} == set()
    tools = {name.rpartition(".")[2] for name in loaded if name.startswith("hoshikage.tools.")}
    assert tools == OF_TOOLS
    assert classes == [], "values without methods to compile take a fifth of the memory: frozen.Frozen"


LISTED: Final = """
import json, os, signal, sys, urllib.request
from hoshikage.cli import serve
from hoshikage.cli.main import main

PORT = sys.argv[1]
def ask(_context):
    try:
        answer = json.load(urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v1/models", timeout=50))
        told.append([[one["id"] for one in answer["data"]], sorted(sys.modules)])
    finally:
        os.kill(os.getpid(), signal.SIGTERM)

told = []
serve._ready = ask
main(["--port", PORT])
print(json.dumps(told[0]))
"""
NO_LIST: Final = {"hoshikage.answer.schema.media", "hoshikage.answer.schema.formats", "hoshikage.gguf.projector"}


def test_a_list_of_models_imports_nothing_of_pictures(tmp_path: Path, demo_model: Path) -> None:
    """It is what clients ask for first, and what wakes a server that sleeps."""
    Registry(tmp_path / ".config" / "hoshikage" / "model_map.json").add("built-in", demo_model)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    listed, loaded = printed(LISTED, tmp_path, str(port), RUNNER_AHEAD="off")
    assert listed == ["built-in"]
    assert NO_LIST.intersection(loaded) == set()


CLIENT_ASKED_FOR: Final = """
import json, sys
from hoshikage.http import server_half
server_half.alone()
before = "aiohttp.client" in sys.modules
import aiohttp
from aiohttp import web
same = aiohttp.web is web and aiohttp.ClientSession.__module__ == "aiohttp.client"
refused = not hasattr(aiohttp, "nothing_of_this_name")
print(json.dumps([before, "aiohttp.client" in sys.modules, same, refused]))
"""


def test_who_asks_for_the_http_client_all_the_same_has_it(tmp_path: object) -> None:
    assert printed(CLIENT_ASKED_FOR, tmp_path) == [False, True, True, True]


WITHOUT_OPENSSL: Final = """
import json, sys
from hoshikage.http import server_half
server_half.alone(plain=True)
before = sorted({"ssl", "_hashlib", "asyncio", "aiohttp.web"}.intersection(sys.modules))
import hashlib, urllib.request
from hoshikage import digests
sums = {one.hexdigest() for one in (hashlib.sha256(), digests.sha256(0), digests.sha256(digests.LARGE))}
import _hashlib, asyncio.sslproto, http.client, ssl
large = type(digests.sha256(digests.LARGE)) is type(_hashlib.openssl_sha256())
fetches = hasattr(urllib.request, "HTTPSHandler"), hasattr(http.client, "HTTPSConnection")
print(json.dumps([before, len(sums), large, *fetches]))
"""


def test_a_server_without_tls_has_no_openssl_and_whoever_fetches_has(tmp_path: object) -> None:
    assert printed(WITHOUT_OPENSSL, tmp_path) == [["aiohttp.web", "asyncio"], 1, True, True, True]


NOT_BUILT_SO: Final = """
import json, sys
from hoshikage.http import no_openssl, server_half
no_openssl.OWN_HASHES = (("_no_such_hash",),)
server_half.alone(plain=True)
import asyncio.sslproto, hashlib
print(json.dumps(["_hashlib" in sys.modules, asyncio.sslproto.ssl is not None, "aiohttp.web" in sys.modules]))
"""


def test_where_hashing_needs_openssl_it_is_there(tmp_path: object) -> None:
    assert printed(NOT_BUILT_SO, tmp_path) == [True, True, True]


UNKNOWN_KIND: Final = """
import json, re, sys
from hoshikage.http import server_half
server_half.VERSION = re.compile("no such line")
server_half.alone()
import aiohttp
print(json.dumps([aiohttp.ClientSession.__module__, hasattr(aiohttp, "__version__")]))
"""


def test_a_package_that_is_made_otherwise_is_imported_as_ever(tmp_path: object) -> None:
    assert printed(UNKNOWN_KIND, tmp_path) == ["aiohttp.client", True]
