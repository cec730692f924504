"""Makes JSON schemas of calls: of those that a grammar forces, and of what a model writes when it calls by itself.
Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hoshikage.tools.calls import Schemas

MAX_CALLS: Final = 16
"""An answer has no more calls, lest a model that finds no end of them fills its context with them."""
BARE: Final = re.compile(
    r"\"(?:tool_)?name\"\s{0,8}:\s{0,8}\"([^\"\\]{1,256})\"\s{0,8},\s{0,8}\"(?:arguments|parameters)\"\s{0,8}:"
)
"""A call stands as JSON in any place: models of every format write such."""
Held = Mapping[str, dict[str, Any]]
"""The name of a function, or none, leads here to the schema of what is written behind it."""


def schema(
    functions: Schemas,
    *,
    several: bool,
    otherwise: Mapping[str, Any] | None = None,
    keys: tuple[str, str] = ("name", "arguments"),
    before: Mapping[str, Any] = {},
) -> dict[str, Any]:
    """Makes the JSON schema of an answer that calls one of these functions, or where `several` one or more of them.

    `otherwise`: or is an instance of this schema. `before`: properties that a call may have in front of its name.
    """
    definitions: dict[str, Any] = {}
    name_key, arguments_key = keys
    options: list[dict[str, Any]] = [
        {
            "type": "object",
            "properties": {**before, name_key: {"const": name}, arguments_key: _placed(parameters, definitions)},
            "required": [name_key, arguments_key],
            "additionalProperties": False,
        }
        for name, parameters in functions.items()
    ]
    return _whole(options, several, otherwise, definitions)


def by_name(functions: Schemas, _several: bool) -> Held:
    """The name stands in front; what follows are the arguments alone."""
    return {name: dict(parameters) for name, parameters in functions.items()}


def in_object(functions: Schemas, _several: bool) -> Held:
    """Makes the schema of an object of name and arguments."""
    return {"": schema(functions, several=False)}


def in_list(functions: Schemas, several: bool) -> Held:
    """Makes the schema of a list of such objects."""
    return {"": _listed(schema(functions, several=True), several)}


def by_name_or_in_list(functions: Schemas, several: bool) -> Held:
    """Makes the schema of either of the two."""
    return {**by_name(functions, several), **in_list(functions, several)}


def in_object_of_parameters(functions: Schemas, _several: bool) -> Held:
    """Makes the schema of an object that calls its arguments parameters."""
    return {"": schema(functions, several=False, keys=("name", "parameters"))}


def in_object_or_list(functions: Schemas, several: bool) -> Held:
    """Makes the schema of an object of name and arguments, or a list of such."""
    made = schema(functions, several=False)
    definitions = made.pop("$defs", {})
    listed = {"type": "array", "items": made, "minItems": 1, "maxItems": MAX_CALLS if several else 1}
    return {"": {"anyOf": [made, listed], **({"$defs": definitions} if definitions else {})}}


def in_list_of_actions(functions: Schemas, several: bool) -> Held:
    """Makes the schema of a list of objects in the words of Command R."""
    keys, before = ("tool_name", "parameters"), {"tool_call_id": {"type": "string"}}
    return {"": _listed(schema(functions, several=True, keys=keys, before=before), several)}


def in_list_of_functions(functions: Schemas, several: bool) -> Held:
    """Makes the schema of a list of such objects, each alone or as a request has it, with a type in front."""
    inner = schema(functions, several=False)
    definitions = inner.pop("$defs", None)
    wrapped = {
        "type": "object",
        "properties": {"type": {"const": "function"}, "function": inner},
        "required": ["type", "function"],
        "additionalProperties": False,
    }
    made = _whole([wrapped, inner], True, None, definitions or {})
    return {"": _listed(made, several)}


def by_key(functions: Schemas, several: bool) -> Held:
    """Makes the schema of a list of objects whose one key is the function."""
    definitions: dict[str, Any] = {}
    options = [
        {
            "type": "object",
            "properties": {name: _placed(parameters, definitions)},
            "required": [name],
            "additionalProperties": False,
        }
        for name, parameters in functions.items()
    ]
    return {"": _listed(_whole(options, True, None, definitions), several)}


Hold = Callable[[Schemas, bool], Held]


def _whole(
    options: list[dict[str, Any]], several: bool, otherwise: Mapping[str, Any] | None, definitions: dict[str, Any]
) -> dict[str, Any]:
    made = options[0] if len(options) == 1 else {"anyOf": options}
    if several:
        made = {"type": "array", "items": made, "minItems": 1, "maxItems": MAX_CALLS}
    if otherwise is not None:
        made = {"anyOf": [made, _placed(otherwise, definitions)]}
    return {**made, "$defs": definitions} if definitions else made


def _listed(made: dict[str, Any], several: bool) -> dict[str, Any]:
    return made if several else {**made, "maxItems": 1}


def _placed(part: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Makes a schema that can stand inside another: one that refers to itself becomes a definition of the whole."""
    name = f"part{len(definitions)}"
    own = moved(part, f"#/$defs/{name}")
    if own == part:
        return dict(part) or {"type": "object"}
    definitions[name] = own
    return {"$ref": f"#/$defs/{name}"}


def moved(value: Any, root: str) -> Any:
    """Makes a schema whose references begin at `root`."""
    if isinstance(value, Mapping):
        return {
            key: root + item[1:]
            if key == "$ref" and isinstance(item, str) and item.startswith("#")
            else moved(item, root)
            for key, item in value.items()
            if key not in ("$schema", "$id")
        }
    return [moved(item, root) for item in value] if isinstance(value, list) else value
