"""Holds the texts of the cluster area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "full": (
        "待っているリクエストが多すぎます。少し後でもう一度お試しください。",
        "Too many requests wait for a server. Try again in a moment.",
    ),
    "lost": (
        "答えていたサーバーが途中でいなくなりました。もう一度お試しください。",
        "The server that was answering has gone. Try again.",
    ),
    "none": (
        "答えられるサーバーがありません。少し後でもう一度お試しください。",
        "No server can answer. Try again in a moment.",
    ),
}
