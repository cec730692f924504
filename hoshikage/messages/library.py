"""Texts of the library area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # finding
    "missing": (
        "libllama が見つかりません。`{command}` で入れるか、環境変数 {variable} で場所を指定してください。"
        "探した場所:\n{looked}",
        "No libllama was found. Install one with `{command}`, or set {variable} to where it is. Looked in:\n{looked}",
    ),
    "path_missing": (
        "{variable} が指す {path} がありません。場所を直すか、{variable} を外して `{command}` を実行してください。",
        "{variable} names {path}, which does not exist. Correct it, or unset {variable} and run `{command}`.",
    ),
    "path_dangling": (
        "{variable} が指す {path} はリンク切れです。リンクを直すか、{variable} を外して `{command}` を "
        "実行してください。",
        "{variable} names {path}, a link that leads nowhere. Mend it, or unset {variable} and run `{command}`.",
    ),
    "path_empty": (
        "{variable} が指すフォルダー {path} に libllama がありません。場所を直すか、{variable} を外して "
        "`{command}` を実行してください。",
        "{variable} names the folder {path}, which holds no libllama. Correct it, or unset {variable} and run "
        "`{command}`.",
    ),
    "path_unreadable": (
        "{variable} が指す {path} を読めません（{reason}）。アクセス権を確かめてください。",
        "{variable} names {path}, which cannot be read ({reason}). Check its permissions.",
    ),
    "folder_unreadable": (
        "ライブラリのフォルダー {path} を読めません（{reason}）。アクセス権を直すか、`{command}` で入れ直して"
        "ください。",
        "The library folder {path} cannot be read ({reason}). Correct its permissions or run `{command}`.",
    ),
    "file_unreadable": (
        "ライブラリのファイル {path} を読めません（{reason}）。アクセス権を確かめてください。",
        "The library file {path} cannot be read ({reason}). Check its permissions.",
    ),
    "not_a_library": (
        "{path} はこのシステムの共有ライブラリではありません（必要な形式: {expected}、実際: {found}）。"
        "正しいファイルに置き換えるか、`{command}` を実行してください。",
        "{path} is no shared library of this system (expected: {expected}, found: {found}). Replace it or run "
        "`{command}`.",
    ),
    # judging
    "crashed": (
        "ライブラリ {path} は試し読みの途中で異常終了しました（{reason}）。別の版を "
        "`hoshikage lib install --release 版` で入れてください。",
        "The library {path} crashed when it was tried ({reason}). Install another release with "
        "`hoshikage lib install --release RELEASE`.",
    ),
    "hung": (
        "ライブラリ {path} は試し読みで {seconds:g} 秒たっても応答しませんでした。別の版を "
        "`hoshikage lib install --release 版` で入れてください。",
        "The library {path} did not answer within {seconds:g} s when it was tried. Install another release with "
        "`hoshikage lib install --release RELEASE`.",
    ),
    # putting in place
    "install_running": (
        "別のインストールが {path} に対して進行中です。終わるのを待って、もう一度実行してください。",
        "Another installation into {path} is running. Wait for it to end and try again.",
    ),
    "in_use": (
        "{path} は使用中のため置き換えられません（{reason}）。サーバーを止めてから、もう一度実行してください。"
        "元のライブラリはそのまま残っています。",
        "{path} is in use and cannot be replaced ({reason}). Stop the server and try again. The former library is "
        "still in its place.",
    ),
    "not_placed": (
        "新しいライブラリを {path} に置けませんでした（{reason}）。元のライブラリはそのまま残っています。",
        "The new library could not be put into {path} ({reason}). The former library is still in its place.",
    ),
}
