"""Matches the patterns of CORS_ORIGINS against the origins that browsers send. Any thread; pure.

A pattern is `scheme://host`, `scheme://host:port` or `null`; `*` stands for any host, any part of one, or any port
and none. `*` alone stands for every origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hoshikage.frozen import Frozen

ANY: Final = "*"
WEB: Final = ("http", "https")


class Origins(Frozen, frozen=True):
    """Pages of these origins may use the server."""

    patterns: tuple[re.Pattern[str], ...] = ()
    any: bool = False
    """`any` tells whether every origin is listed, also those that no pattern fits."""
    any_site: bool = False
    """`any_site` tells whether pages of every web site are listed."""

    @classmethod
    def of(cls, listed: Iterable[str]) -> Origins:
        """Reads `listed`, the origins as the setting has them."""
        listed = tuple(listed)
        every = ANY in listed
        sites = any(_host(one).strip("*.") == "" for one in listed if one.partition("://")[0] in WEB)
        return cls(tuple(_compiled(one) for one in listed if one != ANY), every, every or sites)

    def lists(self, origin: str) -> bool:
        return self.any or any(pattern.fullmatch(origin) for pattern in self.patterns)

    def __bool__(self) -> bool:
        return self.any or bool(self.patterns)


def _host(pattern: str) -> str:
    """Returns the host of a pattern, without its port."""
    return re.sub(r":(\*|[0-9]+)$", "", pattern.partition("://")[2])


def _compiled(pattern: str) -> re.Pattern[str]:
    scheme, mark, _ = pattern.partition("://")
    host = _host(pattern)
    port = pattern[len(scheme) + len(mark) + len(host) :]
    made = re.escape(scheme + mark) + re.escape(host).replace(r"\*", r"[^/:@\[\]]+")
    made += "(?::[0-9]{1,5})?" if port == ":*" else re.escape(port)
    return re.compile(made)
