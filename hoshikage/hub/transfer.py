"""Fetches one file from elsewhere, whole or not at all: it goes on where an earlier try ended, and its sum is checked.
Any thread; blocking.

What has come lies in `NAME.part` beside the file, with `NAME.part.json` that says of which file it is a part. Both
outlive a kill and a restart. Only a file whose size and sum are right gets its name.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from hoshikage import digests, durable
from hoshikage.errors import HoshikageError, NotFound, PermissionRefused, Unavailable, UsageError

TIMEOUT_S: Final = 30.0
"""A connection that brings no byte for so long is given up, and another one tried."""
PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""A transfer pauses for these seconds before each further try while none of them brings a byte."""
MAX_PAUSE_S: Final = 120.0
"""A server that asks for a longer wait is not waited for."""
CHUNK: Final = 1 << 20
MIN_FREE: Final = 64 << 20
"""This many bytes of the disk stay free beside what is fetched."""
RETRIED: Final = (408, 425, 429, 500, 502, 503, 504)
FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Remote:
    """A Remote says where a file is, and what is known of it."""

    url: str
    name: str
    """People are told `name`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """`headers` are sent to the first address alone, never to where it leads."""
    size: int | None = None
    sha256: str | None = None
    etag: str | None = None


class Stopped(HoshikageError):
    """The asker has left; what has come stays for the next try."""

    def __init__(self) -> None:
        super().__init__("pull.stopped")


@dataclass(frozen=True, slots=True)
class Transfer:
    """This says how files are fetched. `on_bytes`: the name, how much is there, and of how much (0: not known)."""

    on_bytes: Callable[[str, int, int], None]
    on_check: Callable[[str], None] = lambda _: None
    """It is told when a file's sum is about to be computed, which takes seconds for each few gigabytes."""
    stop: threading.Event = field(default_factory=threading.Event)
    wait: Callable[[float], object] | None = None
    """Waits so many seconds, or until `stop` is set; stands in for that in tests."""

    def fetch(self, remote: Remote, target: Path) -> None:
        """Brings the file to `target`. Raises HoshikageError."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(target.with_name(target.name + ".part.lock"), timeout=0):
                if not target.exists():
                    self._fetch(remote, target)
        except Timeout:
            raise Unavailable("pull.busy", name=remote.name) from None
        except OSError as error:
            if error.errno in FULL:
                raise Unavailable("pull.disk_full", folder=str(target.parent)) from None
            reason = error.strerror or str(error)
            raise Unavailable("pull.io_failed", file=str(target), reason=reason) from None

    def _fetch(self, remote: Remote, target: Path) -> None:
        part = target.with_name(target.name + ".part")
        about = target.with_name(target.name + ".part.json")
        part_of = _identity(remote)
        if part.exists() and _read(about) != part_of:
            part.unlink()  # of another file, or of nobody knows which
        about.write_text(json.dumps(part_of), "utf-8")
        with part.open("ab") as stream:
            size = self._complete(remote, stream)
            stream.flush()
            os.fsync(stream.fileno())
        self.on_check(remote.name)
        if remote.sha256 is not None and (result := self._sum(part)) != remote.sha256:
            part.unlink()
            about.unlink()
            raise Unavailable("pull.sum_differs", name=remote.name, expected=remote.sha256, found=result)
        self.on_bytes(remote.name, size, size)
        part.replace(target)
        about.unlink()
        durable.flush_folder(target.parent)

    def _complete(self, remote: Remote, stream: IO[bytes]) -> int:
        """Adds what is missing, by as many requests as it takes; the whole size."""
        tries = 0
        while True:
            before = stream.tell()
            if remote.size is not None and before == remote.size:
                return before
            if remote.size is not None and before > remote.size:
                _empty(stream)
                before = 0
            try:
                total = self._request(remote, stream) or remote.size
                if stream.tell() == total or total is None:
                    return stream.tell()
                problem: HoshikageError = Unavailable("pull.cut", name=remote.name, done=stream.tell(), total=total)
                pause = None
            except _Again as again:
                problem, pause = again.problem, again.pause
            tries = 0 if stream.tell() > before else tries + 1
            if tries > len(PAUSES_S) or (pause or 0) > MAX_PAUSE_S:
                raise problem
            self._pause(pause if pause is not None else PAUSES_S[max(0, tries - 1)])

    def _request(self, remote: Remote, stream: IO[bytes]) -> int | None:
        """Adds what one answer brings, and gives the whole size that it tells. Raises _Again, HoshikageError."""
        at = stream.tell()
        self._require_running()
        try:
            with _open(remote, at) as answer:
                total = _begin(answer, remote, stream, at)
                if total is not None and remote.size is not None and total != remote.size:
                    raise Unavailable("pull.size_differs", name=remote.name, expected=remote.size, found=total)
                self._copy(answer, remote, stream, total)
                return total
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and at:
                _empty(stream)
                raise _Again(Unavailable("pull.http", name=remote.name, status=416)) from None
            raise _answered(error, remote) from None
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            reason = str(cause) or type(cause).__name__
            raise _Again(Unavailable("pull.unreachable", name=remote.name, reason=reason)) from None

    def _copy(self, answer: Any, remote: Remote, stream: IO[bytes], total: int | None) -> None:
        while chunk := answer.read1(CHUNK):
            if total is not None and stream.tell() + len(chunk) > total:
                _empty(stream)
                raise Unavailable("pull.size_differs", name=remote.name, expected=total, found=total + len(chunk))
            stream.write(chunk)
            self.on_bytes(remote.name, stream.tell(), total or 0)
            self._require_running()

    def _sum(self, part: Path) -> str:
        with part.open("rb") as stream:
            digest = digests.sha256(os.fstat(stream.fileno()).st_size)
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                self._require_running()
        return digest.hexdigest()

    def _pause(self, seconds: float) -> None:
        (self.wait or self.stop.wait)(seconds)
        self._require_running()

    def _require_running(self) -> None:
        if self.stop.is_set():
            raise Stopped


class _Again(Exception):
    """Another request may do better."""

    def __init__(self, problem: HoshikageError, pause: float | None = None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.pause = pause


def head(remote: Remote) -> Remote:
    """Returns the same with the size and the mark that the server tells. Raises HoshikageError."""
    request = urllib.request.Request(remote.url, headers=_headers(remote), method="HEAD")
    try:
        with _opener().open(request, timeout=TIMEOUT_S) as answer:
            length = answer.headers.get("Content-Length")
            size = int(length) if length and length.isdecimal() else None
            etag = answer.headers.get("ETag")
    except urllib.error.HTTPError as error:
        error.close()
        status = error.code
        if status in (405, 501):
            return remote  # a server that only gives
        raised = _answered(error, remote)
        raise (raised.problem if isinstance(raised, _Again) else raised) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable("pull.unreachable", name=remote.name, reason=str(error)) from None
    return Remote(remote.url, remote.name, remote.headers, size or remote.size, remote.sha256, etag or remote.etag)


def read_json(remote: Remote, max_bytes: int = 16 << 20) -> Any:
    """Raises HoshikageError."""
    try:
        with _opener().open(urllib.request.Request(remote.url, headers=_headers(remote)), timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read(max_bytes))
    except urllib.error.HTTPError as error:
        error.close()
        raised = _answered(error, remote)
        raise (raised.problem if isinstance(raised, _Again) else raised) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable("pull.unreachable", name=remote.name, reason=str(error)) from None


def _headers(remote: Remote) -> dict[str, str]:
    return {"User-Agent": "hoshikage", "Accept-Encoding": "identity", **remote.headers}


def _open(remote: Remote, at: int) -> Any:
    headers = _headers(remote)
    if at:
        headers["Range"] = f"bytes={at}-"
        if remote.etag and not remote.etag.startswith("W/"):
            headers["If-Range"] = remote.etag
    return _opener().open(urllib.request.Request(remote.url, headers=headers), timeout=TIMEOUT_S)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_GuardedRedirects())


class _GuardedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects without showing another host what was meant for the first one, and never away from TLS."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if after.scheme not in ("http", "https") or (before.scheme == "https" and after.scheme != "https"):
            raise urllib.error.HTTPError(newurl, code, "redirect", headers, fp)
        result = super().redirect_request(req, fp, code, msg, headers, newurl)
        if result is not None:
            if req.get_method() == "HEAD":
                result.method = "HEAD"
            if (before.scheme, before.netloc) != (after.scheme, after.netloc):
                for name in [name for name in result.headers if name.lower() in ("authorization", "cookie")]:
                    result.remove_header(name)
        return result


def _begin(answer: Any, remote: Remote, stream: IO[bytes], at: int) -> int | None:
    """Readies `stream` for the answer's bytes, empty where they are the whole file; returns the whole size where the
    answer tells it, else None. Raises _Again, Unavailable."""
    length = answer.headers.get("Content-Length")
    announced = int(length) if length and length.isdecimal() else None
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise Unavailable("pull.encoded", name=remote.name)
    if answer.status == 206:
        first, total = _range(answer.headers.get("Content-Range", ""))
        if first == at:
            return total
        _empty(stream)
        raise _Again(Unavailable("pull.range_wrong", name=remote.name))
    if at:
        _empty(stream)  # the server gives the whole again: it knows no ranges, or the file has changed
    return announced


def _range(value: str) -> tuple[int | None, int | None]:
    """Reads a range such as `bytes 5-9/10` as 5, 10."""
    unit, _, rest = value.strip().partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes" or not first.isdecimal():
        return None, None
    return int(first), int(total) if total.isdecimal() else None


def _answered(error: urllib.error.HTTPError, remote: Remote) -> _Again | HoshikageError:
    status = error.code
    if status in RETRIED:
        after = error.headers.get("Retry-After", "") if error.headers else ""
        pause = float(after) if after.isdecimal() else None
        if pause is not None and pause > MAX_PAUSE_S:
            return _Again(Unavailable("pull.busy_server", name=remote.name, seconds=int(pause)), pause)
        return _Again(Unavailable("pull.http", name=remote.name, status=status), pause)
    if status in (401, 403):
        return PermissionRefused("pull.forbidden", name=remote.name, status=status)
    if status in (404, 410):
        return NotFound("pull.not_found", name=remote.name)
    return Unavailable("pull.http", name=remote.name, status=status)


def _identity(remote: Remote) -> dict[str, Any]:
    """Returns what tells a file from another one of the same name."""
    if remote.sha256 is not None:
        return {"sha256": remote.sha256}
    return {"url": remote.url, "size": remote.size, "etag": remote.etag}


def _read(about: Path) -> Any:
    with suppress(OSError, ValueError):
        return json.loads(about.read_bytes())
    return None


def _empty(stream: IO[bytes]) -> None:
    stream.seek(0)
    stream.truncate()


def present(target: Path) -> int:
    """Returns how many bytes of the file are here already, whole or in part."""
    for file in (target, target.with_name(target.name + ".part")):
        with suppress(OSError):
            return file.stat().st_size
    return 0


def require_space(folder: Path, needed: int) -> None:
    """Raises UsageError where the disk does not hold what is still to come."""
    import shutil

    existing = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if needed + MIN_FREE > free:
        raise UsageError("pull.no_space", folder=str(existing), needed=needed >> 20, free=free >> 20)
