"""Holds the texts of the settings area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "invalid": (
        "設定 {name} の値「{value}」は使えません（指定元: {source}）。使える値: {allowed}",
        "Setting {name} cannot be “{value}” (from: {source}). Allowed: {allowed}",
    ),
    "invalid_flag": (
        "設定 {name} の値「{value}」は使えません（指定元: コマンドの引数）。使える値: {allowed}",
        "Setting {name} cannot be “{value}” (from: command line). Allowed: {allowed}",
    ),
    "invalid_environment": (
        "設定 {name} の値「{value}」は使えません（指定元: 環境変数）。使える値: {allowed}",
        "Setting {name} cannot be “{value}” (from: environment). Allowed: {allowed}",
    ),
    "env_untrusted": (
        "{file} の {name} は、作業フォルダーの .env では指定できないため使いません。環境変数か {config} で"
        "指定してください。",
        "{name} in {file} has no effect: a .env in the working folder cannot set it. Set it in the environment or in "
        "{config}.",
    ),
    "env_outside": (
        "{file} の {name} は、そのフォルダーの中の相対パスではないため使いません。外の場所は環境変数か {config} で"
        "指定してください。",
        "{name} in {file} has no effect: a .env in the working folder can only name what lies in that folder, by a "
        "relative path. Set it in the environment or in {config}.",
    ),
    "env_unreadable": (
        "{file} を読めません（{reason}）。所有者とアクセス権を確かめてください。",
        "{file} cannot be read ({reason}). Check its owner and permissions.",
    ),
    "env_encoding": (
        "{file} の {line} 行目（{offset} バイト目）が UTF-8 として読めません。"
        "エディターで文字コードを UTF-8 にして保存し直してください。",
        "{file} is not UTF-8 at line {line} (byte {offset}). Save it again as UTF-8 in an editor.",
    ),
    "env_too_large": (
        "{file} は大きすぎます（{most} バイトまで）。設定のファイルかどうか確かめてください。",
        "{file} is too large (at most {most} bytes). Check that it is a file of settings.",
    ),
    "env_line": (
        "{file} の {line} 行目が「名前=値」の形になっていないため、飛ばしました。",
        "Line {line} of {file} is not of the form NAME=value; it was skipped.",
    ),
    "env_unknown": (
        "{file} の {name} という設定はありません。もしかして: {near}",
        "{file} has {name}, which is no setting. Did you mean {near}?",
    ),
    "log_folder": (
        "LOG_FILE_PATH のフォルダー {folder} がありません。先に作るか、LOG_FILE_PATH を見直してください（{file}）。",
        "LOG_FILE_PATH is in a folder that is not there, {folder}. Make it first, or correct LOG_FILE_PATH ({file}).",
    ),
    "log_file": (
        "LOG_FILE_PATH のファイル {file} にログを書けません: {reason}",
        "The log cannot be written to LOG_FILE_PATH, {file}: {reason}",
    ),
}
