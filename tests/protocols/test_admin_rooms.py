"""Tests /admin/personas, /admin/libraries, /admin/settings, /admin/log and the check of a model's file, over HTTP."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hoshikage import logs
from hoshikage.protocols.hoshikage.insight import Insight
from hoshikage.registry import Registry
from hoshikage.settings import Settings, load
from tests.gguf_files import Gguf
from tests.media_samples import projector
from tests.protocols.conftest import House, serving

JSON = {"Content-Type": "application/json"}
Answer = tuple[int, Any, Mapping[str, str]]
ROUTES = (
    ("GET", "personas"), ("POST", "personas"), ("DELETE", "personas/poet"), ("POST", "models/check"),
    ("GET", "libraries"), ("POST", "libraries/use"), ("POST", "libraries/rollback"),
    ("GET", "settings"), ("GET", "log"),
)  # fmt: skip


async def admin(house: House, settings: Settings, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    token = settings.admin_token_file.read_text().strip()
    data = None if body is None else json.dumps(body)
    return await house.ask(method, f"/admin/{path}", data, **JSON, **headers, Authorization=f"Bearer {token}")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_administers_without_a_token(house: House, method: str, path: str) -> None:
    status, body, _ = await house.ask(method, f"/admin/{path}", b"{}", **JSON)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


# personas


async def test_a_persona_is_made_listed_replaced_and_removed(house: House, settings: Settings) -> None:
    new = {"name": "poet", "model": "tiny", "system": "あなたは詩人です。", "temperature": 0.9}
    assert (await admin(house, settings, "POST", "personas", new))[:2] == (200, {**new, "replaced": False})
    _, body, _ = await admin(house, settings, "GET", "personas")
    [found] = body["personas"]
    assert found.pop("created") > 1_700_000_000
    assert found == {**new, "available": True}
    models = (await house.ask("GET", "/v1/models"))[1]["data"]
    assert [(one["id"], one.get("parent")) for one in models] == [("tiny", None), ("poet", "tiny")]
    changed = {**new, "system": "短く。"}
    assert (await admin(house, settings, "POST", "personas", changed))[1]["replaced"] is True
    assert (await admin(house, settings, "DELETE", "personas/poet"))[:2] == (200, {"name": "poet", "removed": True})
    assert (await admin(house, settings, "DELETE", "personas/poet"))[0] == 404
    assert (await admin(house, settings, "GET", "personas"))[1]["personas"] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "nobody"}, 404, "model_not_found"),
        ({"name": "tiny"}, 400, "validation_error"),
        ({"name": ""}, 400, "validation_error"),
        ({"temperature": 9}, 400, "validation_error"),
        ({"system": 7}, 400, "validation_error"),
    ],
)
async def test_a_persona_that_cannot_be_is_refused(
    house: House, settings: Settings, change: dict[str, Any], status: int, code: str
) -> None:
    body = {"name": "poet", "model": "tiny", "system": "Be brief.", **change}
    found, answer, _ = await admin(house, settings, "POST", "personas", body)
    assert (found, answer["error"]["code"]) == (status, code)
    assert (await admin(house, settings, "GET", "personas"))[1]["personas"] == []


# a model's file


async def test_a_model_is_listed_with_its_size_and_what_it_needs(
    house: House, settings: Settings, demo_model: Path
) -> None:
    Registry(settings.model_map_file).add("demo", demo_model)
    _, body, _ = await admin(house, settings, "GET", "models")
    missing, demo = body["models"]
    assert (missing["name"], missing["size_bytes"], missing["memory"]) == ("tiny", 0, None)
    assert demo["size_bytes"] == demo_model.stat().st_size
    memory = demo["memory"]
    assert memory["total"] == memory["weights"] + memory["kv_cache"] + memory["compute"] + memory["projector"]
    assert memory["weights"] == demo["size_bytes"]
    assert body["available_bytes"] is None or body["available_bytes"] > 0


@pytest.mark.process
async def test_a_file_is_looked_at_and_not_registered(house: House, settings: Settings, demo_model: Path) -> None:
    status, body, _ = await admin(house, settings, "POST", "models/check", {"path": str(demo_model), "n_ctx": 256})
    assert status == 200
    assert (body["path"], body["size_bytes"]) == (str(demo_model), demo_model.stat().st_size)
    assert (body["memory"]["n_ctx"], body["chat_template"], body["template_fault"]) == (256, True, None)
    assert [one["id"] for one in (await house.ask("GET", "/v1/models"))[1]["data"]] == ["tiny"]


@pytest.mark.process
async def test_the_projector_that_registering_would_take_is_counted(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    model, eyes = Gguf().write(tmp_path / "a.gguf"), projector().write(tmp_path / "mmproj.gguf")
    other = projector(audio=False).write(tmp_path / "elsewhere.bin")
    for given, counted in (({}, eyes), ({"mmproj": ""}, None), ({"mmproj": str(other)}, other)):
        body = (await admin(house, settings, "POST", "models/check", {"path": str(model), **given}))[1]
        assert body["memory"]["projector"] == (counted.stat().st_size if counted else 0)
    added = await admin(house, settings, "POST", "models", {"name": "seeing", "path": str(model)})
    assert added[1]["mmproj"] == str(eyes)
    listed = (await admin(house, settings, "GET", "models"))[1]["models"]
    assert [one["memory"]["projector"] for one in listed if one["name"] == "seeing"] == [eyes.stat().st_size]
    status, body, _ = await admin(house, settings, "POST", "models/check", {"path": str(model), "mmproj": str(model)})
    assert (status, body["error"]["code"]) == (400, "gguf_invalid")


async def test_a_bad_file_is_refused_in_the_words_of_registering(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(Gguf().write(tmp_path / "good.gguf").read_bytes()[:40])
    for path, code in ((str(bad), "gguf_invalid"), ("bad.gguf", "validation_error")):
        checked = await admin(house, settings, "POST", "models/check", {"path": path})
        added = await admin(house, settings, "POST", "models", {"name": "bad", "path": path})
        assert checked[0] == added[0] == 400
        assert checked[1] == added[1]
        assert checked[1]["error"]["code"] == code


# libraries


def shelved(settings: Settings, file: Path, name: str) -> None:
    """Puts the set of a library into a slot of the config folder."""
    slot = settings.lib_dir.with_name("lib-slots") / name
    slot.mkdir(parents=True)
    for one in file.parent.iterdir():
        if one.suffix != ".node":
            shutil.copy(one, slot)


async def test_libraries_are_listed_chosen_and_taken_back(
    house: House, settings: Settings, libraries: dict[str, Path]
) -> None:
    for release in ("b8390", "v0.5.0"):
        shelved(settings, libraries[release], release)
    (settings.lib_dir.with_name("lib-slots") / "hollow").mkdir()
    _, body, _ = await admin(house, settings, "GET", "libraries", **{"Accept-Language": "en"})
    rows = {row["name"]: row for row in body["libraries"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "b8390": "usable", "hollow": "empty", "v0.5.0": "usable",
    }  # fmt: skip
    assert rows["b8390"]["release"] == "b8390"
    assert rows["b8390"]["verdict"].startswith("usable")
    house.dispatcher.loaded.append("tiny")
    status, done, _ = await admin(house, settings, "POST", "libraries/use", {"name": "b8390"})
    assert (status, done["name"], done["release"], done["unloaded"]) == (200, "b8390", "b8390", False)
    assert house.dispatcher.loaded == ["tiny"]
    _, done, _ = await admin(house, settings, "POST", "libraries/use", {"name": "v0.5.0", "now": True})
    assert (done["unloaded"], house.dispatcher.loaded) == (True, [])
    assert (await admin(house, settings, "GET", "libraries"))[1]["in_use"] == "v0.5.0"
    _, done, _ = await admin(house, settings, "POST", "libraries/rollback", {})
    assert done["name"] == "b8390"
    for body, code in (({"name": "hollow"}, "install_failed"), ({"name": "../lib"}, "usage_error")):
        status, answer, _ = await admin(house, settings, "POST", "libraries/use", body)
        assert (status, answer["error"]["code"]) == (400, code)
    assert (await admin(house, settings, "POST", "libraries/use", {"name": "absent"}))[0] == 404
    assert (await admin(house, settings, "GET", "libraries"))[1]["in_use"] == "b8390"


async def test_a_model_in_use_keeps_the_old_library_and_that_is_said(
    house: House, settings: Settings, library_file: Path
) -> None:
    shelved(settings, library_file, "new")
    house.dispatcher.busy = True
    body = {"name": "new", "now": True}
    status, done, _ = await admin(house, settings, "POST", "libraries/use", body, **{"Accept-Language": "en"})
    assert (status, done["unloaded"]) == (200, False)
    assert len(done["notes"]) == 1
    assert "tiny" in done["notes"][0]


@pytest.mark.process
async def test_without_any_library_there_is_nothing_to_go_back_to(house: House, settings: Settings) -> None:
    assert (await admin(house, settings, "GET", "libraries"))[1]["libraries"] == []
    status, answer, _ = await admin(house, settings, "POST", "libraries/rollback", {})
    assert (status, answer["error"]["code"]) == (400, "install_failed")


# settings, log


async def test_settings_are_told_with_their_sources(tmp_path: Path, home: Path) -> None:
    environ = {"MODEL_MAP_FILE": str(tmp_path / "m.json"), "HOSHIKAGE_LANG": "ja"}
    loaded = load({"PORT": "0", "N_CTX": "512"}, environ, tmp_path)
    async with serving(loaded.settings, insight=Insight(loaded.sources)) as house:
        _, body, _ = await admin(house, loaded.settings, "GET", "settings")
    rows = {row["name"]: (row["value"], row["source"]) for row in body["settings"]}
    assert rows["N_CTX"] == (512, "flag")
    assert rows["MODEL_MAP_FILE"] == (str(tmp_path / "m.json"), "environment")
    assert rows["N_BATCH"] == (512, "default")
    assert rows["HOSHIKAGE_LANG"] == ("ja", "environment")
    assert body["folders"]["config"].startswith(str(home))


async def test_the_log_is_told_line_by_line(settings: Settings) -> None:
    terminal = logging.NullHandler()
    terminal.setFormatter(logging.Formatter())
    with logs.running(settings, terminal, lambda: "") as tail:
        async with serving(settings, insight=Insight(lines=tail.after)) as house:
            _, before, _ = await admin(house, settings, "GET", "log")
            await house.ask("GET", "/v1/models?secret=1")
            for number in range(2):
                logging.getLogger("hoshikage.test").warning("line %d", number)
            _, after, _ = await admin(house, settings, "GET", f"log?after={before['next']}")
            _, empty, _ = await admin(house, settings, "GET", f"log?after={after['next']}")
    assert [line.rpartition("] ")[2].partition(" 200")[0] for line in after["lines"]] == [
        "GET /v1/models", "line 0", "line 1",
    ]  # fmt: skip
    assert empty == {"lines": [], "next": after["next"]}


@pytest.mark.parametrize("after", ["-1", "x", "٣", "1e3", "9" * 16])
async def test_a_place_in_the_log_is_a_whole_number(house: House, settings: Settings, after: str) -> None:
    status, body, _ = await admin(house, settings, "GET", f"log?after={after}")
    assert (status, body["error"]["param"]) == (400, "after")


def test_the_log_keeps_the_last_lines_alone() -> None:
    tail = logs.Tail()
    for number in range(tail.MAX_LINES + 5):
        record = logging.LogRecord("t", logging.INFO, "", 0, f"line {number}", (), None)
        record.request_id = "-"  # as `running` sets it
        tail.handle(record)
    last, lines = tail.after(0)
    assert (last, len(lines)) == (tail.MAX_LINES + 5, tail.MAX_LINES)
    assert lines[-1].endswith(f"line {tail.MAX_LINES + 4}")
    assert tail.after(last - 1)[1] == lines[-1:]
