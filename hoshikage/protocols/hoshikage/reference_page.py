"""Shows an OpenAPI document as one HTML page that needs nothing from elsewhere. Any thread; pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, Final

import msgspec

from hoshikage.messages import Language, text

STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.6 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1rem}
code{font:14px ui-monospace,monospace;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;display:block;overflow-x:auto;margin:.5rem 0 1rem}
th,td{border-bottom:1px solid #8886;padding:.3rem .6rem;text-align:left;vertical-align:top}
summary{cursor:pointer;padding:.3rem 0}
h3{margin-top:2rem}
"""
BOUNDS: Final = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "≥ {}",
    "maxLength": "≤ {}",
    "minItems": "≥ {}",
    "maxItems": "≤ {}",
    "minProperties": "≥ {}",
    "maxProperties": "≤ {}",
    "pattern": "{}",
}
Schema = dict[str, Any]


def render(document: Schema, language: Language) -> str:
    """Writes the whole page. Every word of the document is escaped."""
    routes = [
        _route(method, path, operation, language)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    shapes = [_shape(name, schema, language) for name, schema in document["components"]["schemas"].items()]
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style>"
        f"<h1>{title} {escape(document['info']['version'])}</h1><p>{escape(document['info']['description'])} "
        '<a href="/openapi.json">openapi.json</a></p>'
        f"<h2>{text(language, 'routes.routes_heading')}</h2>{''.join(routes)}"
        f"<h2>{text(language, 'routes.schemas')}</h2>{''.join(shapes)}</html>"
    )


def _route(method: str, path: str, operation: Schema, language: Language) -> str:
    lines = [f"<p>{escape(operation['description'])}</p>"]
    if parameters := operation.get("parameters"):
        names = ", ".join(f"<code>{escape(one['name'])}</code> ({escape(one['in'])})" for one in parameters)
        lines.append(f"<p>{text(language, 'routes.parameters')}: {names}</p>")
    if body := operation.get("requestBody"):
        kinds = [_kind(content["schema"]) for content in body["content"].values()]
        lines.append(f"<p>{text(language, 'routes.body')}: {', '.join(kinds)}</p>")
    rows = [
        (f"<code>{status}</code>", escape(answer["description"]), ", ".join(map(escape, answer["content"])))
        for status, answer in operation["responses"].items()
    ]
    heads = (text(language, "routes.status"), text(language, "routes.answer"), text(language, "routes.kind"))
    name = f"<code><b>{method.upper()}</b> {escape(path)}</code>"
    return (
        f'<details id="{operation["operationId"]}"><summary>{name} {escape(operation["summary"])}</summary>'
        f"{''.join(lines)}{_table(heads, rows)}</details>"
    )


def _shape(name: str, schema: Schema, language: Language) -> str:
    required = schema.get("required", ())
    rows = []
    for field, value in schema.get("properties", {}).items():
        must = f" ({text(language, 'routes.required')})" if field in required else ""
        bounds = " ".join(dict.fromkeys(_bounds(value)))
        described = escape(value.get("description", ""))
        rows.append((f"<code>{escape(field)}</code>{must}", _kind(value), escape(bounds), described))
    heads = tuple(text(language, f"routes.{head}") for head in ("field", "kind", "bounds", "meaning"))
    return f'<h3 id="{escape(name)}">{escape(name)}</h3>{_table(heads, rows)}'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _kind(schema: Schema) -> str:
    """Returns a schema's type as HTML: `string | null`, a list's items, the words there are, or a link to the shape."""
    if ref := schema.get("$ref"):
        name = escape(ref.rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for joiner, word in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " + ")):
        if several := schema.get(joiner):
            return word.join(_kind(one) for one in several)
    if "enum" in schema:
        return " | ".join(f"<code>{escape(msgspec.json.encode(one).decode())}</code>" for one in schema["enum"])
    kind = schema.get("type", "any" if "required" not in schema else " + ".join(schema["required"]))
    shown = " | ".join(kind) if isinstance(kind, list) else str(kind)
    items = schema.get("items")
    return f"{escape(shown)}[{_kind(items)}]" if items else escape(shown)


def _bounds(schema: Schema) -> Iterable[str]:
    for name, form in BOUNDS.items():
        if name in schema:
            yield form.format(schema[name])
    for one in schema.get("anyOf", ()):
        yield from _bounds(one)
