"""Holds the texts of the area of installed libraries: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # names
    "name_invalid": (
        "「{name}」は名前にできません。英数字で始まり、英数字と . _ + - だけの 64 文字以内にしてください（lib と "
        "Windows のデバイス名は使えません）。",
        "“{name}” cannot be a name: begin with a letter or digit, then letters, digits and . _ + - only, at most 64 "
        "characters; neither lib nor a device name of Windows.",
    ),
    "unknown": (
        "「{name}」というライブラリはありません（あるもの: {known}）。",
        "There is no library “{name}” (available: {known}).",
    ),
    "empty": (
        "使うことになっている「{name}」（{path}）に libllama がありません。`hoshikage lib list` で確かめ、"
        "`{command}` などで選び直してください。",
        "The chosen library “{name}” ({path}) holds no libllama. See `hoshikage lib list` and choose again, for "
        "instance with `{command}`.",
    ),
    "in_use": (
        "「{name}」は使用中です。先に `hoshikage lib use 名前` でほかのものに切り替えてください。",
        "“{name}” is in use. Switch to another one first with `hoshikage lib use NAME`.",
    ),
    "hand_not_removed": (
        "{folder} は手でファイルを置くフォルダーなので消しません。中のファイルを自分で消してください。",
        "{folder} is where people put files, so it is not removed. Delete the files in it yourself.",
    ),
    "no_former": (
        "戻れる先がありません。モデルを読み込めたことのあるほかのライブラリが残っていません。",
        "There is nothing to go back to: no other library that has loaded a model is left.",
    ),
    "use_refused": (
        "「{name}」は使えないため切り替えませんでした。理由: {reason}",
        "“{name}” cannot be used, so nothing was changed. Reason: {reason}",
    ),
    # showing
    "help_name": (
        "この名前で入れる（使うには lib use 名前）",
        "install under this name (use it with lib use NAME)",
    ),
    "help_list": ("入れてあるライブラリの一覧", "list the installed libraries"),
    "help_use": ("次の読み込みから使うライブラリを選ぶ", "choose the library for the next load"),
    "help_rollback": ("前に動いていたライブラリへ戻す", "go back to the library that worked before"),
    "help_rm": ("名前を付けて入れたライブラリを消す", "remove a library by its name"),
    "help_check": (
        "ライブラリを調べる（場所か名前。省くと使用中のもの）",
        "examine a library (a path or a name; default: the one in use)",
    ),
    "help_now": (
        "動作中のサーバーのモデルをアンロードし、すぐに切り替える",
        "unload the running server's model, so that the change takes effect at once",
    ),
    "used": (
        "次の読み込みから「{name}」（{release}）を使います。",
        "From the next load on, “{name}” ({release}) is used.",
    ),
    "used_first": ("ほかに使えるものがないため、「{name}」を使います。", "There was no other, so “{name}” is in use."),
    "use_hint": ("使うには: hoshikage lib use {name}", "To use it: hoshikage lib use {name}"),
    "now_done": ("動作中のモデルをアンロードしました。", "The running model was unloaded."),
    "now_no_server": ("サーバーは動いていません。", "No server is running."),
    "now_refused": (
        "動作中のモデルはそのままです（{reason}）。",
        "The running model was left as it is ({reason}).",
    ),
    "removed": ("「{name}」を消しました。", "“{name}” was removed."),
    "none_listed": (
        "{folder} にライブラリはありません。`{command}` で入れてください。",
        "There is no library in {folder}. Install one with `{command}`.",
    ),
    "copies_note": (
        "kept: で始まるものは、読み込んだライブラリのコピーです。元のファイルを上書きしても動作中のモデルが"
        "異常終了しないように作ります。"
        "新しいもの {count} つほどが残り、`hoshikage lib rm 名前` で消せます（要るときにまた作ります）。",
        "Those that begin with kept: are copies of libraries that were loaded, so that a running model survives when "
        "somebody copies over the original. About {count} stay; `hoshikage lib rm NAME` removes one (it is made again "
        "when it is needed).",
    ),
    "hollow": ("libllama がありません", "no libllama in it"),
    "fallen": (
        "{at}: {release}（{file}）は最初の読み込みに失敗したため、{former} に戻しました。理由: {reason}",
        "{at}: {release} ({file}) failed to load a model, so Hoshikage went back to {former}. Reason: {reason}",
    ),
}
