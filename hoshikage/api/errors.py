"""Errors that only the HTTP floor raises. Any thread; values only."""

from __future__ import annotations

from hoshikage.errors import InvalidRequest


class ParameterUnsupported(InvalidRequest):
    """A field that OpenAI knows and this version cannot honour: refused, never ignored."""

    code = "unsupported_parameter"
