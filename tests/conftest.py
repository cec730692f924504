"""Makes fixtures that every test may ask for: real libraries, the built-in model, and an empty home.

`scripts/test.py` brings the libraries and names their folder in HOSHIKAGE_TEST_LIBS. What is missing is an error with
its remedy, never a skip: a suite that skips its subject would be green for nothing.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from hoshikage.library import demo, names
from hoshikage.options import SETTINGS
from hoshikage.settings import LANGUAGE_VARIABLE
from tests import marks

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.work_units import WorkUnits

ROOT: Final = Path(__file__).resolve().parent.parent
RELEASES: Final = ("b4529", "b6301", "b8390", "b10361", "v0.5.0")
"""The llama.cpp releases that every test of the library's layer runs with; TESTED of scripts/libraries.py brings them.

They are spread over the years, each with a pair of layouts of its own; most other pairs are met in the matrix alone.
"""
NEWEST: Final = RELEASES[-1]
SPOILING: Final = "b5590"
"""In this release a model that keeps a state keeps it although its sequence is taken out."""
TEST_LIBS: Final = "HOSHIKAGE_TEST_LIBS"
YOUNG_OBJECTS: Final = 50_000
"""So many objects are new when the collector looks for garbage among them."""
LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
SEARCH_VARIABLES: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def pytest_configure() -> None:
    """Nothing of what is imported and collected becomes garbage: the collector need not look through it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What the tests make is looked through more seldom than Python does by itself: that took a tenth of their time."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """The last test of a process fails for what is still found in the garbage: pytest-xdist would not tell of it."""
    try:
        return (yield)
    finally:
        if nextitem is None:
            gc.collect()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file whose every test is left out is not even imported."""
    return marks.is_left_out(collection_path, config.option.markexpr) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marks.mark(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WorkUnits | None:
    """Hands out the tests; only the process that does so imports it."""
    from tests.work_units import WorkUnits

    return WorkUnits(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    marks.GUARD.on = marks.UNIT in item.config.option.markexpr
    try:
        return (yield)
    finally:
        marks.GUARD.on = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that does what its marks do not allow fails, whoever caught the error.

    What was captured becomes encodable: a half of a surrogate pair would end a worker of pytest-xdist.
    """
    report = yield
    if marks.GUARD.fault:
        report.outcome, report.longrepr = "failed", marks.GUARD.fault
        marks.GUARD.fault = ""
    report.sections = [(name, marks.encodable(text)) for name, text in report.sections]
    return report


@pytest.fixture(scope="session")
def libraries() -> dict[str, Path]:
    """Maps each release to its libllama file, in the order of RELEASES."""
    return _found(RELEASES)


@pytest.fixture(scope="session")
def spoiling_library() -> Path:
    """Gives the libllama file of SPOILING."""
    return _found((SPOILING,))[SPOILING]


def _found(releases: Sequence[str]) -> dict[str, Path]:
    folder = Path(os.environ.get(TEST_LIBS) or ROOT / ".cache" / "test-libs")
    found = {}
    for metadata in sorted(folder.glob("*/bins/*/_nlcBuildMetadata.json")):
        release = json.loads(metadata.read_bytes())["buildOptions"]["llamaCpp"]["release"]
        files = [file for file in metadata.parent.iterdir() if names.is_library(file.name, sys.platform)]
        if files:
            found[release] = min(files, key=lambda file: names.preference(file.name, sys.platform))
    missing = [release for release in releases if release not in found]
    if missing:
        pytest.fail(
            f"no libllama of {', '.join(missing)} in {folder}. Run them with `python3 scripts/test.py --full`, "
            f"which brings them, or name their folder in {TEST_LIBS}.",
            pytrace=False,
        )
    return {release: found[release] for release in releases}


@pytest.fixture(scope="session")
def library_file(libraries: dict[str, Path]) -> Path:
    """Gives the newest of the libraries."""
    return libraries[NEWEST]


@pytest.fixture(scope="session")
def _demo() -> demo.DemoModel:
    found = demo.find() or demo.in_folder(ROOT / "demo" / "hoshikage_demo")
    if found is None:
        pytest.fail("the built-in model is not installed: `pip install ./demo`", pytrace=False)
    return found


@pytest.fixture(scope="session")
def demo_model(_demo: demo.DemoModel) -> Path:
    """Gives the built-in model's GGUF file."""
    return _demo.model


@pytest.fixture(scope="session")
def golden(_demo: demo.DemoModel) -> Path:
    """Gives the prompts and greedy ids that any sound library gives for the built-in model."""
    return _demo.golden


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes an empty home with no setting of Hoshikage in the environment, for this process and its children."""
    folder = tmp_path / "home"
    folder.mkdir()
    for variable in (
        *(name for row in SETTINGS for name in (row.variable, *row.aliases)),
        *(name for name in os.environ if name.startswith("HOSHIKAGE_") and name != TEST_LIBS),
        *LOCALE_VARIABLES,
        *SEARCH_VARIABLES,
    ):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {
        "HOME": folder,
        "USERPROFILE": folder,
        "XDG_CONFIG_HOME": folder / ".config",
        "XDG_CACHE_HOME": folder / ".cache",
        "XDG_DATA_HOME": folder / ".local" / "share",
        "APPDATA": folder / "AppData" / "Roaming",
        "LOCALAPPDATA": folder / "AppData" / "Local",
        LANGUAGE_VARIABLE: "en",
    }.items():
        monkeypatch.setenv(variable, str(value))
    return folder
