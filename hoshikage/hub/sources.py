"""Models come from here: a hub, ModelScope, a plain URL; all give the same three things. Any thread; blocking."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

from hoshikage.errors import HoshikageError, NotFound, PermissionRefused, Unavailable, UsageError
from hoshikage.hub.address import Address
from hoshikage.hub.choice import RemoteFile
from hoshikage.hub.transfer import Remote, head, read_json
from hoshikage.urls import public

MODELSCOPE: Final = "https://www.modelscope.cn"
MAIN: Final = "main"
MASTER: Final = "master"
ETAG: Final = re.compile(r"[0-9A-Za-z_-]{1,128}", re.ASCII)
"""An ETag that fits this becomes a file's name."""
SHA256: Final = re.compile(r"[0-9a-f]{64}")
"""The mark of a large file is its sum; some mirrors leave it out of their lists."""
LOCAL: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """This file is to be fetched, to `target`."""

    remote: Remote
    target: Path


class ModelSource(Protocol):
    """A source is one repository, or one file."""

    where: str
    """People are told `where`."""

    def files(self) -> list[RemoteFile]:
        """Lists all its files. Raises HoshikageError."""

    def place(self, file: RemoteFile) -> PlacedFile | Path:
        """Returns what has to be fetched; or the file itself where it is here already. Raises HoshikageError."""

    def finish(self, file: RemoteFile, placed: PlacedFile) -> Path:
        """Returns the path that the fetched file is to be used from."""


def source(address: Address, folder: Path, environ: Mapping[str, str]) -> ModelSource:
    """`folder` keeps what comes from elsewhere than the hub. Raises UsageError."""
    if address.kind == "huggingface":
        return HuggingFace(address, environ)
    return ModelScope(address, folder, environ) if address.kind == "modelscope" else PlainUrl(address, folder)


class HuggingFace:
    """This is a repository of the hub, with huggingface-hub's own tokens, endpoint and cache.

    Its client names the files, and puts them into its cache's order. The bytes are fetched here, because it begins
    a file anew after every end of a process.
    """

    def __init__(self, address: Address, environ: Mapping[str, str]) -> None:
        try:
            import huggingface_hub
        except ImportError:
            raise UsageError("pull.no_client") from None
        self._hub: Any = huggingface_hub
        self.where = address.where
        self._address = address
        self._revision = address.revision or MAIN
        self._endpoint = environ.get("HF_ENDPOINT", "").rstrip("/") or None
        self._token = environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN") or None
        self._cache = _hub_cache(environ)
        self._offline = environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")

    def files(self) -> list[RemoteFile]:
        if self._offline:
            return self._cached()
        api = self._hub.HfApi(endpoint=self._endpoint, token=self._token)
        info = self._asked(lambda: api.model_info(self.where, revision=self._revision, files_metadata=True))
        self._revision = info.sha or self._revision  # all files of one state of the repository
        return [
            RemoteFile(one.rfilename, int(one.size or 0), one.lfs.sha256 if one.lfs else None)
            for one in info.siblings or ()
        ]

    def place(self, file: RemoteFile) -> PlacedFile | Path:
        kept = self._hub.try_to_load_from_cache(self.where, file.path, cache_dir=self._cache, revision=self._revision)
        if isinstance(kept, str):
            return Path(kept)
        if self._offline:
            raise UsageError("pull.offline", where=self.where)
        url = self._hub.hf_hub_url(self.where, file.path, revision=self._revision, endpoint=self._endpoint)
        about = self._asked(lambda: self._hub.get_hf_file_metadata(url, token=self._token, endpoint=self._endpoint))
        if not about.etag or not ETAG.fullmatch(about.etag) or (file.size and about.size not in (None, file.size)):
            raise Unavailable("pull.size_differs", name=file.path, expected=file.size, found=about.size or 0)
        headers = self._hub.utils.build_hf_headers(token=self._token)
        sha256 = file.sha256 or (about.etag if SHA256.fullmatch(about.etag) else None)
        remote = Remote(url, file.path, headers, file.size or about.size, sha256)
        blobs = self._cache / f"models--{self.where.replace('/', '--')}" / "blobs"
        return PlacedFile(remote, blobs / about.etag)

    def finish(self, file: RemoteFile, placed: PlacedFile) -> Path:
        """The client finds the bytes in its cache, and gives them their name there."""
        del placed
        return Path(
            self._asked(
                lambda: self._hub.hf_hub_download(
                    self.where,
                    file.path,
                    revision=self._revision,
                    cache_dir=self._cache,
                    endpoint=self._endpoint,
                    token=self._token,
                )
            )
        )

    def _cached(self) -> list[RemoteFile]:
        """Lists what the cache holds, for a machine that must not ask."""
        root = self._snapshot()
        if root is None:
            raise UsageError("pull.offline", where=self.where)
        self._revision = root.name
        return [
            RemoteFile(one.relative_to(root).as_posix(), one.stat().st_size)
            for one in sorted(root.rglob("*"))
            if one.is_file()
        ]

    def _snapshot(self) -> Path | None:
        """Returns the state of the repository that the revision was last seen as, else the one that came last."""
        folder = self._cache / f"models--{self.where.replace('/', '--')}"
        with suppress(OSError):
            named = folder / "snapshots" / (folder / "refs" / self._revision).read_text("utf-8").strip()
            if named.is_dir():
                return named
        with suppress(OSError):
            return max((folder / "snapshots").iterdir(), key=lambda one: one.stat().st_mtime, default=None)
        return None

    def _asked(self, ask: Any) -> Any:
        """Returns what the client answers, its errors as ours. Raises HoshikageError."""
        errors = self._hub.errors
        try:
            return ask()
        except errors.GatedRepoError:
            raise PermissionRefused("pull.gated", where=self.where) from None
        except errors.RepositoryNotFoundError:
            raise NotFound("pull.repo_unknown", where=self.where) from None
        except errors.RevisionNotFoundError:
            raise NotFound("pull.revision_unknown", where=self.where, revision=self._revision) from None
        except errors.EntryNotFoundError:
            raise NotFound("pull.not_found", name=self.where) from None
        except errors.HFValidationError:
            raise UsageError("pull.address_invalid", address=self.where) from None
        except HoshikageError:
            raise
        except Exception as error:  # noqa: BLE001  the client's own, its HTTP library's, and the system's
            raise _from_client(error, self.where) from None


