"""Pictures and sounds of a prompt that is no chat, as llama-server's clients send them: files in base64 beside a text
with a mark for each. Any thread; pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoshikage.answer.schema.media import EITHER, NOTHING_FETCHED, PlacedPart, taken
from hoshikage.answer.schema.raw import PromptObject, Texts
from hoshikage.answer.schema.senses import Senses
from hoshikage.errors import InvalidRequest
from hoshikage.params import Medium, Prompt, TextPrompt

MARKER: Final = "<__media__>"
"""The marker stands in a text in the place of a picture or a sound."""


def has_files(texts: Texts) -> bool:
    return any(one.multimodal_data for one in _objects(texts) if one is not None)


def with_files(prompts: Sequence[Prompt], texts: Texts, senses: Senses) -> tuple[Prompt, ...]:
    """Returns the prompts that were made of `texts`, with their files. Raises InvalidRequest, ParameterUnsupported."""
    objects = _objects(texts)
    places = [f"prompt[{index}]" if isinstance(texts, list) else "prompt" for index in range(len(objects))]
    contents = [
        [_part(data, f"{place}.multimodal_data[{at}]") for at, data in enumerate(one.multimodal_data or ())]
        if one is not None
        else []
        for one, place in zip(objects, places, strict=True)
    ]
    media = taken(contents, 0, senses, NOTHING_FETCHED)
    result = list(prompts)
    for index, one in enumerate(objects):
        files = [medium for at in range(len(contents[index])) if isinstance(medium := media[index, at], Medium)]
        if one is not None and files:
            result[index] = _marked(one.prompt_string, files, f"{places[index]}.prompt_string")
    return tuple(result)


def _objects(texts: Texts) -> list[PromptObject | None]:
    """Returns the object that each prompt was sent as; None for a prompt that was sent as none."""
    if isinstance(texts, PromptObject):
        return [texts]
    if isinstance(texts, list) and any(isinstance(one, PromptObject) for one in texts):
        return [one if isinstance(one, PromptObject) else None for one in texts]
    return []


def _part(data: str, place: str) -> PlacedPart:
    return PlacedPart(EITHER, image_url=f"data:;base64,{data}", place=place, is_asked=True)


def _marked(text: str, files: Sequence[Medium], place: str) -> TextPrompt:
    parts = text.split(MARKER)
    if len(parts) - 1 != len(files):
        raise InvalidRequest(
            "media.markers", param=place, place=place, marker=MARKER, found=len(parts) - 1, count=len(files)
        )
    marked = parts[0] + "".join(file.mark + part for file, part in zip(files, parts[1:], strict=True))
    return TextPrompt(marked, tuple(files))
