"""Opens connections to the server: its Unix socket, else TCP, with TLS where it is set. Main thread; blocking.

The admin token goes only to a server that has proved on that connection that it knows it (access.local_admin).
"""

from __future__ import annotations

import hmac
import http.client
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hoshikage.access import local_admin

PROBE_S: Final = 2.0
"""Connecting may take so many seconds, and so may what a server answers at once."""
LOOPBACK_S: Final = 0.8
"""It may take so many on this machine, where a command can do without the server."""
WAKING_S: Final = 20.0
"""It may take so many where only a server will do: one that wakes on a busy machine has taken the connection, and
answers later."""
MAX_BYTES: Final = 65_536
"""An answer of a few words is never longer."""
Peer = Literal["own", "hoshikage", "other"]
"""A Peer is this user's server, as it has proved (`own`); what calls itself Hoshikage; or anything else."""


@dataclass(frozen=True, slots=True)
class Place:
    """A Place is the address at which a server may be found, with what is needed to speak to it."""

    host: str
    port: int
    unix_socket: Path | None = None
    certificate: Path | None = None
    """`certificate` is the server's own, which must be the one that it shows; None for plain HTTP."""
    admin_token_file: Path | None = None

    @property
    def local(self) -> bool:
        """Tells whether it is on this machine, where any program may have taken the port."""
        return self.host == "localhost" or self.host == "::1" or self.host.startswith("127.")

    @property
    def url(self) -> str:
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://[{self.host}]:{self.port}" if ":" in self.host else f"{scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Line:
    """This is an open connection, with the headers that say who is calling."""

    connection: http.client.HTTPConnection
    headers: dict[str, str]
    where: str
    """`where` is what to tell a person: the URL, or the socket."""
    peer: Peer


def open_line(place: Place, patience_s: float = PROBE_S) -> Line:
    """Connects, and asks who is there. Raises OSError or HTTPException."""
    if place.unix_socket is not None and (line := _private(place.unix_socket)) is not None:
        return line
    if place.certificate is None:
        connection = http.client.HTTPConnection(place.host, place.port, timeout=patience_s)
    else:
        connection = http.client.HTTPSConnection(
            place.host, place.port, timeout=patience_s, context=_only(place.certificate)
        )
    try:
        connection.connect()
        headers, peer = _introduced(connection, place.admin_token_file)
        return Line(connection, headers, place.url, peer)
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
    """Connects by the Unix socket, where nobody has to say who they are; None where no server listens there."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    connection = _UnixConnection(path)
    try:
        connection.connect()
    except OSError:
        connection.close()
        return None
    return Line(connection, {}, f"unix:{path}", "own")


def _only(certificate: Path) -> ssl.SSLContext:
    """Trusts this certificate and no other, whatever name it is for: the server is called by its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def _introduced(connection: http.client.HTTPConnection, token_file: Path | None) -> tuple[dict[str, str], Peer]:
    """Returns a header with this user's admin token if the server proves that it knows that token, else no header; and
    who the server seems to be."""
    token = local_admin.read(token_file) if token_file is not None else None
    challenge = local_admin.challenge()
    connection.request("GET", "/health", headers={"x-hoshikage-challenge": challenge})
    response = connection.getresponse()
    response.read(MAX_BYTES)
    proof = response.headers.get("x-hoshikage-proof", "")
    peer: Peer = "hoshikage" if response.headers.get("Server") == "hoshikage" else "other"
    if connection.sock is None or not response.isclosed():  # it closed the connection, or goes on and on
        connection.close()
        connection.connect()
        return {}, peer
    if token is None:
        return {}, peer
    host, port = connection.sock.getpeername()[:2]
    known = local_admin.proof(token, challenge, (host, port))
    if not hmac.compare_digest(proof.encode(), known.encode()):
        return {}, peer
    return {"Authorization": f"Bearer {token}"}, "own"
