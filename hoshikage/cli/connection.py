"""Connections to the server: its Unix socket, else TCP, with TLS where it is set. Main thread; blocking.

The admin token goes only to a server that has proved on that connection that it knows it (access.local_admin).
"""

from __future__ import annotations

import hmac
import http.client
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hoshikage.access import local_admin

PROBE_S: Final = 2.0
"""For connecting and for what a server answers at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server may be found, and what is needed to speak to it."""

    host: str
    port: int
    unix_socket: Path | None = None
    certificate: Path | None = None
    """The server's own, which must be the one that it shows; None for plain HTTP."""
    admin_token_file: Path | None = None

    @property
    def url(self) -> str:
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://[{self.host}]:{self.port}" if ":" in self.host else f"{scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Line:
    """An open connection, and the headers that say who is calling."""

    connection: http.client.HTTPConnection
    headers: dict[str, str]
    where: str
    """What to tell a person: the URL, or the socket."""


def open_line(place: Place) -> Line:
    """Connects. Raises OSError or HTTPException."""
    if place.unix_socket is not None and (line := _private(place.unix_socket)) is not None:
        return line
    if place.certificate is None:
        connection = http.client.HTTPConnection(place.host, place.port, timeout=PROBE_S)
    else:
        connection = http.client.HTTPSConnection(
            place.host, place.port, timeout=PROBE_S, context=_only(place.certificate)
        )
    try:
        connection.connect()
        return Line(connection, _credentials(connection, place.admin_token_file), place.url)
    except BaseException:
        connection.close()
        raise


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PROBE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PROBE_S)
        self.sock.connect(str(self._path))


def _private(path: Path) -> Line | None:
    """By the Unix socket, where nobody has to say who they are; None where no server listens there."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    connection = _UnixConnection(path)
    try:
        connection.connect()
    except OSError:
        connection.close()
        return None
    return Line(connection, {}, f"unix:{path}")


def _only(certificate: Path) -> ssl.SSLContext:
    """Trusts this certificate and no other, whatever name it is for: the server is called by its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def _credentials(connection: http.client.HTTPConnection, token_file: Path | None) -> dict[str, str]:
    """This user's admin token, if the server on this connection knows it; else nothing."""
    token = local_admin.read(token_file) if token_file is not None else None
    if token is None:
        return {}
    challenge = local_admin.challenge()
    connection.request("GET", "/health", headers={"x-hoshikage-challenge": challenge})
    response = connection.getresponse()
    response.read()
    given = response.headers.get("x-hoshikage-proof", "")
    if connection.sock is None:  # the server closed the connection behind its answer
        connection.connect()
        return {}
    host, port = connection.sock.getpeername()[:2]
    known = local_admin.proof(token, challenge, (host, port))
    if not hmac.compare_digest(given.encode(), known.encode()):
        return {}
    return {"Authorization": f"Bearer {token}"}
