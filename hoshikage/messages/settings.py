"""Texts of the settings area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "invalid": (
        "設定 {name} の値「{value}」は使えません（指定元: {source}）。使える値: {allowed}",
        "Setting {name} cannot be “{value}” (from: {source}). Allowed: {allowed}",
    ),
    "log_file": (
        "LOG_FILE_PATH のファイル {file} にログを書けません: {reason}",
        "The log cannot be written to LOG_FILE_PATH, {file}: {reason}",
    ),
}
