"""Serves POST /slots/{id}?action=save|restore|erase: a slot's state in a file of one folder. Event loop thread.

llama-server needs `--slot-save-path` for it; here KV_STORE=disk says that conversations may be written to the disk.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from aiohttp import web
from msgspec import Struct

from hoshikage import wire
from hoshikage.answer.choice import model_for
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.submit import perform
from hoshikage.dispatch.slot_files import SlotFiles
from hoshikage.errors import InvalidRequest, NotSupported
from hoshikage.http.ignored import look
from hoshikage.http.json_body import read_json
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import SETTINGS
from hoshikage.params import SlotTask
from hoshikage.registry import ModelSpec
from hoshikage.settings import cache_dir


class SlotFile(Struct, frozen=True):
    """The file says where a slot is saved to, or restored from; nothing is needed to empty one."""

    filename: str | None = None
    model: str | None = None


BODY: Final = RequestBody(SlotFile)
MAX_DIGITS: Final = 3
"""A slot's number has at most so many digits."""


async def act(request: web.Request) -> web.Response:
    """Answers what llama-server does: how much was saved, restored or emptied, and how long it took."""
    number, action = request.match_info["id"], request.query.get("action")
    tree = await read_json(request) if request.can_read_body else {}
    body = convert(tree, SlotFile, {})
    look(tree, SlotFile, {})
    if not (number.isascii() and number.isdecimal() and len(number) <= MAX_DIGITS):
        raise InvalidRequest("engine.slot_unknown", param="id", number=number)
    if action not in ("save", "restore", "erase"):
        raise InvalidRequest("http.slot_action", param="action")
    name = "" if action == "erase" else body.filename or ""
    file = None if action == "erase" else SlotFiles(cache_dir()).path_of(name)
    if request.app[SETTINGS].kv_store != "disk":
        raise NotSupported("http.slots_off")
    spec = await model_for(request, body.model or request.query.get("model"), "text")
    if file is None:
        done, _ = await _perform(request, spec, SlotTask("erase", int(number)))
        return json_response({"id_slot": int(number), "n_erased": done.n_tokens})
    if action == "save":
        done, took = await _save(request, spec, int(number), file)
        counts = {"n_saved": done.n_tokens, "n_written": done.n_bytes, "timings": {"save_ms": took}}
    else:
        if not await asyncio.to_thread(file.is_file):
            raise InvalidRequest("http.slot_file_missing", param="filename", name=name)
        done, took = await _perform(request, spec, SlotTask("restore", int(number), str(file)))
        counts = {"n_restored": done.n_tokens, "n_read": done.n_bytes, "timings": {"restore_ms": took}}
    return json_response({"id_slot": int(number), "filename": name, **counts})


async def _save(request: web.Request, spec: ModelSpec, number: int, file: Path) -> tuple[wire.SlotDone, float]:
    """The runner fills a file without a name, which then takes the place of the one before. Raises HoshikageError."""
    files = SlotFiles(cache_dir())
    try:
        made = await asyncio.to_thread(files.make)
        try:
            result = await _perform(request, spec, SlotTask("save", number, made))
            await asyncio.to_thread(files.publish, made, file.name)
        finally:
            await asyncio.to_thread(files.remove, made)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidRequest("http.slot_file_busy", param="filename", name=file.name, reason=reason) from None
    return result


async def _perform(request: web.Request, spec: ModelSpec, task: SlotTask) -> tuple[wire.SlotDone, float]:
    events, end = await perform(request, spec, task, wire.SlotDone)
    return events[0], round(end.timings.prompt_ms, 3)
