"""Holds the texts of the alias area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "summary": ("モデルの別名を付ける・一覧を見る・消す", "give models further names, list or remove them"),
    "help_name": ("別名（API の model に指定）", "the further name (the API's model)"),
    "help_label": ("モデルのラベルかペルソナの名前", "label of the model, or a persona's name"),
    "help_rm": ("この別名を消す（モデルはそのまま）", "remove this alias; its model stays"),
    "verb": (
        "alias に「{verb}」は要りません。付ける: `hoshikage alias 名前 ラベル`、一覧: `hoshikage alias`、"
        "消す: `hoshikage alias --rm 名前`",
        "alias needs no “{verb}”. To give a name: `hoshikage alias NAME LABEL`; to list them: `hoshikage alias`; to "
        "remove one: `hoshikage alias --rm NAME`",
    ),
    "added": ("別名を付けました: {name} → {target}", "{name} now means {target}"),
    "removed": ("別名を消しました: {name}", "Removed the alias {name}"),
    "list_empty": (
        "別名はまだありません。`hoshikage alias 名前 ラベル` で付けられます。",
        "There are no aliases yet. Make one with `hoshikage alias NAME LABEL`.",
    ),
    "line": ("{name} → {target}", "{name} → {target}"),
    "gone": ("{name} → {target}（モデルなし）", "{name} → {target} (its model is gone)"),
}
