"""Where sets come from: addresses over HTTP, GitHub's releases by a server on this machine, the real npm registry."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
import sys
from pathlib import Path

import pytest

from hoshikage.errors import HoshikageError, InstallFailed, UsageError
from hoshikage.library import download, github, npm, releases, sources
from hoshikage.library.releases import Platform
from hoshikage.urls import public

from .conftest import Site
from .test_archive import tar, zipped

LINUX = Platform("linux", "x64")
WINDOWS = Platform("win32", "x64")
REPOSITORY = "/repos/ggml-org/llama.cpp"


def ignore(*numbers: object) -> None:
    return


# addresses


def test_fetch(site: Site, tmp_path: Path) -> None:
    site.files["/a.zip"] = bytes(700_000)
    told: list[tuple[int, int]] = []
    digest = download.fetch(f"{site.address}/a.zip", tmp_path / "a", lambda *numbers: told.append(numbers))
    assert digest == hashlib.sha256(bytes(700_000)).hexdigest()
    assert (tmp_path / "a").stat().st_size == 700_000
    assert told[-1] == (700_000, 700_000)
    assert told == sorted(told)


def test_redirect(site: Site, tmp_path: Path) -> None:
    site.files["/b"] = b"b"
    site.moves["/a"] = f"{site.address}/b"
    download.fetch(f"{site.address}/a", tmp_path / "a", ignore)
    assert (tmp_path / "a").read_bytes() == b"b"


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a.zip", "http://127.0.0.1.example.com/a", "http://10.0.0.1/a", "file:///etc/passwd",
     "ftp://127.0.0.1/a", "http:///a"],
)  # fmt: skip
def test_only_https_or_this_machine(site: Site, tmp_path: Path, url: str) -> None:
    site.moves["/a"] = url
    for asked in (url, f"{site.address}/a"):
        with pytest.raises(InstallFailed) as caught:
            download.fetch(asked, tmp_path / "a", ignore)
        # urllib itself refuses a redirect to other schemes than these
        assert caught.value.key in ("library.url_not_https", "library.download_failed")
    assert not (tmp_path / "a").exists()


def test_not_found_cut_short_and_unreachable(site: Site, tmp_path: Path) -> None:
    site.files["/cut"] = bytes(1000)
    site.cut_short.add("/cut")
    for url in (f"{site.address}/absent", f"{site.address}/cut", "http://127.0.0.1:1/a", "https:///a", "https://[/"):
        with pytest.raises(HoshikageError) as caught:
            download.fetch(url, tmp_path / re.sub(r"\W", "_", url), ignore)
        assert caught.value.key == "library.download_failed"


def test_an_answer_that_is_no_json(site: Site) -> None:
    site.files["/x"] = b"<html>"
    with pytest.raises(InstallFailed, match=r"library\.download_failed"):
        download.read_json(f"{site.address}/x")


def test_secrets_of_an_address_are_not_shown() -> None:
    assert public("https://me:secret@example.com/a.zip?token=1#x") == "https://example.com/a.zip"


# what fits


@pytest.mark.parametrize(
    ("system", "machine", "label"),
    [
        ("linux", "x86_64", "linux-x64"), ("linux", "aarch64", "linux-arm64"), ("linux", "armv7l", "linux-armv7l"),
        ("darwin", "arm64", "mac-arm64"), ("darwin", "x86_64", "mac-x64"), ("win32", "AMD64", "win-x64"),
        ("win32", "ARM64", "win-arm64"), ("linux", "riscv64", "linux-riscv64"),
    ],
)  # fmt: skip
def test_machines(system: str, machine: str, label: str) -> None:
    assert releases.machine(system, machine).label == label


@pytest.mark.parametrize(
    ("machine", "backend", "package"),
    [
        (LINUX, "cpu", "@node-llama-cpp/linux-x64"),
        (LINUX, "cuda", "@node-llama-cpp/linux-x64-cuda"),
        (LINUX, "vulkan", "@node-llama-cpp/linux-x64-vulkan"),
        (Platform("linux", "armv7l"), "cpu", "@node-llama-cpp/linux-armv7l"),
        (Platform("darwin", "arm64"), "metal", "@node-llama-cpp/mac-arm64-metal"),
        (Platform("darwin", "x64"), "cpu", "@node-llama-cpp/mac-x64"),
        (WINDOWS, "cuda", "@node-llama-cpp/win-x64-cuda"),
        (Platform("win32", "arm64"), "cpu", "@node-llama-cpp/win-arm64"),
    ],
)
def test_packages(machine: Platform, backend: str, package: str) -> None:
    assert releases.npm_package(machine, backend) == package


def test_builds_that_do_not_exist() -> None:
    for machine, backend in (
        (LINUX, "metal"),
        (Platform("linux", "arm64"), "cuda"),
        (Platform("linux", "s390x"), "cpu"),
    ):
        with pytest.raises(InstallFailed, match=r"library\.no_build"):
            releases.npm_package(machine, backend)
    for machine, backend in (
        (LINUX, "metal"),
        (Platform("linux", "armv7l"), "cpu"),
        (Platform("sunos5", "x64"), "cpu"),
    ):
        with pytest.raises(InstallFailed, match=r"library\.no_build"):
            releases.archive_patterns(machine, backend)


def test_default_backends() -> None:
    assert releases.default_backend(Platform("darwin", "arm64")) == "metal"
    assert releases.default_backend(Platform("darwin", "x64")) == "cpu"
    assert releases.default_backend(LINUX) == "cpu"


def test_cuda_packages_have_a_second_one_since_it_exists() -> None:
    assert releases.npm_extension("@node-llama-cpp/linux-x64-cuda", "3.22.1") == "@node-llama-cpp/linux-x64-cuda-ext"
    assert releases.npm_extension("@node-llama-cpp/win-x64-cuda", "3.12.4") == "@node-llama-cpp/win-x64-cuda-ext"
    assert releases.npm_extension("@node-llama-cpp/linux-x64-cuda", "3.12.1") is None
    assert releases.npm_extension("@node-llama-cpp/linux-x64", "3.22.1") is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, releases.WantedBuild()),
        ("3.18.1", releases.WantedBuild("3.18.1", "b8390")),
        ("9.0.0", releases.WantedBuild("9.0.0", None)),
        ("b8390", releases.WantedBuild("3.18.1", "b8390")),
        ("v0.5.0", releases.WantedBuild("3.22.1", "v0.5.0")),
        ("b4291", releases.WantedBuild("3.3.2", "b4291")),
        ("b9999", releases.WantedBuild(None, "b9999")),
    ],
)
def test_releases(given: str | None, wanted: releases.WantedBuild) -> None:
    assert releases.wanted(given) == wanted


@pytest.mark.parametrize("given", ["latest", "8390", "b", "3.18", "--cache=/", "b8390;rm", ""])
def test_releases_that_are_none(given: str) -> None:
    with pytest.raises(UsageError, match=r"library\.release_unclear"):
        releases.wanted(given)


def test_the_table_of_releases_agrees_with_the_libraries(libraries: dict[str, Path]) -> None:
    for release, file in libraries.items():
        package = json.loads((file.parent.parent.parent / "package.json").read_bytes())
        assert releases.RELEASES[package["version"]] == release


# GitHub


def offer(site: Site, tag: str, *archives: tuple[str, bytes], digest: bool = True) -> dict[str, object]:
    assets = []
    for name, content in archives:
        site.files[f"/download/{tag}/{name}"] = content
        assets.append(
            {
                "name": name,
                "size": len(content),
                "digest": f"sha256:{hashlib.sha256(content).hexdigest()}" if digest else None,
                "browser_download_url": f"{site.address}/download/{tag}/{name}",
            }
        )
    answer: dict[str, object] = {"tag_name": tag, "assets": assets}
    site.files[f"{REPOSITORY}/releases/tags/{tag}"] = json.dumps(answer).encode()
    return answer


def market(site: Site, machine: Platform = LINUX, path: str = "") -> sources.Sources:
    return sources.Sources(machine, {"PATH": path}, ignore, api=site.address + REPOSITORY)


def official(folder: Path, tag: str) -> bytes:
    return tar(
        folder / "made.tgz", (f"llama-{tag}/libllama.so", b"lib"), (f"llama-{tag}/llama-server", b"program")
    ).read_bytes()


def names(brought: sources.Fetched) -> list[str]:
    return sorted(path.name for folder in brought.folders for path in folder.rglob("*") if path.is_file())


def test_latest_release_that_has_the_archive(site: Site, tmp_path: Path) -> None:
    incomplete = offer(site, "b9002", ("llama-b9002-bin-macos-arm64.tar.gz", b""))
    complete = offer(
        site,
        "b9001",
        ("llama-b9001-bin-ubuntu-vulkan-x64.tar.gz", b"no"),
        ("llama-b9001-bin-ubuntu-x64.tar.gz", official(tmp_path, "b9001")),
    )
    site.files[f"{REPOSITORY}/releases"] = json.dumps([incomplete, complete]).encode()
    (tmp_path / "work").mkdir()
    brought = sources.fetch(sources.InstallRequest(), market(site), tmp_path / "work")
    assert (brought.source, brought.release, brought.own) == ("github", "b9001", True)
    assert brought.origin.endswith("/llama-b9001-bin-ubuntu-x64.tar.gz")
    assert names(brought) == ["libllama.so"]


def test_named_release_comes_from_github_where_npm_has_it_not(site: Site, tmp_path: Path) -> None:
    offer(site, "b9003", ("llama-b9003-bin-ubuntu-x64.tar.gz", official(tmp_path, "b9003")))
    client = tmp_path / "npm"
    client.write_text("#!/bin/sh\nexit 9\n")
    client.chmod(0o755)
    (tmp_path / "work").mkdir()
    brought = sources.fetch(
        sources.InstallRequest(release="b9003"), market(site, path=str(tmp_path)), tmp_path / "work"
    )
    assert (brought.source, brought.release) == ("github", "b9003")


def test_windows_cuda_takes_two_archives_of_one_cuda(site: Site, tmp_path: Path) -> None:
    def made(name: str) -> bytes:
        return zipped(tmp_path / "made.zip", (name, b"dll", stat.S_IFREG)).read_bytes()

    offer(
        site,
        "b9001",
        ("cudart-llama-bin-win-cuda-13.1-x64.zip", made("cudart64_13.dll")),
        ("cudart-llama-bin-win-cuda-12.4-x64.zip", made("cudart64_12.dll")),
        ("llama-b9001-bin-win-cuda-13.1-x64.zip", made("x.dll")),
        ("llama-b9001-bin-win-cuda-12.4-x64.zip", made("llama.dll")),
        ("llama-b9001-bin-win-cuda-11.7-x64.zip", made("y.dll")),
    )
    (tmp_path / "work").mkdir()
    brought = sources.fetch(sources.InstallRequest("cuda", "b9001"), market(site, WINDOWS), tmp_path / "work")
    assert names(brought) == ["cudart64_12.dll", "llama.dll"]


def test_altered_archive(site: Site, tmp_path: Path) -> None:
    offer(site, "b9001", ("llama-b9001-bin-ubuntu-x64.tar.gz", official(tmp_path, "b9001")))
    site.files["/download/b9001/llama-b9001-bin-ubuntu-x64.tar.gz"] += b"x"
    with pytest.raises(InstallFailed, match=r"library\.checksum"):
        sources.fetch(sources.InstallRequest(release="b9001"), market(site), tmp_path)


def test_archive_without_checksum(site: Site, tmp_path: Path) -> None:
    offer(site, "b9001", ("llama-b9001-bin-ubuntu-x64.zip", b"x"), digest=False)
    with pytest.raises(InstallFailed, match=r"library\.no_checksum"):
        sources.fetch(sources.InstallRequest(release="b9001"), market(site), tmp_path)
    assert not [path for path in site.asked if path.startswith("/download")]


def test_release_without_an_archive_for_this_machine(site: Site, tmp_path: Path) -> None:
    offer(site, "b9001", ("llama-b9001-bin-macos-arm64.tar.gz", b"x"))
    with pytest.raises(InstallFailed) as caught:
        sources.fetch(sources.InstallRequest(release="b9001"), market(site), tmp_path)
    assert caught.value.key == "library.no_archive"
    assert caught.value.details == {"release": "b9001", "offered": "llama-b9001-bin-macos-arm64.tar.gz"}


@pytest.mark.parametrize(
    "answer",
    [{}, {"tag_name": "b1", "assets": [{}]}, {"tag_name": "b1", "assets": 5}, "text", None,
     {"tag_name": "b1", "assets": [{"name": "../a", "size": 1, "browser_download_url": ""}]}],
)  # fmt: skip
def test_answers_of_another_shape(site: Site, answer: object) -> None:
    site.files[f"{REPOSITORY}/releases/tags/b9001"] = json.dumps(answer).encode()
    with pytest.raises(InstallFailed, match=r"library\.download_failed"):
        github.resolve(site.address + REPOSITORY, "b9001", releases.archive_patterns(LINUX, "cpu"))


def test_npm_version_of_unknown_release_without_npm(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match=r"library\.npm_needed"):
        sources.fetch(sources.InstallRequest(release="9.0.0"), market(site), tmp_path)


# npm


def client() -> str:
    found = npm.find_client(os.environ)
    assert found is not None, "the npm client is needed for this test: install Node.js"
    return found


@pytest.mark.process
def test_a_real_package(tmp_path: Path) -> None:
    name = "@node-llama-cpp/linux-x64"
    package = npm.resolve(client(), name, "3.1.1", tmp_path)
    assert (package.name, package.version) == (name, "3.1.1")
    assert package.integrity.startswith("sha512-")
    (tmp_path / "parcel").mkdir()
    told: list[int] = []
    file = npm.pack(client(), package, tmp_path / "parcel", told.append)
    assert npm.matches(file, package.integrity)
    assert not (tmp_path / "parcel" / "cache").exists()
    assert told == sorted(told)


@pytest.mark.process
def test_versions_and_packages_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed) as caught:
        npm.resolve(client(), "@node-llama-cpp/linux-x64", "999.0.0", tmp_path)
    assert caught.value.key == "library.npm_failed"
    assert "E404" in str(caught.value.details["reason"]) or "ETARGET" in str(caught.value.details["reason"])


def fake_client(folder: Path, script: str) -> str:
    """Writes an npm client that runs `script` with its arguments in sys.argv."""
    file = folder / "npm"
    file.write_text(f"#!{sys.executable} -SE\nimport json, sys\n{script}\n")
    file.chmod(0o755)
    return str(file)


def integrity(content: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


@pytest.mark.process
@pytest.mark.parametrize(("content", "claimed"), [(b"altered", integrity(b"right")), (b"right", integrity(b"other"))])
def test_a_package_with_another_content_than_the_registrys(tmp_path: Path, content: bytes, claimed: str) -> None:
    script = f"open('p.tgz', 'wb').write({content!r}); print(json.dumps([dict(integrity={claimed!r})]))"
    parcel = tmp_path / "parcel"
    parcel.mkdir()
    with pytest.raises(InstallFailed, match=r"library\.checksum"):
        npm.pack(fake_client(tmp_path, script), npm.Package("p", "1.0.0", integrity(b"right")), parcel, ignore)


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("print(json.dumps(dict(error=dict(code='ENOTFOUND', summary='no network\\nmore')))); sys.exit(1)",
         "ENOTFOUND no network"),
        ("print('a word', file=sys.stderr); sys.exit(3)", "a word"),
        ("sys.exit(4)", "exit status 4"),
        ("print('not json')", "exit status 0"),
        ("print(json.dumps(dict(name='x', version='1.0.0')))", "npm view"),
        ("print(json.dumps({'name': 'other', 'version': '1.0.0', 'dist.integrity': 'sha512-'}))", "npm view"),
    ],
)  # fmt: skip
def test_a_client_that_fails(tmp_path: Path, script: str, reason: str) -> None:
    with pytest.raises(InstallFailed) as caught:
        npm.resolve(fake_client(tmp_path, script), "x", None, tmp_path)
    assert caught.value.key == "library.npm_failed"
    assert caught.value.details == {"package": "x@latest", "reason": reason}


@pytest.mark.process
def test_cuda_brings_the_extension_of_the_same_version(site: Site, tmp_path: Path) -> None:
    for name in ("linux-x64-cuda", "linux-x64-cuda-ext"):
        inner = "fallback/libggml-cuda.so" if name.endswith("ext") else "libllama.so"
        tar(tmp_path / f"{name}.tgz", (f"package/bins/linux-x64-cuda/{inner}", name.encode()))
    script = f"""
import base64, hashlib, pathlib, shutil
name, _, version = sys.argv[2].rpartition("@")
file = pathlib.Path({str(tmp_path)!r}, name.split("/")[1] + ".tgz")
integrity = "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
version = "3.22.1" if version == "latest" else version
if sys.argv[1] == "view":
    print(json.dumps({{"name": name, "version": version, "dist.integrity": integrity}}))
else:
    shutil.copy(file, ".")
    print(json.dumps([{{"integrity": integrity}}]))
"""
    (tmp_path / "bin").mkdir()
    fake_client(tmp_path / "bin", script)
    (tmp_path / "work").mkdir()
    brought = sources.fetch(sources.InstallRequest("cuda"), market(site, path=str(tmp_path / "bin")), tmp_path / "work")
    assert brought.origin == "@node-llama-cpp/linux-x64-cuda@3.22.1"
    assert (brought.source, brought.release) == ("npm", "v0.5.0")
    assert names(brought) == ["libggml-cuda.so", "libllama.so"]
