"""Brings what the tests need and runs all of them: environment, libllama releases, ruff, mypy, pytest.

`python3 scripts/test.py [--fast] [pytest arguments]`. Main thread; standard library only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bootstrap import Environment, prepare
from hoshikage.library import archive, npm, releases
from screen import ROOT, Refused, Screen, run

TEST_LIBS: Final = "HOSHIKAGE_TEST_LIBS"
LAYOUT: Final = "VERSION/bins/{machine}/libllama*"
LIBRARIES: Final = {
    "3.4.1": "b4529",
    "3.12.4": "b6301",
    "3.18.1": "b8390",
    "3.20.0": "b10361",
    "3.22.1": "v0.5.0",
}
"""npm version -> llama.cpp release: one of each generation of layouts."""
INTEGRITY: Final = {
    "linux-x64": {
        "3.4.1": "sha512-PfA72+0e+txAmoPU+HPiKvOpQNssr6lDdfTXFMdRcwjQWhm+Q8tD5IX9Oq3CLSbnll9xggwczXoMDIxpVIjWrA==",
        "3.12.4": "sha512-5LpwD6Fl2rAMwUuaKwS+q3H422kZUFO0rBxkUjkVorCt0XsHcUp+MCU1rJR5u6WnryA/M9TwmZEdMpdgq3ghqA==",
        "3.18.1": "sha512-tRmWcsyvAcqJHQHXHsaOkx6muGbcirA9nRdNgH6n7bjGUw4VuoBD3dChyNF3/Ktt7ohB9kz+XhhyZjbDHpXyMA==",
        "3.20.0": "sha512-zCSTd5m4MDrLWzgUvOvuGGzHm9DiEONZt+srgHYhV4Ppu/T5TL3kENj7lHY1cmQccKNgepABiyb9KcigjZbvSQ==",
        "3.22.1": "sha512-5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg==",
    },
    "linux-arm64": {
        "3.4.1": "sha512-SpY5QZygqiaCcMnrPpdWMDkYRDfiXY6O71U2YNsAmsqH7g+XWChmUo8CQizpxtIJ1BnasTlx2eYGTtnyCkyxtg==",
        "3.12.4": "sha512-Ytm7nw1uuHipJwDx5bidZ3Usgjta7fKG2QGVPqVvNrvE4KLdg3007Xzm8pveI0zDFDdiDJK1zyneg/QvYt0I5Q==",
        "3.18.1": "sha512-rXMgZxUay78FOJV/fJ67apYP9eElH5jd4df5YRKPlLhLHHchuOSyDn+qtyW/L/EnPzpogoLkmULqCkdXU39XsQ==",
        "3.20.0": "sha512-WFAffebfOLqBaZMfNsORns1G5vLMRVthxw/moDzON7TGYH6PTQN97h5YkLfRoSmZne/rtpHXH2LdYg0vFNAgnQ==",
        "3.22.1": "sha512-W+7naKCXX9/eEjjFmRS8vvx91QyLXDbeFxexZc3bh/PtQABZgmRL3C0AtYYXn4YGTj/3Qor4lWZn2tpjZFPLdQ==",
    },
}
"""What each archive must hash to, whatever the registry says on the day."""
LINTERS: Final = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))


def main(screen: Screen) -> int:
    parser = argparse.ArgumentParser(description=screen.text("test_about"), usage="test.py [--fast] [pytest ...]")
    parser.add_argument("--fast", action="store_true", help=screen.text("test_fast_help"))
    options, pytest_arguments = parser.parse_known_args()
    with screen.step("test_environment") as nothing_to_do:
        environment, changed = prepare(screen, ("test", "dev"))
        if not changed:
            nothing_to_do()
    with screen.step("test_libraries", count=len(LIBRARIES)) as nothing_to_do:
        folder, brought = _libraries(screen)
        if not brought:
            nothing_to_do()
    if not options.fast:
        _lint(screen, environment)
    screen.line()
    return _call(environment, {TEST_LIBS: str(folder)}, "pytest", *pytest_arguments)


def _lint(screen: Screen, environment: Environment) -> None:
    """Runs every linter, so that one look shows what all of them found. Raises Refused."""
    failed = []
    for tool, *arguments in LINTERS:
        shown = " ".join([tool, *arguments])
        with screen.step("test_tool", tool=shown):
            if _call(environment, {}, tool, *arguments) != 0:
                failed.append(shown)
    if failed:
        raise Refused("test_tool_failed", tool=", ".join(failed))


def _call(environment: Environment, variables: dict[str, str], module: str, *arguments: str) -> int:
    """A tool of the environment, in the clone, its output shown as it comes."""
    command = [str(environment.python), "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode


def _libraries(screen: Screen) -> tuple[Path, bool]:
    """The folder with every release of LIBRARIES, and whether one had to be brought. Raises Refused, InstallFailed."""
    if given := os.environ.get(TEST_LIBS):
        folder = Path(given).absolute()
        screen.note(screen.text("test_libraries_given", variable=TEST_LIBS, path=folder))
        return folder, False
    folder = ROOT / ".cache" / "test-libs"
    missing = [version for version in LIBRARIES if not (folder / version).is_dir()]
    if missing:
        machine = releases.machine(sys.platform, platform.machine()).label
        layout = LAYOUT.format(machine=machine)
        if machine not in INTEGRITY:
            raise Refused("test_no_build", machine=machine, variable=TEST_LIBS, layout=layout)
        client = npm.find_client(os.environ)
        if client is None:
            raise Refused("test_no_npm", variable=TEST_LIBS, layout=layout)
        folder.mkdir(parents=True, exist_ok=True)
        for version in missing:
            package = npm.Package(f"{releases.SCOPE}/{machine}", version, INTEGRITY[machine][version])
            bring(screen, client, package, folder / version)
    return folder, bool(missing)


def bring(screen: Screen, client: str, package: npm.Package, target: Path) -> None:
    """Puts the files of a package's `bins` under `target`, all at once. Raises InstallFailed."""
    shown = screen.text(
        "test_library", release=LIBRARIES[package.version], package=package.name, version=package.version
    )
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as work:
        download, unpacked = Path(work, "download"), Path(work, "unpacked")
        download.mkdir()
        unpacked.mkdir()
        file = npm.pack(client, package, download, lambda done: screen.progress(f"{shown} {done >> 20} MiB"))
        archive.unpack(file, unpacked, lambda name: True)
        shutil.rmtree(target, ignore_errors=True)
        (unpacked / "package").rename(target)
    screen.note(shown)


if __name__ == "__main__":
    sys.exit(run(main))
