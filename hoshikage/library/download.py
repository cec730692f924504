"""Fetches a file over HTTPS, or plain HTTP from this machine alone, with a bound and progress. Any thread; blocking."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from hoshikage import __version__
from hoshikage.errors import InstallFailed
from hoshikage.urls import public

_TIMEOUT_S: Final = 30.0
"""A download that brings no byte for so many seconds is given up."""
_MOST_BYTES: Final = 4 << 30
_ANSWER_BYTES: Final = 16 << 20
_CHUNK: Final = 1 << 18


def fetch(url: str, file: Path, on_bytes: Callable[[int, int], None]) -> str:
    """Writes what `url` gives to `file` and gives its SHA-256. `on_bytes`: done and total, 0 where it is not told.

    Raises InstallFailed.
    """
    digest, done = hashlib.sha256(), 0
    try:
        with _open(url) as answer, file.open("xb") as target:
            total = int(answer.headers.get("Content-Length") or 0)
            if total > _MOST_BYTES:
                raise InstallFailed("library.download_large", url=public(url), limit=_MOST_BYTES >> 20)
            while chunk := answer.read(_CHUNK):
                done += len(chunk)
                if done > _MOST_BYTES:
                    raise InstallFailed("library.download_large", url=public(url), limit=_MOST_BYTES >> 20)
                digest.update(chunk)
                target.write(chunk)
                on_bytes(done, total)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(url, error) from None
    if total and done != total:
        raise InstallFailed("library.download_failed", url=public(url), reason=f"{done} / {total} bytes")
    return digest.hexdigest()


def read_json(url: str) -> Any:
    """Raises InstallFailed."""
    try:
        with _open(url) as answer:
            return json.loads(answer.read(_ANSWER_BYTES))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(url, error) from None


def is_url(text: str) -> bool:
    return "://" in text


def _open(url: str) -> Any:
    _check(url)
    request = urllib.request.Request(url, headers={"User-Agent": f"hoshikage/{__version__}"})
    handlers: list[urllib.request.BaseHandler] = [_Redirects()]
    if urlsplit(url).scheme == "http":  # this machine itself: no proxy can know it
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers).open(request, timeout=_TIMEOUT_S)


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise InstallFailed("library.url_not_https", url=public(url))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _failed(url: str, error: Exception) -> InstallFailed:
    if isinstance(error, urllib.error.HTTPError):
        reason = f"HTTP {error.code}"
        error.close()
    elif isinstance(error, urllib.error.URLError):
        reason = str(error.reason)
    else:
        reason = str(error) or type(error).__name__
    return InstallFailed("library.download_failed", url=public(url), reason=reason)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to where a first request may go too."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _check(newurl)
        except InstallFailed:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)
