"""Prints, as one JSON object, what quickstart has to know of this machine; the environment's Python runs it.

Main thread. It judges the library (in a child of its own), which takes seconds the first time.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from hoshikage.errors import HoshikageError, LibraryUnavailable
from hoshikage.library import check_report, demo, locate
from hoshikage.messages import Language, describe, language_of
from hoshikage.registry import Registry
from hoshikage.settings import Settings, cache_dir, load


def main() -> int:
    try:
        settings = load({}, os.environ, Path.cwd()).settings
        facts = {
            "host": settings.host,
            "port": settings.port,
            "library": library(settings),
            "model": model(settings),
        }
    except HoshikageError as error:
        print(describe(language_of(os.environ), error), file=sys.stderr)
        return 1
    print(json.dumps(facts))
    return 0


def library(settings: Settings) -> dict[str, Any]:
    """`state` is `ok`, `missing` or `refused`; a refused one has its `reason`, one that was found `file`, `source`."""
    try:
        result = locate.find(settings.lib_path, settings.lib_dir, os.environ)
    except LibraryUnavailable as error:
        if error.key == "library.missing":
            return {"state": "missing"}
        return _refused(settings.lang, error)
    judged = {"file": str(result.file), "source": result.source}
    try:
        check_report.check(
            result.file, cache_dir=cache_dir(), demo=demo.find(), calibrate=settings.library_calibration
        ).require()
    except LibraryUnavailable as error:
        return {**judged, **_refused(settings.lang, error)}
    return {"state": "ok", **judged}


def _refused(language: Language, error: LibraryUnavailable) -> dict[str, Any]:
    return {"state": "refused", "reason": describe(language, error)}


def model(settings: Settings) -> dict[str, Any] | None:
    """Returns the built-in model's `label` and `file`, and the file that is `registered` under its label."""
    built_in = demo.find()
    if built_in is None:
        return None
    specs = {spec.label: spec.file for spec in Registry(settings.model_map_file).specs()}
    registered = specs.get(built_in.label)
    return {
        "label": built_in.label,
        "file": str(built_in.model),
        "registered": None if registered is None else str(registered),
    }


if __name__ == "__main__":
    sys.exit(main())
