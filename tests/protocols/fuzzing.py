"""Makes requests of /openapi.json, sends them to a server, and knows what must be true of every answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any, Final
from urllib.parse import quote

from aiohttp import ClientSession, ClientTimeout
from jsonschema import Draft202012Validator

from tests.schema_values import Schema, Values

TIMEOUT: Final = ClientTimeout(total=20)
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
BOUNDARY: Final = "a-boundary"
LONGEST_IN_TARGET: Final = 200
"""So many characters stand in a target. The HTTP parser itself refuses a request line of more than 8 KiB, in plain
text."""
STREAMS: Final = ("text/event-stream", "application/x-ndjson")
FOUND_FIRST: Final = ("/apply-template", "/v1/chat/completions", "{")
"""The model is looked for before the body is judged where paths have these parts."""
KINDS: Final = (
    "text",
    "function",
    "message",
    "input_text",
    "output_text",
    "reasoning",
    "function_call",
    "function_call_output",
    "tool_use",
    "tool_result",
    "thinking",
    "image",
    "custom",
)
RAW: Final[tuple[tuple[bytes, str], ...]] = (
    (b"", JSON),
    (b"{", JSON),
    (b"nonsense", JSON),
    (b'{"model": NaN}', JSON),
    (b'{"model": 1e999}', JSON),
    (b'{"a": 1, "a": 2}', JSON),
    (b"\xff\xfe{}", JSON),
    (b"\xef\xbb\xbf{}", JSON),
    (b'{"a": "\\ud800"}', JSON),
    (b"[" * 5000, JSON),
    (b"[" * 40 + b"]" * 40, JSON),
    (b"[" + b"0," * 100_001 + b"0]", JSON),
    (b'{"a": 1' + b"0" * 400 + b"}", JSON),
    (b"{}", "text/plain"),
    (b"{}", "application/json; charset=utf-16"),
    (b"a=b", "application/x-www-form-urlencoded"),
)
"""No schema is needed to refuse these bodies, which stand with their Content-Type."""


def _form(fields: Any) -> bytes:
    """Makes a form with these fields; what is no object is one without any."""
    named = fields.items() if isinstance(fields, dict) else ()
    shown = {name: one if isinstance(one, str) else json.dumps(one) for name, one in named}
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    parts = [f'{head}"{name}"\r\n\r\n{one}\r\n' for name, one in shown.items()]
    return ("".join(parts) + f"--{BOUNDARY}--\r\n").encode("utf-8", "replace")


class Fuzzer:
    """Sends cases to one server; `met` counts (operation, kind of case, status)."""

    def __init__(self, session: ClientSession, url: str, document: Schema, values: Values) -> None:
        self._session = session
        self._url = url
        self._document = document
        self._values = values
        self._problems: dict[str, Draft202012Validator] = {}
        self.met: Counter[tuple[str, str, int]] = Counter()
        self.slowest = 0.0

    def operations(self) -> list[tuple[str, str, Schema]]:
        return [
            (method.upper(), path, operation)
            for path, methods in self._document["paths"].items()
            for method, operation in methods.items()
        ]

    async def fitting(self, method: str, path: str, operation: Schema) -> None:
        """Sends a request that the document allows: any declared status."""
        await self._send("fitting", method, path, operation, self._body(operation, self._values.fitting))

    async def missing(self, method: str, path: str, operation: Schema) -> None:
        """Sends a body that the document does not allow: it must be refused."""
        body = self._body(operation, self._values.missing)
        status = await self._send("missing", method, path, operation, body)
        is_form = FORM in operation["requestBody"]["content"]  # whose fields are texts: a number is a name, too
        unknown = status == 404 and (is_form or any(part in path for part in FOUND_FIRST))
        assert status == 400 or unknown, f"{method} {path} took what it does not document: {_short(body)} -> {status}"

    async def raw(self, method: str, path: str, operation: Schema) -> None:
        """Sends bodies that are no JSON, or none that can be read safely."""
        for body, kind in RAW:
            status = await self._send("raw", method, path, operation, body, kind)
            allowed = {400, 413, 415}
            if body in (b"", b"{}"):
                allowed.add(200)  # where nothing is wanted, nothing may come, by whatever name
            if "{" in path:
                allowed.add(404)
            assert status in allowed, f"{method} {path}: {body[:40]!r} {kind} -> {status}"

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Sends one request of the caller's own."""
        async with self._session.post(self._url + path, json=body, timeout=TIMEOUT) as answer:
            return answer.status, await answer.json()

    def _body(self, operation: Schema, make: Any) -> bytes | None:
        if "requestBody" not in operation:
            return None
        content = operation["requestBody"]["content"]
        if FORM in content:
            return _form(make(content[FORM]["schema"]))
        return json.dumps(make(content[JSON]["schema"])).encode()

    async def _send(
        self, case: str, method: str, path: str, operation: Schema, body: bytes | None, kind: str = JSON
    ) -> int:
        target = self._url + self._target(path, operation)
        if kind == JSON and FORM in operation.get("requestBody", {}).get("content", {}) and case != "raw":
            kind = f"{FORM}; boundary={BOUNDARY}"
        headers = {} if body is None else {"Content-Type": kind}
        began = time.monotonic()
        try:
            async with self._session.request(method, target, data=body, headers=headers, timeout=TIMEOUT) as answer:
                status, answered, content = answer.status, answer.content_type, await answer.read()
        except asyncio.TimeoutError:
            raise AssertionError(f"{method} {target} hung: {_short(body)}") from None
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.met[f"{method} {path}", case, status] += 1
        told = f"{method} {target} {_short(body)} -> {status} {content[:300]!r}"
        declared = operation["responses"].get(str(status))
        assert declared is not None, f"undeclared: {told}"
        assert answered in declared["content"], f"{answered}: {told}"
        if status >= 400:
            assert status != 500, told
            self._check(declared["content"][JSON]["schema"], json.loads(content), told)
        elif answered == JSON:
            json.loads(content)
        elif answered in STREAMS:
            assert b"internal_error" not in content, told
            assert b"api_error" not in content, told
        return status

    def _target(self, path: str, operation: Schema) -> str:
        query = []
        for parameter in operation.get("parameters", ()):
            text = quote(self._values.text()[:LONGEST_IN_TARGET].strip(". ") or "x", safe="")
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", text)
            elif self._values.maybe():
                query.append(f"{parameter['name']}={text}")
        return path + ("?" + "&".join(query) if query else "")

    def _check(self, schema: Schema, value: Any, told: str) -> None:
        key = repr(schema)
        if key not in self._problems:
            whole = {**schema, "components": self._document["components"]}
            self._problems[key] = Draft202012Validator(whole)
        assert self._problems[key].is_valid(value), f"another shape than documented: {told}"


def _short(body: bytes | None) -> str:
    return repr((body or b"")[:1500])
