"""Reads what a person calls a model that is elsewhere: `ORG/NAME[:QUANT]`, an address of a hub, or a file's URL.
Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from hoshikage.errors import UsageError

Kind = Literal["huggingface", "modelscope", "url"]
REPO: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
QUANT: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
REVISION: Final = re.compile(r"[\w.-]{1,128}(?:/[\w.-]{1,128})*", re.ASCII)
DIGEST: Final = re.compile(r"sha256=([0-9a-fA-F]{64})")
PREFIXES: Final[dict[str, Kind]] = {
    "hf.co/": "huggingface",
    "huggingface.co/": "huggingface",
    "hf:": "huggingface",
    "modelscope.cn/": "modelscope",
    "www.modelscope.cn/": "modelscope",
    "modelscope:": "modelscope",
    "ms:": "modelscope",
}
REFINING: Final = re.compile(r"(?P<repo>[^/]+/[^/]+)/(?:blob|resolve|tree)/(?P<revision>[^/]+)(?:/(?P<file>.+))?")
"""A hub's pages call a file or a revision of a repository like this."""
LATEST: Final = "latest"
"""Ollama's clients put this tag where nobody gave one."""


@dataclass(frozen=True, slots=True)
class Address:
    """This says what is wanted, and from where."""

    kind: Kind
    where: str
    """`where` is the repository, or the URL without its fragment."""
    quant: str | None = None
    file: str | None = None
    """`file` is the one file of the repository that was named."""
    revision: str | None = None
    sha256: str | None = None
    """`sha256` is the sum that the file must have, in hexadecimal; only with a URL."""

    @classmethod
    def of(cls, text: str) -> Address:
        """Reads an address as a person writes it. Raises UsageError."""
        plain = text.strip()
        for scheme in ("https://", "http://"):
            rest = plain.removeprefix(scheme)
            if rest != plain and not any(rest.startswith(host) for host in PREFIXES if "/" in host):
                return _url(plain)
            plain = rest
        kind: Kind = "huggingface"
        for prefix, named in PREFIXES.items():
            if plain.startswith(prefix):
                kind, plain = named, plain.removeprefix(prefix)
                break
        if kind == "modelscope":
            plain = plain.removeprefix("models/").replace("/file/view/", "/resolve/").removesuffix("/files")
        return _repository(kind, plain.split("?")[0].strip("/"), text)


def _url(text: str) -> Address:
    parts = urlsplit(text)
    if not parts.netloc or not parts.path.strip("/"):
        raise UsageError("pull.address_invalid", address=text)
    digest = DIGEST.fullmatch(parts.fragment)
    if parts.fragment and digest is None:
        raise UsageError("pull.digest_invalid", digest=parts.fragment)
    return Address("url", text.partition("#")[0], sha256=digest[1].lower() if digest else None)


def _repository(kind: Kind, plain: str, text: str) -> Address:
    match = REFINING.fullmatch(plain)
    if match is not None:
        repo, revision, file = match["repo"], unquote(match["revision"]), match["file"] and unquote(match["file"])
        if not REPO.fullmatch(repo) or not REVISION.fullmatch(revision):
            raise UsageError("pull.address_invalid", address=text)
        return Address(kind, repo, file=file, revision=revision)
    repo, _, quant = plain.partition(":")
    if not REPO.fullmatch(repo) or (quant and not QUANT.fullmatch(quant)):
        raise UsageError("pull.address_invalid", address=text)
    return Address(kind, repo, quant=None if not quant or quant.lower() == LATEST else quant)
