"""The bounds that Security and the API's limits tell are the numbers of the code, in both languages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from hoshikage import params
from hoshikage.answer import remote
from hoshikage.answer.schema import media, output
from hoshikage.http import bodies, connections, json_body
from hoshikage.library import weighed
from hoshikage.library.archive import Limits
from hoshikage.llama import bounds, grammar, sandbox, template
from hoshikage.tools import lark

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
NUMBER: Final = re.compile(r"(?<![\w,])\d+(?:,\d{3})*(?! つ)")
OF_ALL_MEDIA: Final = media.MAX_BYTES >> 20
OF_A_BODY: Final = (bodies.MAX_BYTES >> 20, bodies.MAX_MEDIA_BYTES >> 20)
REMOTE: Final = (OF_ALL_MEDIA, remote.TIMEOUT_S, remote.MAX_REDIRECTS)
RATE: Final = (bodies.MIN_RATE >> 10, bodies.MAX_BODY_S / 60)
UNPACKED: Final = Limits()
SECURITY: Final[Mapping[str, tuple[float, ...]]] = {
    "connections |": (connections.BESIDE_QUEUE,),
    "a header": (connections.HEADER_S,),
    "a body": (*OF_A_BODY, *RATE),
    "pictures and sounds": (media.MAX_MEDIA, OF_ALL_MEDIA, params.MAX_PIXELS / 10**6, params.MAX_SOUND_S / 60),
    "a picture on the network": REMOTE,
    "bodies being read": (bodies.MAX_BYTES_TOGETHER >> 20,),
    "an archive": (UNPACKED.bytes >> 30, UNPACKED.members, weighed.MAX_HEADERS >> 20, UNPACKED.ratio),
    "`max_text`": (bounds.MAX_TEXT,),
    "a custom tool's grammar": (output.MAX_GRAMMAR_BYTES >> 10, lark.MAX_DEPTH),
    "`max_chain`": (bounds.MAX_CHAIN,),
    "`max_expanded`": (bounds.MAX_EXPANDED,),
    "`max_pattern`": (bounds.MAX_PATTERN, bounds.MAX_PATTERN_DEPTH, bounds.MAX_PATTERN_SIZE),
    "`max_merged`": (bounds.MAX_MERGED,),
    "`max_items`": (bounds.MAX_ITEMS,),
    "characters of a chat template": (template.MAX_SOURCE,),
    "characters that one rendering": (sandbox.MAX_WORK,),
    "characters of one text there": (sandbox.MAX_TEXT,),
    "computing time": (template.RENDER_SECONDS, grammar.COMPILE_SECONDS),
}
"""Maps how a row begins in English to the numbers of its second cell."""
API: Final[Mapping[str, tuple[float, ...]]] = {
    "body |": OF_A_BODY,
    "pictures and sounds of a request": (media.MAX_MEDIA, OF_ALL_MEDIA),
    "a picture |": (params.MAX_PIXELS / 10**6,),
    "a sound |": (params.MAX_SOUND_S / 60,),
    "pictures on the network": REMOTE,
    "coming of a body": (*RATE, bodies.CROWDED_S),
    "bodies being read": (bodies.MAX_BYTES_TOGETHER >> 20,),
    "connections |": (connections.BESIDE_QUEUE,),
    "nesting": (json_body.MAX_DEPTH,),
    "values in the JSON": (json_body.MAX_VALUES, json_body.MAX_INTEGERS),
}


def _rows(name: str) -> list[str]:
    return re.findall(r"^\| .*$", (DOCS / name).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("page", "expected"), [("SECURITY", SECURITY), ("API", API)])
def test_the_numbers_of_bounds_are_those_of_the_code(page: str, expected: Mapping[str, tuple[float, ...]]) -> None:
    english, japanese = _rows(f"{page}.md"), _rows(f"{page}.ja.md")
    for start, numbers in expected.items():
        (at,) = [at for at, row in enumerate(english) if row.startswith(f"| {start}")]
        for row in (english[at], japanese[at]):
            cell = row.split(" | ")[1]
            assert sorted(int(one.replace(",", "")) for one in NUMBER.findall(cell)) == sorted(numbers), row
