"""Values put into settings written by hand: everything else stays, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoshikage.programs import jsonc, lines
from hoshikage.programs.jsonc_node import MAX_DEPTH, JsonFault
from tests.examples import examples

COMMENTED = """\
// my settings
{
  "theme": "dark", // at night
  /* models */
  "models": {
    "mine": {"a": 1}, // kept
  },
}
"""


@pytest.mark.parametrize(
    ("text", "path", "after"),
    [
        ("", ("a",), '{\n  "a": 7\n}\n'),
        ("{}", ("a", "b"), '{\n  "a": {\n    "b": 7\n  }\n}'),
        ('{"a": 1}', ("b",), '{"a": 1,\n  "b": 7\n}'),
        ('{\n    "a": 1\n}\n', ("b",), '{\n    "a": 1,\n    "b": 7\n}\n'),
        ('{"a": [1, {"b": "}"}]}', ("a",), '{"a": 7}'),
        ("[]", (("name", "x"),), "[\n  7\n]"),
        ('[{"name": "y"}, {"name": "x", "b": 2}]', (("name", "x"),), '[{"name": "y"}, 7]'),
        ('[{"name": "y"}]', (("name", "x"),), '[{"name": "y"},\n  7\n]'),
        ('{\n\t"a": 1\n}\n', ("b", "c"), '{\n\t"a": 1,\n\t"b": {\n\t\t"c": 7\n\t}\n}\n'),
        ("[]", (("name", "x"), "b"), '[\n  {\n    "name": "x",\n    "b": 7\n  }\n]'),
        ("{}", ("a", ("name", "x"), "b"), '{\n  "a": [\n    {\n      "name": "x",\n      "b": 7\n    }\n  ]\n}'),
        (
            COMMENTED,
            ("models", "ours"),
            COMMENTED.replace("1}, // kept\n", '1}, // kept\n    "ours": 7,\n'),
        ),
        (COMMENTED, ("ours",), COMMENTED.replace("  },\n}", '  },\n  "ours": 7,\n}')),
        ('{\n  "a": 1  \n\n}', ("b",), '{\n  "a": 1,  \n  "b": 7\n\n}'),
        ("{ // mine, yours  \n}", ("b",), '{ // mine, yours  \n  "b": 7\n}'),
        ("// mine", ("b",), '// mine\n{\n  "b": 7\n}\n'),
        (COMMENTED, ("models", "mine", "a"), COMMENTED.replace('"a": 1', '"a": 7')),
    ],
)
def test_only_the_value_changes(text: str, path: Sequence[jsonc.Step], after: str) -> None:
    assert jsonc.put(text, path, 7) == after
    assert jsonc.put(after, path, 7) == after or isinstance(path[-1], tuple)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("path", [("ours",), ("models", "ours"), ("models", "mine", "a"), ("models", "mine", "b", "c")])
@pytest.mark.parametrize("value", [7, {"x": [1, {}]}])
def test_what_is_put_in_ends_its_lines_as_the_others_do(end: str, path: Sequence[jsonc.Step], value: Any) -> None:
    after = jsonc.put(COMMENTED.replace("\n", end), path, value)
    assert after == jsonc.put(COMMENTED, path, value).replace("\n", end)


def test_the_line_end_that_is_there_most_counts_and_others_stay() -> None:
    text = '{\r\n  "a": 1,\n  "b": 2\r\n}\n// end\r\n'
    assert jsonc.put(text, ("c", "d"), 7) == text.replace('"b": 2\r\n', '"b": 2,\r\n  "c": {\r\n    "d": 7\r\n  }\r\n')
    assert jsonc.put("// mine\r\n", ("a",), 7) == '// mine\r\n{\r\n  "a": 7\r\n}\r\n'


@pytest.mark.parametrize(
    ("text", "path", "after"),
    [
        ('{"a": {"b": 1}, "a": {"c": 2}}', ("a", "c"), '{"a": {"b": 1}, "a": {"c": 7}}'),
        ('{"a": 1, "\\u0061": 2}', ("a",), '{"a": 1, "\\u0061": 7}'),
        ('{"x": {"a": {}, "a": {}, "b": 0}}', ("x", "a"), '{"x": {"a": {}, "a": 7, "b": 0}}'),
        ('[{"name": "x", "name": "y"}, {"name": "x", "b": 1, "b": 2}]', (("name", "x"), "b"),
         '[{"name": "x", "name": "y"}, {"name": "x", "b": 1, "b": 7}]'),
    ],
)  # fmt: skip
def test_of_doubled_names_the_one_in_force_is_changed(text: str, path: Sequence[jsonc.Step], after: str) -> None:
    assert jsonc.put(text, path, 7) == after


DEEP = MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("text", "key", "line", "column"),
    [
        ("{", "file_unclosed", 1, 1),
        ('{\n "a": [1,\n', "file_unclosed", 2, 7),
        ('{"a', "file_unclosed", 1, 2),
        ('{"a"', "file_unclosed", 1, 1),
        ("{}\n/* x", "file_unclosed", 2, 1),
        ('{"a": /* x', "file_unclosed", 1, 7),
        ('{\r\n"a" 1}', "file_not_json", 2, 5),
        ('{"a": 1\r"b": 2}', "file_not_json", 2, 1),
        ("[1 2]", "file_not_json", 1, 4),
        ('{"a": }', "file_not_json", 1, 7),
        ("{,}", "file_not_json", 1, 2),
        ("{1: 2}", "file_not_json", 1, 2),
        ('{"a": tru}', "file_not_json", 1, 7),
        ('{"a": NaN}', "file_not_json", 1, 7),
        ('{"a": "\n"}', "file_not_json", 1, 7),
        ("nothing", "file_not_json", 1, 1),
        ("{} {}", "file_not_json", 1, 4),
        ("{}]", "file_not_json", 1, 3),
        ('{"a": ' + "[" * DEEP + "]" * DEEP + "}", "file_too_deep", 1, 6 + MAX_DEPTH),
    ],
)
def test_what_is_no_json_is_not_changed(text: str, key: str, line: int, column: int) -> None:
    with pytest.raises(JsonFault) as refused:
        jsonc.put(text, ("b",), 7)
    assert (refused.value.key, refused.value.line, refused.value.column) == (f"connect.{key}", line, column)


def test_as_deep_as_may_be_is_read_once() -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert jsonc.put(text, (("name", "x"),), 7).startswith(text[:-1] + ",\n")


@pytest.mark.parametrize(
    ("text", "path", "key", "column"),
    [
        ('{"a": 1}', ("a", "b"), "file_no_object", 7),
        ('{"a": null}', ("a", "b"), "file_no_object", 7),
        ("[]", ("a",), "file_no_object", 1),
        ("{}", (("name", "x"),), "file_no_array", 1),
    ],
)
def test_something_else_on_the_way_is_not_replaced(
    text: str, path: Sequence[jsonc.Step], key: str, column: int
) -> None:
    with pytest.raises(JsonFault) as refused:
        jsonc.put(text, path, 7)
    assert (refused.value.key, refused.value.column) == (f"connect.{key}", column)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=4), NAMES, VALUES, st.sampled_from([None, 2, 4]),
       st.sampled_from(["\n", "\r\n"]))  # fmt: skip
def test_whatever_stands_there_the_value_is_put_beside_it(
    before: dict[str, Any], name: str, value: Any, indent: int | None, end: str
) -> None:
    import json

    text = json.dumps(before, indent=indent).replace("\n", end)
    after = jsonc.put(text, (name,), value)
    assert json.loads(after) == {**before, name: value}
    assert "\n" not in text or set(lines.END.findall(after)) == {end}
    assert jsonc.loads(text) == before
