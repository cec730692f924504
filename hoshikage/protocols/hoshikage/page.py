"""Serves GET / and /page/{file}: the page for browsers. Other clients are told at / what Ollama's look for. Event loop
thread.

The page holds no secrets: what it shows it asks of the API, by the API's rules. Its files ask for no token, so that
there is somewhere to enter one.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import Final

from aiohttp import web

from hoshikage import page
from hoshikage.errors import NotFound

RUNNING: Final = "Ollama is running"
"""Clients of Ollama take just this for a sign of life."""
HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify",
    )
)
"""Nothing from elsewhere, no script or style in the page itself, and only the sanitiser makes HTML of text. What
`blob:` shows are files that the page's own script holds: the user's pictures and sounds."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
FOR_GOOD: Final = "public, max-age=31536000, immutable"


async def index(request: web.Request) -> web.Response:
    """Serves the page to those who ask for HTML; a line of text for all others."""
    if not _wants_html(request):
        return web.Response(text=RUNNING, headers={"Vary": "Accept"})
    return await _file(request, page.INDEX, "no-cache", "Accept, Accept-Encoding")


async def file(request: web.Request) -> web.Response:
    """Serves a file of the page; its name changes with its content, so that it may be kept for good."""
    name = request.match_info["file"]
    lasting = FOR_GOOD if "-" in name else "no-cache"
    return await _file(request, name, lasting, "Accept-Encoding")


async def _file(request: web.Request, name: str, lasting: str, vary: str) -> web.Response:
    packed = await asyncio.to_thread(page.read, name)
    if packed is None:
        raise NotFound("http.route_not_found")
    headers = {**HEADERS, "Cache-Control": lasting, "Vary": vary}
    if _takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        body = packed
    else:
        body = await asyncio.to_thread(gzip.decompress, packed)
    return web.Response(body=body, content_type=page.kind(name) or "", charset="utf-8", headers=headers)


def _wants_html(request: web.Request) -> bool:
    kinds = ",".join(request.headers.getall("Accept", [])).split(",")
    return any(kind.partition(";")[0].strip().lower() in HTML for kind in kinds)


def _takes_gzip(request: web.Request) -> bool:
    for word in ",".join(request.headers.getall("Accept-Encoding", [])).split(","):
        name, _, weight = word.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
