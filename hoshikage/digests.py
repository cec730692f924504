"""Makes digests of large files. Any thread; the caller reads.

A server without TLS has started without OpenSSL (`http/no_openssl.py`), and `hashlib` then computes with the
interpreter's own code: enough for what is small, but at a gigabyte its few seconds would be felt.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import _Hash

LARGE: Final = 32 << 20
"""OpenSSL is worth the memory that it takes from this many bytes on."""


def sha256(size: int) -> _Hash:
    """Returns a digest to which about so many bytes will be given."""
    if size >= LARGE:
        try:
            from _hashlib import openssl_sha256
        except ImportError:
            return hashlib.sha256()
        return openssl_sha256()
    return hashlib.sha256()
