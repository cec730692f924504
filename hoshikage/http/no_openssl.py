"""Leaves OpenSSL out of a start, for a server that speaks no TLS. Before asyncio is imported; main thread.

CPython can be built without OpenSSL, and what imports it says what holds then: asyncio and aiohttp speak no TLS, and
`hashlib` computes with the interpreter's own code. A server without TLS is started as on such an interpreter: loading
OpenSSL took 5 MB of its memory and a thirtieth of its start.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

OPENSSL: Final = ("ssl", "_ssl", "_hashlib")
ASKING: Final = ("asyncio", "hashlib", "hmac")
"""These modules ask for OpenSSL once, when they are imported."""
OWN_HASHES: Final = (("_md5",), ("_sha1",), ("_sha2", "_sha256"), ("_sha2", "_sha512"), ("_sha3",), ("_blake2",))
"""The interpreter's own code has these names, of which one of each exists. Where some is left out, `hashlib` needs
OpenSSL."""
ANEW: Final = (("http", "client"), ("urllib", "request"))
"""These modules of packages are imported anew when they are asked for: whoever fetches a model needs them with TLS."""


@contextmanager
def without_openssl() -> Iterator[None]:
    """Imports within the block find no OpenSSL; those behind it do, and hash and fetch with it."""
    if any(name in sys.modules for name in (*OPENSSL, *ASKING)) or not all(map(_is_there, OWN_HASHES)):
        yield
        return
    for name in OPENSSL:
        sys.modules[name] = None  # type: ignore[assignment]  # the documented way to have an import fail
    try:
        for name in ASKING:
            import_module(name)
        yield
    finally:
        for name in OPENSSL:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
        for package, name in ANEW:
            sys.modules.pop(f"{package}.{name}", None)


def _is_there(names: tuple[str, ...]) -> bool:
    for name in names:
        try:
            import_module(name)
        except ImportError:
            continue
        return True
    return False
