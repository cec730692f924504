"""Says what a model takes beside text, as a value. Any thread; frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hoshikage.frozen import Frozen

if TYPE_CHECKING:
    from hoshikage.answer.schema.formats import MediumKind


class Senses(Frozen, frozen=True):
    """This says what a model takes beside text."""

    images: bool = False
    audio: bool = False

    def has(self, kind: MediumKind) -> bool:
        return self.images if kind == "image" else self.audio


BLIND: Final = Senses()
