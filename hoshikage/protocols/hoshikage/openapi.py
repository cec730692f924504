"""Describes the API as an OpenAPI 3.1 document, made of the routes, the bodies' schemas and the error tree. Any thread;
pure.

Made when it is first asked for, once a language: nothing of it is there at start.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from hoshikage import __version__
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.errors import HoshikageError
from hoshikage.http import error_schema
from hoshikage.messages import Language, text
from hoshikage.option import MAX_FILES, Option
from hoshikage.protocols.route import JSON, Route

REF: Final = "#/components/schemas/{name}"
_LONG_NAME: Final = re.compile(r"(?<![a-z_.])hoshikage(?:\.[a-z_]+)+\.(?=[A-Z])")
"""This finds the module that stands before a name which two modules have."""
KINDS: Final = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}


def document(routes: Sequence[Route], language: Language) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    schemas, bodies = _schemas(routes, language)
    for row in routes:
        operation = _operation(row, bodies.get(row.operation), language)
        paths.setdefault(row.plain_path, {})[row.method.lower()] = operation
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


def _operation(row: Route, body: dict[str, Any] | None, language: Language) -> dict[str, Any]:
    tokens: list[dict[str, list[str]]] = [{"bearer": []}, {"key": []}]
    made: dict[str, Any] = {
        "operationId": row.operation,
        "summary": text(language, f"routes.{row.operation}"),
        "description": text(language, f"routes.needs_{row.needs}"),
        "security": {"nothing": [], "api": [{}, *tokens], "admin": tokens}[row.needs],
        "responses": {"200": _answer(row, language), **_refusals(row)},
    }
    parameters = [_parameter("path", one) for one in re.findall(r"{(\w+)}", row.plain_path)]
    parameters += [_parameter("query", one) for one in row.queries]
    if parameters:
        made["parameters"] = parameters
    if row.method == "POST":
        made["requestBody"] = {"required": True, "content": {row.takes: {"schema": body or _nothing()}}}
    return made


def _nothing() -> dict[str, Any]:
    return {"type": ["object", "null"], "maxProperties": 0}


def _parameter(where: str, name: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}


def _answer(row: Route, language: Language) -> dict[str, Any]:
    content: dict[str, Any] = {
        kind: {"schema": {"type": ["object", "array"] if kind == JSON else "string"}} for kind in row.answers
    }
    if row.stream is None:
        return {"description": text(language, "routes.answered_whole"), "content": content}
    content[row.stream] = {"schema": {"type": "string"}}
    return {"description": text(language, "routes.answered", stream=row.stream), "content": content}


def _refusals(row: Route) -> dict[str, dict[str, Any]]:
    """Maps each status to what is answered with it."""
    statuses = {400, 403, 500, *row.refusals}
    if row.needs != "nothing":
        statuses.add(401)
    if "{" in row.path:
        statuses.add(404)
    if row.method == "POST" or row.body is not None:
        statuses |= {404, 408, 413, 415, 429, 501, 503}
    shape = {"schema": _shape(row.path)}
    return {str(one): {"description": _description(one), "content": {JSON: shape}} for one in sorted(statuses)}


def _shape(path: str) -> dict[str, Any]:
    """Returns the shape of a path's refusals. Those who may not ask at all are told so in one way on every route."""
    own = {"/v1/messages": error_schema.AnthropicProblem, "/api/": error_schema.OllamaProblem}
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


def _schemas(routes: Sequence[Route], language: Language) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Returns the components, and the body of each operation that has one."""
    taken = {row: row.body() for row in routes if row.body is not None}
    problems = (error_schema.Problem, error_schema.AnthropicProblem, error_schema.OllamaProblem)
    structs = list(dict.fromkeys((*(body.struct for body in taken.values()), *problems)))
    refs, components = msgspec.json.schema_components(structs, ref_template=REF)
    for component in components.values():
        component.pop("description", None)  # a docstring, which is for those who read the code, in one language
    ref_of = dict(zip(structs, refs, strict=True))
    for body in {body.struct: body for body in taken.values()}.values():
        fields = components[ref_of[body.struct]["$ref"].rpartition("/")[2]]["properties"]
        if body.plain_texts:
            _take_texts(components, fields[body.plain_texts])
        _describe(fields, body, language)
    bodies = {row.operation: ref_of[body.struct] for row, body in taken.items()}
    for row in taken:
        if taken[row].list_alone:
            component = components[ref_of[taken[row].struct]["$ref"].rpartition("/")[2]]
            bodies[row.operation] = {"anyOf": [bodies[row.operation], component["properties"][taken[row].list_alone]]}
    shorter = _LONG_NAME.sub(_module, msgspec.json.encode((components, bodies)).decode())
    return msgspec.json.decode(shorter, type=tuple[dict[str, Any], dict[str, dict[str, Any]]])


def _module(match: re.Match[str]) -> str:
    """Returns the last part of a module's name, which tells two components of one name apart."""
    return match[0].split(".")[-2].removesuffix("_schema") + "."


def _describe(fields: dict[str, Any], body: RequestBody, language: Language) -> None:
    """Says in the schema what the body's type alone does not say."""
    for name in fields.keys() & body.without_effect.keys():
        fields[name] = {**fields[name], "description": text(language, "routes.no_effect")}
    for name in fields.keys() & body.neutral.keys():
        fields[name] = {
            "enum": list(body.neutral[name]),
            "description": text(language, "routes.only_these"),
            "default": None,
        }
    fields.update(_options(body.options))
    for name, known in body.open_lists.items():
        _open(fields[name], known)


def _take_texts(components: dict[str, Any], schema: dict[str, Any]) -> None:
    """Says in the schema of messages that in a list of content a text may stand for a part."""
    (turns,) = (one for one in schema.get("anyOf", [schema]) if one.get("type") == "array")
    message = components[turns["items"]["$ref"].rpartition("/")[2]]
    (parts,) = (one for one in message["properties"]["content"]["anyOf"] if one.get("type") == "array")
    parts["items"] = {"anyOf": [parts["items"], {"type": "string"}]}


def _open(schema: dict[str, Any], known: Collection[str]) -> None:
    """Says in the schema that a list of items may hold objects of other kinds, which are left out."""
    kind = {"type": "string", "not": {"enum": sorted(known)}}
    other = {"type": "object", "required": ["type"], "properties": {"type": kind}}
    (items,) = (one for one in schema["anyOf"] if one.get("type") == "array")
    items["items"] = {"anyOf": [items["items"], other]}


def _options(rows: Iterable[Option]) -> dict[str, Any]:
    """Describes the settings that a model or a persona may have of its own."""
    made: dict[str, Any] = {}
    for row in rows:
        schema: dict[str, Any] = {"type": KINDS[row.kind]}
        if row.kind in (int, float):
            schema |= {"minimum": row.minimum, "maximum": row.maximum}
            if row.words:
                schema = {"anyOf": [schema, {"enum": list(row.words)}]}
        elif row.kind is list:
            schema |= {"items": {"type": "string", "minLength": 1}, "maxItems": MAX_FILES}
        elif row.words:
            schema = {"enum": list(row.words)}
        elif row.form:
            schema["pattern"] = f"^(?:{row.form})$"
        made[row.name] = {"anyOf": [schema, {"enum": [""]}, {"type": "null"}], "description": row.allowed}
    return made
