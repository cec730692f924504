"""Imports aiohttp without its client, which the server has no use for. Before the first import of aiohttp; main thread.

The package's `__init__` imports its client, which reads the system's certificates twice: half of what all imports of a
start take, and 5 MB. Its server, `aiohttp.web`, imports nothing of that.
"""

from __future__ import annotations

import mimetypes
import re
import sys
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from hoshikage.http.no_openssl import without_openssl

PACKAGE: Final = "aiohttp"
VERSION: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


def alone(*, plain: bool = False) -> None:
    """Has `aiohttp` be a package whose own file runs when somebody asks it for a name that no module of it gave.

    Where it has been imported, or is made otherwise than is known, all is as it would be without this. `plain`: the
    process will speak no TLS by asyncio.
    """
    with without_openssl() if plain else nullcontext():
        _alone()


def _alone() -> None:
    if PACKAGE in sys.modules:
        return
    mimetypes.knownfiles.clear()  # no answer depends on the system's tables, which aiohttp reads at its import
    package = _unread()
    if package is None:
        return
    sys.modules[PACKAGE] = package
    try:
        import_module(f"{PACKAGE}.web")
    except (ImportError, AttributeError):
        for name in [one for one in sys.modules if one.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


def _unread() -> ModuleType | None:
    """Returns the package before its file has run."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.loader is None or spec.origin is None:
        return None
    loader, version = spec.loader, VERSION.search(Path(spec.origin).read_text(encoding="utf-8"))
    if version is None:
        return None
    package = module_from_spec(spec)

    def read(name: str) -> Any:
        if name.startswith("__") or find_spec(f"{PACKAGE}.{name}") is not None:  # `from . import hdrs` asks first
            raise AttributeError(name)
        package.__dict__.pop("__getattr__", None)
        loader.exec_module(package)
        return getattr(package, name)

    vars(package).update(__version__=version[1], __getattr__=read)  # its modules ask for the version
    return package
