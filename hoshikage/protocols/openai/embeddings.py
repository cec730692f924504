"""Serves POST /v1/embeddings and /v1/rerank: texts as vectors, and documents by how well they answer. Event loop
thread."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hoshikage import wire
from hoshikage.answer.choice import model_for
from hoshikage.answer.submit import keep, kept_s, perform
from hoshikage.answer.vectors import floats_of
from hoshikage.http.ignored import read_body
from hoshikage.http.json_response import json_response
from hoshikage.protocols.openai.embeddings_schema import WITHOUT_EFFECT, parse_embeddings, parse_rerank


async def embeddings(request: web.Request) -> web.Response:
    body = await read_body(request, parse_embeddings, WITHOUT_EFFECT)
    spec = await model_for(request, body.model, "embeddings")
    vectors, finished = await perform(request, spec, body.task, wire.Vector)
    keep(request, spec, kept_s(spec, body.ttl, "ttl"))
    shown = base64_of if body.encoding_format == "base64" else floats_of
    return await asyncio.to_thread(_answer, vectors, shown, spec.name, finished)  # there may be millions of numbers


def _answer(
    vectors: list[wire.Vector], shown: Callable[[bytes], list[float] | str], model: str, finished: wire.Finished
) -> web.Response:
    return json_response(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": shown(vector.values)}
                for index, vector in enumerate(vectors)
            ],
            "model": model,
            "usage": _usage(finished),
        }
    )


async def rerank(request: web.Request) -> web.Response:
    """Answers the best first, with the model's own scores, as llama-server has them."""
    body = await read_body(request, parse_rerank)
    spec = await model_for(request, body.model, "rerank")
    scores, finished = await perform(request, spec, body.task, wire.Score)
    keep(request, spec, kept_s(spec, body.ttl, "ttl"))
    order = sorted(range(len(scores)), key=lambda index: -scores[index].value)
    if body.texts is not None:
        raw = bool(body.raw_scores)
        listed = [{"index": index, "score": _score(scores[index], raw=raw)} for index in order[: body.top_n]]
        return json_response(
            [{**one, "text": body.texts[int(one["index"])]} for one in listed] if body.return_text else listed
        )
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": scores[index].value} for index in order[: body.top_n]
    ]
    if body.return_documents:
        for result in results:
            result["document"] = {"text": body.contents[result["index"]]}
    return json_response({"object": "list", "model": spec.name, "usage": _usage(finished), "results": results})


def _score(score: wire.Score, *, raw: bool) -> float:
    """Returns a score as text-embeddings-inference does: between 0 and 1 unless the model's own number is asked for."""
    return score.value if raw or score.is_share else 1 / (1 + math.exp(-max(-700.0, score.value)))


def base64_of(raw: bytes) -> str:
    """Encodes little-endian bytes in base64, as OpenAI sends them."""
    return base64.b64encode(raw).decode()


def _usage(finished: wire.Finished) -> dict[str, int]:
    return {"prompt_tokens": finished.prompt_tokens, "total_tokens": finished.prompt_tokens}
