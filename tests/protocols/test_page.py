"""Tests the page at /: who gets it, with which headers, and that what it names is there."""

from __future__ import annotations

import gzip
import math
import re
from configparser import ConfigParser
from pathlib import Path
from typing import Final

import pytest

from hoshikage import page
from hoshikage.answer.schema.formats import PICTURES, SOUNDS
from hoshikage.answer.schema.media import MAX_BYTES, MAX_MEDIA
from hoshikage.params import MAX_PIXELS, MAX_SOUND_S
from hoshikage.protocols.hoshikage.page import POLICY, RUNNING
from hoshikage.settings import Settings
from tests.protocols.conftest import House, serving

BROWSER: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ROOT: Final = Path(__file__).resolve().parents[2]
BUDGET: Final = 250 * 1024


async def fetched(house: House, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Returns status, the bytes as they were sent, and headers in small letters."""
    async with house.session.request(
        method, house.url + path, headers={"Accept": BROWSER, **headers}, auto_decompress=False
    ) as response:
        found = {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}
        return response.status, await response.read(), found


async def test_a_browser_gets_the_page_and_others_what_ollamas_clients_look_for(house: House) -> None:
    status, body, headers = await fetched(house, "/", **{"Accept-Encoding": "gzip, br"})
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body).startswith(b"<!doctype html>")
    for accept in ("*/*", "application/json", "text/plain"):
        status, body, headers = await fetched(house, "/", Accept=accept)
        assert (status, body.decode()) == (200, RUNNING)
        assert "Accept" in headers["vary"].split(", ")
    status, body, headers = await fetched(house, "/", "HEAD", Accept="*/*")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(RUNNING)))


async def test_all_that_the_page_names_is_served_for_good(house: House) -> None:
    _, body, headers = await fetched(house, "/", **{"Accept-Encoding": "identity"})
    assert headers["cache-control"] == "no-cache"
    named = set(re.findall(r'(?:href|src)="(page/[^"]+)"', body.decode()))
    assert {Path(one).suffix for one in named} == {".css", ".js", ".svg"}
    for one in named:
        status, script, headers = await fetched(house, f"/{one}", **{"Accept-Encoding": "identity"})
        assert status == 200
        assert "content-encoding" not in headers
        packed = (page.STATIC / f"{Path(one).name}.gz").read_bytes()
        assert script == gzip.decompress(packed)
        assert headers["cache-control"] == (
            "no-cache" if one.endswith(".svg") else "public, max-age=31536000, immutable"
        )


async def test_nothing_of_the_page_can_come_from_elsewhere_or_be_framed(house: House) -> None:
    for path in ("/", "/page/icon.svg", "/page/LICENSES.txt"):
        _, _, headers = await fetched(house, path)
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
    assert "unsafe" not in POLICY
    assert "//" not in POLICY
    _, body, _ = await fetched(house, "/", **{"Accept-Encoding": "identity"})
    assert not re.search(r"<style|style=|<script>|\son\w+=|https?://", body.decode())


@pytest.mark.parametrize(
    "name", ["absent-AAAA.js", "..%2f__init__.py", "%2e%2e%2f__init__.py", "main", "index.html.gz", ".gz", "a%00.js"]
)
async def test_no_other_file_is_reached(house: House, name: str) -> None:
    status, answer, _ = await house.ask("GET", f"/page/{name}")
    assert (status, answer["error"]["code"]) == (404, "not_found")


async def test_the_page_needs_no_token_and_holds_the_rules_of_host_and_origin(settings: Settings) -> None:
    async with serving(settings, exposed=True) as house:
        assert (await fetched(house, "/"))[0] == 200
        assert (await fetched(house, "/page/icon.svg"))[0] == 200
        assert (await house.ask("GET", "/v1/models"))[0] == 401
        assert (await fetched(house, "/", Host="evil.example"))[0] == 403
        assert (await fetched(house, "/", Origin="https://evil.example"))[0] == 403


async def test_the_page_wakes_no_model(house: House) -> None:
    await fetched(house, "/")
    assert house.dispatcher.asked == []
    assert house.dispatcher.loaded == []


def test_the_page_takes_what_the_server_takes_within_its_limits() -> None:
    source = (ROOT / "web" / "src" / "formats.ts").read_text("utf-8")
    formats = re.search(r"const FORMATS = \{(.*?)\}", source, re.DOTALL)
    limits = re.search(r"const MOST = \{(.*?)\}", source)
    assert formats is not None
    assert limits is not None
    kinds = dict(re.findall(r'(\w+): "(image|audio)/', formats[1]))
    assert kinds == {**dict.fromkeys(PICTURES, "image"), **dict.fromkeys(SOUNDS, "audio")}
    most = {
        name: math.prod(int(factor.replace("_", "")) for factor in value.split("*"))
        for name, value in re.findall(r"(\w+): ([\d_ *]+)", limits[1])
    }
    assert most == {"bytes": MAX_BYTES, "count": MAX_MEDIA, "pixels": MAX_PIXELS, "seconds": MAX_SOUND_S}


def test_the_whole_page_stays_small_and_comes_with_its_licences() -> None:
    sizes = {file.name: file.stat().st_size for file in page.STATIC.iterdir()}
    assert sum(sizes.values()) <= BUDGET
    said = gzip.decompress((page.STATIC / "LICENSES.txt.gz").read_bytes()).decode()
    for package in ("preact", "markdown-it", "dompurify", "temml", "idb", "highlight.js"):
        assert re.search(rf"^{re.escape(package)} \d+\.\d+\.\d+ \(", said, re.MULTILINE), package


def test_the_wheel_takes_every_file_of_the_page() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    patterns = setup["options.package_data"]["hoshikage"].split()
    taken = {file for pattern in patterns for file in (ROOT / "hoshikage").glob(pattern)}
    assert set(page.STATIC.iterdir()) <= taken
