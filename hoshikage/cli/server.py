"""The running server as a command sees it: its HTTP API through the standard library. Main thread; blocking."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hoshikage.cli.context import Context
from hoshikage.errors import HoshikageError, Unavailable
from hoshikage.messages import Language

PROBE_S: Final = 2.0
ANSWER_S: Final = 600.0
"""Between two signs of life of an answer; a silent stream sends comments far more often."""
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen on that are none to connect to."""


class ServerSaid(HoshikageError):
    """The server's own words, already in the person's language."""

    def __init__(self, message: str) -> None:
        super().__init__("cli.server_said", message=message)


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int
    language: Language

    @classmethod
    def of(cls, context: Context) -> Server:
        host = context.settings.host.removeprefix("[").removesuffix("]")
        return cls(EVERYWHERE.get(host, host), context.settings.port, context.language)

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def status(self) -> dict[str, Any] | None:
        """What /v1/status says, or None where no Hoshikage answers there."""
        try:
            status = self._get("/v1/status")
            return status if isinstance(status["version"], str) and isinstance(status["model"], dict) else None
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            return None

    def models(self) -> list[str]:
        """Labels in the server's order. Raises Unavailable where none answers."""
        try:
            return [str(model["id"]) for model in self._get("/v1/models")["data"]]
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            raise self._absent() from None

    def is_listening(self) -> bool:
        """Whether anything at all takes connections there."""
        try:
            socket.create_connection((self.host, self.port), PROBE_S).close()
        except OSError:
            return False
        return True

    def chat(
        self, model: str, messages: Sequence[dict[str, str]], on_comment: Callable[[str], None]
    ) -> Generator[str, None, None]:
        """The pieces of one streamed answer; closing the generator stops the server's work on it.

        `on_comment` is told what the server says while there is nothing to show. Raises ServerSaid, Unavailable.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_S)
        body = json.dumps({"model": model, "messages": list(messages), "stream": True}).encode()
        try:
            connection.request("POST", "/v1/chat/completions", body, self._headers())
            response = connection.getresponse()
            if response.status != 200:
                raise _refusal(response.read())
            yield from _pieces(response, on_comment)
        except ConnectionRefusedError:
            raise self._absent() from None
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable("cli.connection_lost", url=self.url, reason=str(error) or type(error).__name__) from None
        finally:
            connection.close()

    def _get(self, path: str) -> Any:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PROBE_S)
        try:
            connection.request("GET", path, headers=self._headers())
            response = connection.getresponse()
            return json.loads(response.read()) if response.status == 200 else None
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Accept-Language": self.language}

    def _absent(self) -> Unavailable:
        return Unavailable("cli.no_server", url=self.url)


def _pieces(response: http.client.HTTPResponse, on_comment: Callable[[str], None]) -> Generator[str, None, None]:
    for line in response:
        if line.startswith(b":"):
            on_comment(line[1:].decode(errors="replace").strip())
        if not line.startswith(b"data: "):
            continue
        data = line[len(b"data: ") :].strip()
        if data == b"[DONE]":
            return
        frame = json.loads(data)
        if "error" in frame:
            raise ServerSaid(str(frame["error"]["message"]))
        for choice in frame["choices"]:
            if text := choice["delta"].get("content"):
                yield text
    raise http.client.IncompleteRead(b"")


def _refusal(body: bytes) -> ServerSaid:
    try:
        return ServerSaid(str(json.loads(body)["error"]["message"]))
    except (ValueError, LookupError, TypeError):
        return ServerSaid(body[:200].decode(errors="replace"))
