"""What a chat template shows of tools: found in one pass, and not in a text of any length."""

from __future__ import annotations

from hoshikage.tools.detect import MAX_CHARACTERS, ChatFormat, place_of_tools


def test_a_template_beyond_the_bound_is_not_looked_at() -> None:
    source = "{{ tools }} <tool_call>" + " " * MAX_CHARACTERS
    assert ChatFormat.of(source) == ChatFormat()
    assert ChatFormat.of(source[:MAX_CHARACTERS]).place == "variable"


def test_a_variable_is_looked_for_inside_of_marks_alone() -> None:
    for source in ("{{ {% tools", "{% if tools %}"):
        assert place_of_tools(source) == "variable"
    for source in ("{{ a }} tools", "{{ 'tools' }}"):
        assert place_of_tools(source) == "nowhere"
