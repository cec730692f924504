"""Holds the texts of the speed area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # bench
    "which": (
        "どのモデルを測るか指定してください: hoshikage bench ラベル（登録済み: {known}）",
        "Say which model to measure: hoshikage bench LABEL (registered: {known})",
    ),
    "loading": ("{label} を読み込んでいます", "Loading {label}"),
    "prompt": ("{count} 語のプロンプトを測っています", "Measuring a prompt of {count} words"),
    "run": ("生成を測っています（{number} / {runs}）", "Measuring generation ({number} / {runs})"),
    "rate": (
        "{median:.1f} トークン/秒（{minimum:.1f}～{maximum:.1f}、{tokens} トークンずつ）",
        "{median:.1f} tokens/s ({minimum:.1f}–{maximum:.1f}, {tokens} tokens each)",
    ),
    "prompt_rate": (
        "{tokens} トークン: {ms:.0f} ms（{tokens_per_second:.0f} トークン/秒）",
        "{tokens} tokens: {ms:.0f} ms ({tokens_per_second:.0f} tokens/s)",
    ),
    "guessed": ("{drafted} 個中 {accepted} 個が的中", "{accepted} of {drafted} right"),
    "where_server": ("動作中のサーバーを通して", "through the running server"),
    "where_own": (
        "このコマンドのプロセスで（サーバーは動いていません）",
        "in a process of its own (no server runs)",
    ),
    "row_model": ("モデル", "model"),
    "row_generation": ("生成", "generation"),
    "row_first": ("最初のトークン", "first token"),
    "row_prompt": ("プロンプト", "prompt"),
    "row_load": ("読み込み", "load"),
    "row_memory": ("メモリ", "memory"),
    "row_guessed": ("先読み", "guessed ahead"),
    "row_library": ("ライブラリ", "library"),
    "row_where": ("測り方", "measured"),
}
