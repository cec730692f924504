"""What killed processes left is swept when it is old, and nothing else is."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hoshikage.library import leftovers


def made(file: Path, age_s: float, *, folder: bool = False) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        file.mkdir()
        (file / "journal").write_text("x", encoding="utf-8")
    else:
        file.write_text("x", encoding="utf-8")
    then = time.time() - age_s
    os.utime(file, (then, then))
    return file


def test_old_leftovers_go_and_all_else_stays(tmp_path: Path) -> None:
    cache, temporary, old = tmp_path / "cache", tmp_path / "tmp", leftovers.OLD_S + 60
    gone = [
        made(cache / "verdicts" / ".a.json.0123456789abcdef.tmp", old),
        made(temporary / "hoshikage-calibration-abc", old, folder=True),
    ]
    kept = [
        made(cache / "verdicts" / ".b.json.0123456789abcdef.tmp", 5),
        made(cache / "verdicts" / "a.json", old),
        made(temporary / "hoshikage-calibration-new", 5, folder=True),
        made(temporary / "hoshikage-models", old, folder=True),
        made(tmp_path / "elsewhere", old, folder=True),
    ]
    link = temporary / "hoshikage-calibration-link"
    link.symlink_to(kept[-1])
    os.utime(link, (1, 1), follow_symlinks=False)
    leftovers.sweep(cache, temporary)
    assert not any(entry.exists() for entry in gone)
    assert all(entry.exists() for entry in (*kept, link))
    assert (kept[-1] / "journal").exists()


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    leftovers.sweep(tmp_path / "none", tmp_path / "neither")
    assert not list(tmp_path.iterdir())
