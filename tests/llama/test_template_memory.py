"""No template makes more text than a prompt can need, however it doubles it."""

from __future__ import annotations

import tracemalloc
from datetime import datetime, timezone
from typing import Final

import pytest

from hoshikage.errors import TemplateRefused
from hoshikage.llama.sandbox import MAX_WIDTH
from hoshikage.llama.template import ChatTemplate
from hoshikage.params import ChatPrompt, Message

NOW: Final = datetime(2026, 7, 9, tzinfo=timezone.utc)
HI: Final = ChatPrompt((Message("user", "hi"),))
LIMIT: Final = 600 * 1024 * 1024
DOUBLING: Final = (
    "{% set n = namespace(x='星' * 999, l=[1], d=2) %}{% for i in range(60) %}{% set n.x = STEP %}{% endfor %}"
)

NESTING: Final = "{% for i in range(60) %}{% set n.l = [n.l, n.l] %}{% endfor %}"
ENDS: Final = ("{{ n.l }}", "{{ n.l | tojson }}", "{{ 'a' ~ n.l }}", "{{ '%s' % n.l }}")
"""What would write the nested lists: each runs until a rendering's time is over."""


def refused(source: str) -> str:
    tracemalloc.start()
    try:
        with pytest.raises(TemplateRefused) as refusal:
            ChatTemplate(source, "", "", ()).render(HI, NOW)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    return str(refusal.value.details.get("reason", refusal.value.key))


@pytest.mark.parametrize(
    "step",
    [
        "n.x ~ n.x",
        "n.x + n.x",
        "n.x * 2",
        "n.x.join([n.x, n.x])",
        "[n.x, n.x] | join",
        "n.x.replace('星', '星星')",
        "n.x | replace('星', '星星')",
        "'%s%s' % (n.x, n.x)",
        "'%s%s' | format(n.x, n.x)",
        "'{0}{0}'.format(n.x)",
        "'{a}{a}'.format_map({'a': n.x})",
        "[n.x, n.x] | string",
        "[n.x, n.x] | tojson",
    ],
)
def test_doubling_ends_early(step: str) -> None:
    assert "too" in refused(DOUBLING.replace("STEP", step) + "{{ n.x | length }}")


@pytest.mark.parametrize(
    "source",
    [
        DOUBLING.replace("STEP", "n.x") + "{% for i in range(60) %}{% set n.l = n.l + n.l %}{% endfor %}",
        *(pytest.param(DOUBLING.replace("STEP", "n.x") + NESTING + end, marks=pytest.mark.long) for end in ENDS),
        DOUBLING.replace("STEP", "n.x") + "{% for i in range(60) %}{% set n.d = n.d * n.d %}{% endfor %}{{ n.d }}",
        "{% macro f(x) %}{{ x }}{{ x }}{% endmacro %}" + DOUBLING.replace("STEP", "f(n.x)"),
        DOUBLING.replace("{% set n.x = STEP %}", "{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}"),
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x'.center(1000000000) }}",
        "{{ '1'.zfill(1000000000) }}",
        "{{ '\\t'.expandtabs(1000000000) }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ ('x\\n' * 9999) | indent(1000000000) }}",
        "{{ {'a': {'b': 1}} | tojson(indent=1000000000) }}",
        "{{ [1] | batch(1000000000, 0) | list }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ '{:{w}}'.format(1, w=1000000000) }}",
        "{{ ('{0}' * 99999).format('x' * 99999) }}",
        "{{ ('%(a)s' * 99999) % {'a': 'x' * 99999} }}",
        "{{ ('x' * 999999).translate({120: 'y' * 999999}) }}",
        "{{ ('x ' * 3000000).split(' ') | length }}",
        "{{ ('x' * 9000000) | list | length }}",
        "{% for i in range(999) %}{{ 'x' * 99999 }}{% endfor %}",
    ],
)
def test_no_way_round_it(source: str) -> None:
    assert refused(source)


def test_a_long_conversation_is_no_crime() -> None:
    turns = tuple(Message(("user", "assistant")[i % 2], "星影 " * 1000) for i in range(300))
    own = "{% set n = namespace(t='') %}{% for m in messages %}{% set n.t = n.t ~ m.content %}{% endfor %}{{ n.t }}"
    assert len(ChatTemplate(own, "", "", ()).render(ChatPrompt(turns), NOW).text) == 900_000


def test_what_methods_of_numbers_make_is_bounded() -> None:
    assert "to_bytes" in refused(f"{{{{ (5).to_bytes({MAX_WIDTH + 1}, 'big') | length }}}}")
    assert ChatTemplate("{{ (5).to_bytes(2, 'big') | length }}", "", "", ()).render(HI, NOW).text == "2"


@pytest.mark.parametrize(
    "made",
    [
        "(5).to_bytes(20, 'big')",
        "(255).to_bytes(20, 'little') ~ ''",
        "(0.1).hex()",
        "[[i, [i, [i]]], i] | string",
        "{'a': {'b': [i, i, i]}} | tojson",
        "([[i]] * 9) | string",
        "'%s' % ([[i, [i]]],)",
        "namespace(a=[i, i]).a | string",
    ],
)
def test_all_that_a_rendering_makes_counts_as_text(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"{{% for i in range(99) %}}{{% set x = {made} %}}{{% endfor %}}ok"
    assert ChatTemplate(source, "", "", ()).render(HI, NOW).text == "ok", "it is fine with the usual bound"
    monkeypatch.setattr("hoshikage.llama.sandbox.MAX_WORK", 200)
    assert "too much text" in refused(source)


def test_a_source_beyond_the_bound_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.llama.template.MAX_SOURCE", 10)
    assert ChatTemplate("12345678901", "", "", ()).broken == "longer than 10 characters"
    assert ChatTemplate("1234567890", "", "", ()).broken is None
