"""The API as an OpenAPI 3.1 document, made of the routes, the bodies' schemas and the error tree. Any thread; pure.

Made when it is first asked for, once a language: nothing of it is there at start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from hoshikage import __version__
from hoshikage.answer.schema import chat
from hoshikage.errors import HoshikageError
from hoshikage.http import error_schema
from hoshikage.http.authenticator import Needs, Route
from hoshikage.messages import Language, text
from hoshikage.options import OWN, SAMPLING, Option
from hoshikage.protocols.anthropic import messages_schema
from hoshikage.protocols.hoshikage.admin_schema import (
    CheckedModel,
    LibraryChoice,
    LibraryRollback,
    NewModel,
    NewPersona,
)
from hoshikage.protocols.llama_server import native_schema
from hoshikage.protocols.ollama import ollama_schema
from hoshikage.protocols.openai import (
    completions_schema,
    embeddings_schema,
    responses_items,
    responses_schema,
)

REF: Final = "#/components/schemas/{name}"
JSON: Final = "application/json"
SSE: Final = "text/event-stream"
BODIES: Final[dict[str, type[msgspec.Struct]]] = {
    "POST /v1/chat/completions": chat.ChatBody,
    "POST /v1/chat/completions/input_tokens": chat.ChatBody,
    "POST /v1/responses": responses_schema.ResponsesBody,
    "POST /v1/responses/input_tokens": responses_schema.ResponsesBody,
    "POST /v1/messages": messages_schema.MessagesBody,
    "POST /v1/messages/count_tokens": messages_schema.MessagesBody,
    "POST /api/chat": ollama_schema.ChatRequest,
    "POST /api/generate": ollama_schema.GenerateRequest,
    "POST /api/embed": ollama_schema.EmbedRequest,
    "POST /api/embeddings": ollama_schema.EmbeddingsRequest,
    "POST /api/show": ollama_schema.ShowRequest,
    "POST /v1/completions": completions_schema.CompletionBody,
    "POST /v1/embeddings": embeddings_schema.EmbeddingsBody,
    "POST /v1/rerank": embeddings_schema.RerankBody,
    "POST /completion": native_schema.CompletionBody,
    "POST /infill": native_schema.InfillBody,
    "POST /embedding": native_schema.NativeEmbeddingBody,
    "POST /tokenize": native_schema.TokenizeBody,
    "POST /detokenize": native_schema.DetokenizeBody,
    "POST /apply-template": chat.ChatBody,
    "POST /admin/models": NewModel,
    "POST /admin/models/check": CheckedModel,
    "POST /admin/personas": NewPersona,
    "POST /admin/libraries/use": LibraryChoice,
    "POST /admin/libraries/rollback": LibraryRollback,
}
REQUIRED: Final = {"POST /v1/messages": ("max_tokens",)}
"""Fields that a route needs and another of the same body does not."""
STREAMED: Final = {
    "POST /v1/chat/completions": SSE,
    "POST /v1/responses": SSE,
    "POST /v1/messages": SSE,
    "POST /v1/completions": SSE,
    "POST /completion": SSE,
    "POST /infill": SSE,
    "POST /api/chat": "application/x-ndjson",
    "POST /api/generate": "application/x-ndjson",
}
ANSWERED: Final = {
    "GET /metrics": "text/plain",
    "GET /docs": "text/html",
    "GET /": "text/html",
    "GET /page/{file}": "text/javascript",
}
"""What is answered, where it is no JSON."""
QUERIES: Final = {
    "GET /admin/log": ("after",),
    "GET /props": ("model",),
    "GET /slots": ("fail_on_no_slot",),
    "GET /v1/responses/{id}": ("stream",),
}
ALSO: Final = {"GET /slots": 503, "GET /props": 404}
"""Statuses that their kind of route has not."""
NOTES: Final[dict[type[msgspec.Struct], tuple[dict[str, str], dict[str, tuple[Any, ...]]]]] = {
    chat.ChatBody: (chat.WITHOUT_EFFECT, chat.NEUTRAL),
    chat.ChatMessage: ({}, dict.fromkeys(chat.REFUSED_OF_MESSAGES, (None,))),
    responses_schema.ResponsesBody: (responses_schema.WITHOUT_EFFECT, responses_schema.NEUTRAL),
    messages_schema.MessagesBody: (messages_schema.WITHOUT_EFFECT, messages_schema.NEUTRAL),
    ollama_schema.ChatRequest: (ollama_schema.WITHOUT_EFFECT, {}),
    ollama_schema.GenerateRequest: (ollama_schema.WITHOUT_EFFECT, ollama_schema.NEUTRAL),
    ollama_schema.EmbedRequest: (ollama_schema.WITHOUT_EFFECT, {}),
    completions_schema.CompletionBody: (completions_schema.WITHOUT_EFFECT, completions_schema.NEUTRAL),
    native_schema.CompletionBody: (native_schema.WITHOUT_EFFECT, native_schema.NEUTRAL),
    native_schema.InfillBody: (native_schema.WITHOUT_EFFECT, native_schema.NEUTRAL),
    embeddings_schema.EmbeddingsBody: (embeddings_schema.WITHOUT_EFFECT, {}),
}
"""Body -> its fields that change nothing, and those of which only some values are taken."""
_LONG_NAME: Final = re.compile(r"(?<![a-z_.])hoshikage(?:\.[a-z_]+)+\.(?=[A-Z])")
"""The module that stands before a name which two modules have."""
KINDS: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}


def document(routes: Sequence[Route], language: Language) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    schemas, bodies = _schemas(language)
    for method, pattern, _, needs in routes:
        path = re.sub(r":[^}]*", "", pattern)
        paths.setdefault(path, {})[method.lower()] = _operation(f"{method} {path}", needs, bodies, language)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": text(language, "routes.heading"),
            "version": __version__,
            "description": text(language, "routes.about"),
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _operation(route: str, needs: Needs, bodies: dict[str, dict[str, Any]], language: Language) -> dict[str, Any]:
    name = re.sub(r"[^a-z0-9]+", "_", route.lower()).strip("_")
    tokens: list[dict[str, list[str]]] = [{"bearer": []}, {"key": []}]
    made: dict[str, Any] = {
        "operationId": name,
        "summary": text(language, f"routes.{name}"),
        "description": text(language, f"routes.needs_{needs}"),
        "security": {"nothing": [], "api": [{}, *tokens], "admin": tokens}[needs],
        "responses": {"200": _answer(route, language), **_refusals(route, needs)},
    }
    parameters = [_parameter("path", one) for one in re.findall(r"{(\w+)}", route)]
    parameters += [_parameter("query", one) for one in QUERIES.get(route, ())]
    if parameters:
        made["parameters"] = parameters
    if route.startswith("POST "):
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": bodies.get(route, _nothing())}}}
    return made


def _nothing() -> dict[str, Any]:
    return {"type": ["object", "null"], "maxProperties": 0}


def _parameter(where: str, name: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}


def _answer(route: str, language: Language) -> dict[str, Any]:
    stream = STREAMED.get(route)
    kind: str | list[str] = "string" if route in ANSWERED else ["object", "array"]
    content = {ANSWERED.get(route, JSON): {"schema": {"type": kind}}}
    if route == "GET /":  # a program that asks for no page is told as Ollama tells it
        content["text/plain"] = {"schema": {"type": "string"}}
    if stream is None:
        return {"description": text(language, "routes.answered_whole"), "content": content}
    content[stream] = {"schema": {"type": "string"}}
    return {"description": text(language, "routes.answered", stream=stream), "content": content}


def _refusals(route: str, needs: Needs) -> dict[str, dict[str, Any]]:
    """Status -> what is answered with it."""
    statuses = {400, 403, 500}
    if needs != "nothing":
        statuses.add(401)
    if "{" in route:
        statuses.add(404)
    if route.startswith("POST "):
        statuses |= {404, 408, 413, 415, 429, 501, 503}
    if route in ALSO:
        statuses.add(ALSO[route])
    shape = {"schema": _shape(route)}
    return {str(one): {"description": _description(one), "content": {JSON: shape}} for one in sorted(statuses)}


def _shape(route: str) -> dict[str, Any]:
    """Who may not ask at all is told so in one way on every route."""
    own = {"/v1/messages": error_schema.AnthropicProblem, "/api/": error_schema.OllamaProblem}
    path = route.partition(" ")[2]
    kinds = [error_schema.Problem, *(kind for start, kind in own.items() if path.startswith(start))]
    refs = [{"$ref": REF.format(name=kind.__name__)} for kind in kinds]
    return refs[0] if len(refs) == 1 else {"anyOf": refs}


def _description(status: int) -> str:
    codes = sorted({kind.code for kind in _kinds(HoshikageError) if kind.status == status})
    return f"{HTTPStatus(status).phrase}: {', '.join(codes)}"


def _kinds(kind: type[HoshikageError]) -> Iterator[type[HoshikageError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def _schemas(language: Language) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The components, and the body of each route."""
    problems = (error_schema.Problem, error_schema.AnthropicProblem, error_schema.OllamaProblem)
    kinds = list(dict.fromkeys((*BODIES.values(), *problems, *NOTES)))
    refs, components = msgspec.json.schema_components(kinds, ref_template=REF)
    ref_of = dict(zip(kinds, refs, strict=True))
    for kind, (idle, neutral) in NOTES.items():
        _note(components[ref_of[kind]["$ref"].rpartition("/")[2]], idle, neutral, language)
    components["NewModel"]["properties"].update(_options(OWN))
    components["NewPersona"]["properties"].update(_options(SAMPLING))
    _left_out(components[ref_of[responses_schema.ResponsesBody]["$ref"].rpartition("/")[2]]["properties"]["input"])
    bodies = {route: ref_of[kind] for route, kind in BODIES.items()}
    for route, names in REQUIRED.items():
        bodies[route] = {"allOf": [bodies[route], {"required": list(names)}]}
    shorter = _LONG_NAME.sub(_module, msgspec.json.encode((components, bodies)).decode())
    return msgspec.json.decode(shorter, type=tuple[dict[str, Any], dict[str, dict[str, Any]]])


