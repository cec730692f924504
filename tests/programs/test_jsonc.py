"""Values put into settings written by hand: everything else stays, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoshikage.programs import jsonc
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
        (COMMENTED, ("models", "mine", "a"), COMMENTED.replace('"a": 1', '"a": 7')),
    ],
)
def test_only_the_value_changes(text: str, path: Sequence[jsonc.Step], after: str) -> None:
    assert jsonc.put(text, path, 7) == after
    assert jsonc.put(after, path, 7) == after or isinstance(path[-1], tuple)


@pytest.mark.parametrize(
    "text", ["{", '{"a" 1}', '{"a": 1 "b": 2}', "[1 2]", '{"a": }', "{,}", '{"a": tru}', "nothing"]
)
def test_what_is_no_json_is_not_changed(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        jsonc.put(text, ("b",), 7)


@pytest.mark.parametrize(("text", "path"), [('{"a": 1}', ("a", "b")), ("[]", ("a",)), ("{}", (("name", "x"),))])
def test_something_else_on_the_way_is_not_replaced(text: str, path: Sequence[jsonc.Step]) -> None:
    with pytest.raises(ValueError, match=r"."):
        jsonc.put(text, path, 7)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=4), NAMES, VALUES, st.sampled_from([None, 2, 4]))
def test_whatever_stands_there_the_value_is_put_beside_it(
    before: dict[str, Any], name: str, value: Any, indent: int | None
) -> None:
    import json

    text = json.dumps(before, indent=indent)
    assert json.loads(jsonc.put(text, (name,), value)) == {**before, name: value}
    assert jsonc.loads(text) == before
