"""Opens what the server listens on: TCP, TLS, a Unix socket, sockets of a service manager. Main thread."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hoshikage.errors import SettingInvalid, Unavailable, UsageError
from hoshikage.http.connections import BACKLOG, HttpRunner, Site
from hoshikage.http.origin_policy import is_loopback
from hoshikage.settings import Settings

if TYPE_CHECKING:  # a server without TLS imports no OpenSSL
    import ssl

PRIVATE_UMASK = 0o177


def is_exposed(settings: Settings, passed: Sequence[socket.socket]) -> bool:
    """Returns whether others can reach the server: other machines, or other users by a socket that is not of its
    making."""
    hosts = [_host(opened) for opened in passed] if passed else [settings.host]
    return not all(map(is_loopback, hosts))


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Makes the TLS context; None for plain HTTP. Raises SettingInvalid for half a pair and for files that cannot be
    used."""
    if settings.tls_cert_file is None and settings.tls_key_file is None:
        return None
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        raise SettingInvalid("http.tls_half")
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Reads the files, at start and when they were renewed. Raises SettingInvalid; the context stays as it was then."""
    import ssl

    cert, key = settings.tls_cert_file, settings.tls_key_file
    assert cert is not None
    assert key is not None
    try:
        for file in (cert, key):
            with file.open("rb"):  # ssl's own error does not name the file
                pass
        trial = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        for target in (trial, context):
            target.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        raise SettingInvalid(
            "http.tls_files", cert=str(cert), key=str(key), reason=error.reason or str(error)
        ) from None
    except OSError as error:
        raise SettingInvalid(
            "http.tls_unreadable", file=str(error.filename), reason=error.strerror or str(error)
        ) from None


def _no_password() -> str:
    return ""  # else OpenSSL would ask on the terminal


async def listen(
    running: HttpRunner, settings: Settings, tls: ssl.SSLContext | None, passed: Sequence[socket.socket]
) -> None:
    """Opens every site. Raises OSError for an address not to be had, Unavailable or UsageError for the Unix socket."""
    for opened in passed:
        await Site(running, opened, tls).start()
    if not passed:
        await Site(running, (settings.host, settings.port), tls).start()
    if settings.unix_socket is not None:
        await Site(running, unix_socket(settings.unix_socket)).start()


def unix_socket(path: Path) -> socket.socket:
    """Opens a listening socket that this user alone can open. One that was left behind is replaced, one in use is not.

    Raises Unavailable where somebody listens there, UsageError where no socket can be made.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("http.socket_unsupported")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        before = os.umask(PRIVATE_UMASK)  # so that it never is open to others, not even before a chmod
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise Unavailable("http.socket_in_use", path=str(path)) from None
        reason = error.strerror or str(error)
        raise UsageError("http.socket_refused", path=str(path), reason=reason) from None
    return made


def remove_socket(path: Path) -> None:
    """Takes this server's own socket away when it stops."""
    with suppress(OSError):
        path.unlink()


def _remove_stale(path: Path) -> None:
    """Raises OSError: EADDRINUSE where somebody listens or something else than a socket is there."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(2)
        try:
            trial.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def url(address: Any, *, secure: bool = False) -> str:
    """Writes the URL of a socket's own address, as `http://127.0.0.1:3030`; `unix:/path` of a Unix socket's."""
    if not isinstance(address, tuple):
        return f"unix:{address}"
    host, port = address[:2]
    return f"http{'s' if secure else ''}://" + (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def _host(opened: socket.socket) -> str:
    """Returns the address that it listens on; empty, which is nobody's, for what is not TCP."""
    name = opened.getsockname()
    return str(name[0]) if isinstance(name, tuple) else ""
