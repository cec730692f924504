"""Holds the texts of the run area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "summary": ("質問を 1 つして答えだけを出力（パイプ向け）", "ask once and print only the answer, for pipes"),
    "model": ("登録したモデルのラベル、または GGUF ファイル", "label of a registered model, or a GGUF file"),
    "prompt": (
        "質問。標準入力があれば、その下に続けます（どちらか一方でも可）",
        "the question; what comes by standard input is put below it (either alone will do)",
    ),
    "system": ("質問の前に置く指示", "an instruction that goes before the question"),
    "json_schema": ("この JSON Schema に従う JSON で答えさせる", "have the answer as JSON that follows this schema"),
    "image": (
        "質問に添える画像（何度でも。--mmproj で登録したモデルで）",
        "a picture for the question (repeatable; models registered with --mmproj)",
    ),
    "audio": (
        "質問に添える音声（何度でも。--mmproj で登録したモデルで）",
        "a sound for the question (repeatable; models registered with --mmproj)",
    ),
    "tokens": ("答えの長さの上限（トークン数）", "at most this many tokens of an answer"),
    "temperature": ("ばらつき（0 なら毎回同じ）", "how freely words are chosen (0: always the same)"),
    "seed": ("乱数の種", "seed of the choice"),
    "empty": (
        '質問がありません。`hoshikage run ラベル "質問"` か、標準入力で渡してください。',
        'There is no question. Give one with `hoshikage run LABEL "PROMPT"`, or by standard input.',
    ),
    "schema_invalid": (
        "--json-schema は JSON のオブジェクトか、それが入ったファイルにしてください（{reason}）。",
        "--json-schema must be a JSON object, or a file that holds one ({reason}).",
    ),
    "file_unreadable": ("{file} を読めません（{reason}）。", "{file} cannot be read ({reason})."),
    "cut": (
        "答えは長さの上限で切れました。続きが要るなら --tokens か N_CTX を大きくしてください。",
        "The answer was cut at its limit of tokens. For the whole of it, raise --tokens or N_CTX.",
    ),
}
