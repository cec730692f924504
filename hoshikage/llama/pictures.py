"""Decodes a picture's file into pixels. Used in the engine thread.

Pillow does it, and not the decoder within libmtmd: that one knows no WebP, turns no photograph upright, and the
function for it has changed its arguments several times.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hoshikage.errors import InvalidRequest, NotSupported
from hoshikage.params import MAX_PIXELS

FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
Pixels = NDArray[np.uint8]


def picture(data: bytes) -> Pixels:
    """Returns the pixels in rows of red, green and blue, upright; of a moving picture the first one's.

    Raises InvalidRequest for what is no such file, or has more than MAX_PIXELS; that is known before it is decoded.
    """
    try:
        from PIL import Image, ImageOps  # an extra, and only here: most models read no pictures
    except ImportError:
        raise NotSupported("engine.media_packages") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd in a file
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    where, limit = "messages", MAX_PIXELS // 10**6
                    raise InvalidRequest(
                        "media.pixels", param=where, place=where, width=width, height=height, limit=limit
                    )
                return _opaque(ImageOps.exif_transpose(image))
    except InvalidRequest:
        raise
    except Exception:  # noqa: BLE001 - a damaged file raises all there is, in words that name objects of this process
        raise InvalidRequest("engine.picture_unreadable", param="messages") from None


def _opaque(image: Any) -> Pixels:
    """Makes white what shows through, as on a page."""
    from PIL import Image

    if image.mode.startswith("I"):  # of 16 bits; the conversion would cut off all but the darkest
        grey = np.clip(np.asarray(image, np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        page.alpha_composite(image)
        image = page
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8))
