"""Serves GET /health, /v1/status and /v1/api/version. None of them wakes a model. Event loop thread."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hoshikage import __version__
from hoshikage.http.authenticator import CALLER
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import AUTHENTICATOR, DISPATCHER, SETTINGS
from hoshikage.http.places import nameless

CHALLENGE_HEADER: Final = "x-hoshikage-challenge"
PROOF_HEADER: Final = "x-hoshikage-proof"


async def health(request: web.Request) -> web.Response:
    """Answers 200 as long as the server lives, whatever the model does.

    A command that is about to show its admin token asks here whether this is the server that it is for.
    """
    answer = json_response({"status": "ok"})
    transport = request.transport
    address = transport.get_extra_info("sockname") if transport is not None else None
    if isinstance(address, tuple):
        proof = request.app[AUTHENTICATOR].proof(request.headers.get(CHALLENGE_HEADER, ""), (address[0], address[1]))
        if proof is not None:
            answer.headers[PROOF_HEADER] = proof
    return answer


async def status(request: web.Request) -> web.Response:
    result = (await request.app[DISPATCHER].full_status()).to_json(request.app[SETTINGS].lang)
    if not CALLER.get().is_admin:
        result = nameless(result)
    return json_response({"status": "ok", "state": "awake", "version": __version__, **result})


async def version(_request: web.Request) -> web.Response:
    return json_response({"version": __version__})
