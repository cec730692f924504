"""Talks to the running server as a command sees it: its HTTP API through the standard library. Main thread;
blocking."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from hoshikage.cli.connection import LOOPBACK_S, PROBE_S, WAKING_S, Line, Peer, Place, open_line
from hoshikage.cli.context import CommandContext
from hoshikage.errors import ContextLengthExceeded, HoshikageError, Unavailable, UsageError
from hoshikage.messages import Language

ANSWER_S: Final = 600.0
"""Between two signs of life of an answer there are at most so many seconds; a silent stream sends comments far more
often."""
ADMIN_S: Final = 60.0
"""An admin request may take this many seconds, more than the registry's lock is waited for."""
PAUSES_S: Final = (0.0, 0.2, 0.5)
"""A command pauses for these seconds before each try to reach a server that listens, yet does not answer."""
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""The server may listen on these addresses, but nothing can connect to them; each has the one to connect to beside
it."""
BROKEN: Final = (OSError, http.client.HTTPException, ValueError, LookupError, TypeError)
"""An absent, a foreign or a dying server can cause these."""


class ServerSaid(HoshikageError):
    """This holds the server's own words, which are already in the person's language."""

    def __init__(self, message: str) -> None:
        super().__init__("cli.server_said", message=message)


class ServerRefused(UsageError):
    """The server refuses, as it took it for wrong use or a wrong setting of this user's; the exit status is that of
    wrong use."""

    def __init__(self, message: str) -> None:
        super().__init__("cli.server_said", message=message)


class Server:
    """A Server sends a command's requests to the server of this computer's user."""

    def __init__(self, place: Place, language: Language) -> None:
        self._place = place
        self._language = language
        self.anyone = False
        """`anyone` tells whether whatever listens on this machine's port may be told what the person says."""

    @classmethod
    def of(cls, context: CommandContext) -> Server:
        settings = context.settings
        host = settings.host.removeprefix("[").removesuffix("]")
        place = Place(
            EVERYWHERE.get(host, host),
            settings.port,
            settings.unix_socket,
            settings.tls_cert_file,
            settings.admin_token_file,
        )
        return cls(place, context.language)

    @classmethod
    def at(cls, host: str, port: int, context: CommandContext) -> Server:
        """Returns the server that was told to listen elsewhere than these settings say."""
        known = cls.of(context)
        return cls(replace(known._place, host=host, port=port), context.language)

    @property
    def host(self) -> str:
        return self._place.host

    @property
    def port(self) -> int:
        return self._place.port

    @property
    def url(self) -> str:
        return self._place.url

    @property
    def local(self) -> bool:
        """Tells whether it is on this machine."""
        return self._place.local

    def status(self, patience_s: float | None = None) -> dict[str, Any] | None:
        """Returns what /v1/status says, or None where no Hoshikage answers there, in so many seconds at each step."""
        try:
            return self._status(patience_s or self._probe_s)
        except BROKEN:
            return None

    def require_status(self) -> dict[str, Any]:
        """Returns what /v1/status says, of a server that wakes, too. Raises Unavailable where no Hoshikage answers."""
        try:
            status = self._status(WAKING_S)
        except (ConnectionRefusedError, FileNotFoundError):
            raise self._absent() from None
        except OSError as error:
            raise self._lost(error) from None
        except BROKEN:
            status = None
        if status is None:
            raise Unavailable("cli.foreign_program", url=self.url)
        return status

    def capabilities(self) -> dict[str, Any] | None:
        """Returns what /v1/capabilities says, or None where no server answers there that may be believed."""
        try:
            with self._line(self._probe_s) as line:
                self._require_own(line)
                result = self._get(line, "/v1/capabilities", ANSWER_S)
            return result if isinstance(result, dict) and isinstance(result.get("models"), list) else None
        except (Unavailable, *BROKEN):
            return None

    def peer(self, patience_s: float = WAKING_S) -> Peer | None:
        """Says who is there; None where nobody listens."""
        try:
            with self._line(patience_s) as line:
                return line.peer
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except BROKEN:
            return "other"

    def models(self) -> list[str]:
        """Lists the labels in the server's order. Raises Unavailable where none answers, or none of this user's."""
        try:
            with self._line() as line:
                self._require_own(line)
                return [str(model["id"]) for model in self._get(line, "/v1/models", WAKING_S)["data"]]
        except (ConnectionRefusedError, FileNotFoundError):
            raise self._absent() from None
        except TimeoutError as error:
            raise self._lost(error) from None
        except BROKEN:
            raise Unavailable("cli.foreign_program", url=self.url) from None

    def is_listening(self) -> bool:
        """Returns whether anything at all takes connections there."""
        try:
            socket.create_connection((self.host, self.port), PROBE_S).close()
        except OSError:
            return False
        return True

    def admin(self, method: str, *path: str, body: Mapping[str, Any] | None = None) -> tuple[Any, str] | None:
        """Returns what a server of this user's answers, and where it was reached; None where none can be.

        Nothing is told to whatever does not prove to be that server. One that hangs up is tried three times; one
        that keeps silent is not waited for. Raises ServerSaid or ServerRefused.
        """
        return self.own(method, _path("admin", *path), body)

    def own(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[Any, str] | None:
        """Asks as `admin` does, for any path of a server of this user's."""
        lost = False
        for pause in PAUSES_S:
            time.sleep(pause)  # a server that hangs up tells nobody when it will not
            try:
                line = open_line(self._place, self._probe_s)
            except (ConnectionRefusedError, FileNotFoundError, TimeoutError):
                return None
            except BROKEN:
                continue
            try:
                with closing(line.connection):
                    if line.peer != "own":
                        return None
                    status, answer = self._exchange(line, method, path, body, ADMIN_S)
                    where = line.where
            except BROKEN:
                lost = True
                continue
            if status in (401, 403, 405) or (status == 404 and _code(answer) == "not_found"):
                return None  # another user's server, or another program
            if status == 404 and lost and method == "DELETE":
                return {}, where  # an earlier try came through, and its answer did not
            if status != 200:
                raise _refusal(answer)
            return answer, where
        return None

    def require(self, method: str, *path: str) -> Any:
        """Does what `admin` does, for what only a server can do, and slowly. Raises Unavailable where none runs."""
        try:
            with self._line() as line:
                self._require_own(line)
                status, answer = self._exchange(line, method, _path("admin", *path), {}, ANSWER_S)
        except (ConnectionRefusedError, FileNotFoundError):
            raise self._absent() from None
        except BROKEN as error:
            raise self._lost(error) from None
        if status != 200:
            raise _refusal(answer)
        return answer

    def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        on_comment: Callable[[str], None],
        fields: Mapping[str, Any] = MappingProxyType({}),
    ) -> Generator[str, None, str]:
        """Yields the pieces of one streamed answer, and returns why it ended; closing the generator stops the server's
        work on it.

        `on_comment` is told what the server says while there is nothing to show; `fields` are further ones of the
        request. Raises ServerSaid, Unavailable.
        """
        body = {**fields, "model": model, "messages": list(messages), "stream": True}
        try:
            with self._line() as line:
                self._require_own(line)
                response = self._send(line, "POST", "/v1/chat/completions", body, ANSWER_S)
                if response.status != 200:
                    raise _refusal(_json(response.read()))
                return (yield from _pieces(response, on_comment))
        except ConnectionRefusedError:
            raise self._absent() from None
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from None

    def answer(self, path: str, body: Mapping[str, Any]) -> Any:
        """Returns what the API answers. Raises ServerSaid, Unavailable."""
        try:
            with self._line() as line:
                self._require_own(line)
                status, answer = self._exchange(line, "POST", path, body, ANSWER_S)
        except BROKEN as error:
            raise self._lost(error) from None
        if status != 200:
            if _code(answer) == ContextLengthExceeded.code:
                raise ContextLengthExceeded("cli.server_said", message=str(answer["error"]["message"]))
            raise _refusal(answer)
        return answer

    @contextmanager
    def _line(self, patience_s: float = WAKING_S) -> Iterator[Line]:
        line = open_line(self._place, patience_s)
        try:
            yield line
        finally:
            line.connection.close()

    @property
    def _probe_s(self) -> float:
        return LOOPBACK_S if self._place.local else PROBE_S

    def _status(self, patience_s: float) -> dict[str, Any] | None:
        with self._line(patience_s) as line:
            if line.peer == "other":
                return None
            status = self._get(line, "/v1/status", patience_s)
        return status if _is_status(status) else None

    def _require_own(self, line: Line) -> None:
        """Raises Unavailable for a program on this machine that is not this user's server."""
        if line.peer != "own" and self._place.local and not self.anyone:
            key = "cli.foreign_server" if line.peer == "hoshikage" else "cli.foreign_program"
            raise Unavailable(key, url=self.url)

    def _get(self, line: Line, path: str, timeout: float) -> Any:
        status, answer = self._exchange(line, "GET", path, None, timeout)
        return answer if status == 200 else None

    def _exchange(
        self, line: Line, method: str, path: str, body: Mapping[str, Any] | None, timeout: float
    ) -> tuple[int, Any]:
        response = self._send(line, method, path, body, timeout)
        return response.status, _json(response.read())

    def _send(
        self, line: Line, method: str, path: str, body: Mapping[str, Any] | None, timeout: float
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", "Accept-Language": self._language, **line.headers}
        if line.connection.sock is not None:
            line.connection.sock.settimeout(timeout)
        line.connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        return line.connection.getresponse()

    def _absent(self) -> Unavailable:
        return Unavailable("cli.no_server", url=self.url)

    def _lost(self, error: Exception) -> Unavailable:
        return Unavailable("cli.connection_lost", url=self.url, reason=str(error) or type(error).__name__)


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _pieces(response: http.client.HTTPResponse, on_comment: Callable[[str], None]) -> Generator[str, None, str]:
    reason = ""
    for line in response:
        if line.startswith(b":"):
            on_comment(line[1:].decode(errors="replace").strip())
        if not line.startswith(b"data: "):
            continue
        data = line[len(b"data: ") :].strip()
        if data == b"[DONE]":
            return reason
        frame = json.loads(data)
        if "error" in frame:
            raise ServerSaid(str(frame["error"]["message"]))
        for choice in frame["choices"]:
            if text := choice["delta"].get("content"):
                yield text
            reason = choice.get("finish_reason") or reason
    raise http.client.IncompleteRead(b"")


def _is_status(status: Any) -> bool:
    """Returns whether it has what the commands read of it."""
    return (
        isinstance(status["version"], str)
        and isinstance(status["model"]["state"], str)
        and {"running", "waiting"} <= set(status["queue"])
    )


def _json(body: bytes) -> Any:
    """Parses the answer's JSON; of another program's, some of its text."""
    try:
        return json.loads(body)
    except ValueError:
        return body[:200].decode(errors="replace")


def _code(answer: Any) -> str:
    try:
        return str(answer["error"]["code"])
    except (LookupError, TypeError):
        return ""


def _refusal(answer: Any) -> HoshikageError:
    try:
        message = str(answer["error"]["message"])
    except (LookupError, TypeError):
        message = str(answer)
    kinds: list[type[HoshikageError]] = [UsageError, *UsageError.__subclasses__()]
    wrong_use = {kind.code for kind in kinds}
    return ServerRefused(message) if _code(answer) in wrong_use else ServerSaid(message)
