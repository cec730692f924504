"""Tests /openapi.json and /docs: valid, whole, and true to the routes and the schemas."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import validate

from hoshikage.errors import HoshikageError
from hoshikage.messages import LANGUAGES, Language
from hoshikage.protocols.hoshikage.openapi_document import OpenApiDocument
from hoshikage.protocols.routes import ROUTES
from tests.protocols.conftest import House

PATHS = [(row.method, row.plain_path) for row in ROUTES]
BODIES = [row.body() for row in ROUTES if row.body is not None]


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    return OpenApiDocument(ROUTES).tree("en")


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_document_is_valid(language: Language) -> None:
    validate(OpenApiDocument(ROUTES).tree(language))


def test_it_has_every_route_and_no_other(tree: dict[str, Any]) -> None:
    described = [(method.upper(), path) for path, methods in tree["paths"].items() for method in methods]
    assert sorted(described) == sorted(PATHS)
    names = [one["operationId"] for methods in tree["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)


def test_who_may_ask_is_told(tree: dict[str, Any]) -> None:
    for row in ROUTES:
        security = tree["paths"][row.plain_path][row.method.lower()]["security"]
        assert (security == []) == (row.needs == "nothing"), row.path
        assert ({} in security) == (row.needs == "api"), row.path


def test_every_field_is_there(tree: dict[str, Any]) -> None:
    for kind in (body.struct for body in BODIES):
        schemas = tree["components"]["schemas"]
        module = kind.__module__.rpartition(".")[2].removesuffix("_schema")
        schema = schemas.get(kind.__name__) or schemas[f"{module}.{kind.__name__}"]
        assert set(kind.__struct_fields__) <= set(schema["properties"])


def test_fields_without_work_say_so(tree: dict[str, Any]) -> None:
    chat = tree["components"]["schemas"]["ChatBody"]["properties"]
    assert chat["store"]["description"] == "accepted, and changes nothing"
    assert chat["modalities"]["enum"] == [None, [], ["text"]]
    for body in BODIES:
        assert body.neutral.keys() | body.open_lists.keys() <= set(body.struct.__struct_fields__), body.struct


def test_what_the_code_says_to_its_readers_is_not_in_it(tree: dict[str, Any]) -> None:
    assert [name for name, schema in tree["components"]["schemas"].items() if "description" in schema] == []


def test_a_route_asks_only_for_what_it_can_have() -> None:
    for row in ROUTES:
        assert row.method == "POST" or row.stream is None, row.path
        assert row.method != "GET" or row.body is None, row.path  # Ollama's clients delete with a body
        if row.body is not None:
            fields = set(row.body().struct.__struct_fields__)
            assert row.stream is None or "stream" in fields, row.path


def test_every_error_is_told_where_its_status_is(tree: dict[str, Any]) -> None:
    told = str([one["responses"] for methods in tree["paths"].values() for one in methods.values()])
    kinds = [HoshikageError]
    for kind in kinds:
        kinds += [below for below in kind.__subclasses__() if below.__module__ == HoshikageError.__module__]
    assert [kind.code for kind in kinds if kind.code not in told and kind.status != 405] == []


@pytest.mark.process
def test_nothing_of_it_is_made_at_start() -> None:
    program = (
        "from unittest.mock import patch\n"
        "with patch('msgspec.json.schema_components', side_effect=AssertionError):\n"
        "    import hoshikage.protocols.app\n"
        "    from hoshikage.protocols.hoshikage.openapi_document import OpenApiDocument\n"
        "    OpenApiDocument(())"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_it_is_served_in_both_languages(house: House) -> None:
    for language, title in (("ja", "星影の API"), ("en", "Hoshikage's API")):
        status, tree, headers = await house.ask("GET", "/openapi.json", **{"Accept-Language": language})
        assert (status, tree["info"]["title"], headers["Vary"]) == (200, title, "Accept-Language")
        assert {path for _, path in PATHS} == set(tree["paths"])


class _Page(HTMLParser):
    """What a browser would load, follow and be able to jump to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []
        self.ids: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "src" or tag in ("link", "script", "iframe"):
                self.loaded.append(f"{tag} {value}")
            elif name == "href":
                self.followed.append(value or "")
            elif name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words += data


async def test_the_page_stands_alone(house: House) -> None:
    for language, heading in (("ja", "経路"), ("en", "Routes")):
        asked = {"Accept-Language": language}
        async with house.session.get(f"{house.url}/docs", headers=asked) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert answer.headers["Content-Language"] == language
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            source = await answer.text()
        page = _Page()
        page.feed(source)
        assert page.loaded == []
        assert "url(" not in source
        assert "@import" not in source
        assert len(set(page.ids)) == len(page.ids)
        assert {link.removeprefix("#") for link in page.followed} - {"/openapi.json"} <= set(page.ids)
        assert heading in page.words
        for method, path in PATHS:
            assert f"{method} {path}" in page.words
        assert "max_completion_tokens" in page.words
        assert "context_length_exceeded" in page.words
        assert len(source) < 200_000
