"""Sends one real request to a server in the form of a program, and says what is wrong where it fails. Main thread;
blocking."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from hoshikage.errors import HoshikageError, Unavailable
from hoshikage.messages import Language
from hoshikage.programs.connection import Form

PATIENCE_S: Final = 600.0
MAX_TOKENS: Final = 16
WORDS: Final = "Say OK."
PARAMETERS: Final = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOL: Final = {"name": "read_file", "description": "Reads a file.", "parameters": PARAMETERS}


def probe(url: str, form: Form, model: str, token: str | None, trusted: str | None, language: Language) -> str:
    """Returns what came back, in a word or two. Raises Unavailable, which says what is wrong.

    `trusted` is the file of the certificate that the server shows, where it is not one that everybody trusts.
    """
    path, body, ends = _request(form, model)
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "Accept-Language": language}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if form == "messages":
        headers["anthropic-version"] = "2023-06-01"
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, trusted)
    try:
        connection.request("POST", parts.path.rstrip("/") + path, json.dumps(body).encode(), headers)
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise Unavailable("connect.check_unreachable", url=url, reason=reason) from None
    finally:
        connection.close()
    if response.status != 200:
        raise _refused(response.status, text)
    if not any(end in text for end in ends):
        raise Unavailable("connect.check_cut", path=path, end=ends[0])
    return path


def _connection(scheme: str, host: str, port: int | None, trusted: str | None) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    context = ssl.create_default_context(cafile=trusted)
    return http.client.HTTPSConnection(host, port, timeout=PATIENCE_S, context=context)


def _request(form: Form, model: str) -> tuple[str, Mapping[str, Any], tuple[str, ...]]:
    """Returns the path, the body, and the marks of which one stands at the end of a whole answer."""
    user = {"role": "user", "content": WORDS}
    function = {"type": "function", "function": TOOL}
    common: dict[str, Any] = {"model": model, "stream": True}
    if form == "responses":
        content = [{"type": "input_text", "text": WORDS}]
        items = [{"type": "message", "role": "user", "content": content}]
        body = {
            **common,
            "input": items,
            "tools": [{"type": "function", "strict": False, **TOOL}],
            "tool_choice": "auto",
            "store": False,
            "max_output_tokens": MAX_TOKENS,
        }
        return "/v1/responses", body, ("event: response.completed", "event: response.incomplete")
    if form == "messages":
        tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": PARAMETERS}
        body = {**common, "max_tokens": MAX_TOKENS, "messages": [user], "tools": [tool]}
        return "/v1/messages?beta=true", body, ("event: message_stop",)
    if form == "ollama":
        body = {**common, "messages": [user], "options": {"num_predict": MAX_TOKENS}}
        return "/api/chat", body, ('"done":true',)
    if form == "infill":
        body = {"model": model, "input_prefix": "def add(a, b):\n    return ", "input_suffix": "\n", "stream": False}
        return "/infill", {**body, "n_predict": MAX_TOKENS}, ('"content"',)
    body = {**common, "max_tokens": MAX_TOKENS, "messages": [user], "tools": [function]}
    return "/v1/chat/completions", body, ("data: [DONE]",)


def _refused(status: int, text: str) -> HoshikageError:
    if status in (401, 403):
        return Unavailable("connect.check_token", status=status, reason=_message(text))
    return Unavailable("connect.check_refused", status=status, reason=_message(text))


def _message(text: str) -> str:
    try:
        error = json.loads(text)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError):
        return text[:200]