def _module(found: re.Match[str]) -> str:
    """The last part of a module's name, which tells two components of one name apart."""
    return found[0].split(".")[-2].removesuffix("_schema") + "."


def _note(
    schema: dict[str, Any], idle: dict[str, str], neutral: dict[str, tuple[Any, ...]], language: Language
) -> None:
    """Says in the schema what becomes of fields that do no work."""
    fields = schema["properties"]
    for name in fields.keys() & idle.keys():
        fields[name] = {**fields[name], "description": text(language, "routes.no_effect")}
    for name in fields.keys() & neutral.keys():
        fields[name] = {
            "enum": list(neutral[name]),
            "description": text(language, "routes.only_these"),
            "default": None,
        }


def _left_out(schema: dict[str, Any]) -> None:
    """Says in the schema that a list of items may hold objects of other kinds, which are left out."""
    kind = {"type": "string", "not": {"enum": sorted(responses_items.KINDS)}}
    other = {"type": "object", "required": ["type"], "properties": {"type": kind}}
    (items,) = (one for one in schema["anyOf"] if one.get("type") == "array")
    items["items"] = {"anyOf": [items["items"], other]}


def _options(rows: Iterable[Option]) -> dict[str, Any]:
    """The settings that a model or a persona may have of its own."""
    made: dict[str, Any] = {}
    for row in rows:
        schema: dict[str, Any] = {"type": KINDS[row.kind]}
        if row.kind in (int, float):
            schema |= {"minimum": row.minimum, "maximum": row.maximum}
            if row.words:
                schema = {"anyOf": [schema, {"enum": list(row.words)}]}
        elif row.words:
            schema = {"enum": list(row.words)}
        elif row.form:
            schema["pattern"] = f"^(?:{row.form})$"
        made[row.name] = {**schema, "description": row.allowed}
    return made