def _from_client(error: Exception, where: str) -> HoshikageError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return PermissionRefused("pull.forbidden", name=where, status=status)
    if status is not None:
        return Unavailable("pull.http", name=where, status=status)
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    return Unavailable("pull.unreachable", name=where, reason=reason)


class ModelScope:
    """This is a repository of ModelScope, by its public HTTP API."""

    def __init__(self, address: Address, folder: Path, environ: Mapping[str, str]) -> None:
        self.where = address.where
        self._revision = address.revision or MASTER
        self._base = environ.get("MODELSCOPE_ENDPOINT", "").rstrip("/") or MODELSCOPE
        self._folder = folder / "modelscope" / address.where
        token = environ.get("MODELSCOPE_API_TOKEN")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def files(self) -> list[RemoteFile]:
        query = f"Revision={quote(self._revision, safe='')}&Recursive=true"
        url = f"{self._base}/api/v1/models/{quote(self.where)}/repo/files?{query}"
        answer = read_json(Remote(url, self.where, self._headers))
        try:
            return [
                RemoteFile(
                    str(one["Path"]), int(one["Size"]), str(one["Sha256"]).lower() if one.get("Sha256") else None
                )
                for one in answer["Data"]["Files"]
                if one.get("Type") != "tree"
            ]
        except (LookupError, TypeError, ValueError):
            raise Unavailable("pull.unreadable", where=self.where) from None

    def place(self, file: RemoteFile) -> PlacedFile | Path:
        target = self._folder / _inside(file.path)
        if target.exists() and target.stat().st_size == file.size:
            return target
        query = f"Revision={quote(self._revision, safe='')}&FilePath={quote(file.path, safe='')}"
        url = f"{self._base}/api/v1/models/{quote(self.where)}/repo?{query}"
        return PlacedFile(Remote(url, file.path, self._headers, file.size, file.sha256), target)

    def finish(self, file: RemoteFile, placed: PlacedFile) -> Path:
        del file
        return placed.target


class PlainUrl:
    """This is one file by its URL. Of a split model's first part, the others are taken from beside it."""

    def __init__(self, address: Address, folder: Path) -> None:
        parts = urlsplit(address.where)
        if parts.scheme != "https" and parts.hostname not in LOCAL and address.sha256 is None:
            raise UsageError("pull.url_not_https", url=public(address.where))
        self.where = public(address.where)
        self._address = address
        self._folder = folder / "url" / (parts.hostname or "") / _inside(parts.path).parent

    def files(self) -> list[RemoteFile]:
        from hoshikage.gguf import SplitName

        url = self._address.where
        name = urlsplit(url).path.rpartition("/")[2]
        split = SplitName.of(name)
        names = (name,) if split is None else split.all()
        result = []
        for one in names:
            answer = head(Remote(url.replace(name, one), one))
            result.append(RemoteFile(one, answer.size or 0, self._address.sha256 if split is None else None))
        return result

    def place(self, file: RemoteFile) -> PlacedFile | Path:
        target = self._folder / file.name
        url = self._address.where
        answer = head(Remote(url.replace(urlsplit(url).path.rpartition("/")[2], file.name), file.name))
        if target.exists() and answer.size is not None and target.stat().st_size == answer.size:
            return target
        return PlacedFile(
            Remote(answer.url, answer.name, answer.headers, answer.size, file.sha256, answer.etag), target
        )

    def finish(self, file: RemoteFile, placed: PlacedFile) -> Path:
        del file
        return placed.target


def _inside(path: str) -> Path:
    """Returns a path of a repository as one below a folder of ours. Raises UsageError for one that leads out of it."""
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    if not parts or any(part in (".", "..") or ":" in part or "\0" in part for part in parts):
        raise UsageError("pull.path_unsafe", path=path[:200])
    return Path(*parts)


def _hub_cache(environ: Mapping[str, str]) -> Path:
    """Returns where huggingface-hub keeps files, by the variables that it reads."""
    if folder := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(folder).expanduser()
    if home := environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    cache = environ.get("XDG_CACHE_HOME")
    root = Path(cache) if cache else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111  as the client does
    return root / "huggingface" / "hub"
