"""Texts of the model area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # The registry, model_map.json.
    "label_invalid": (
        "「{label}」はラベルにできません。英数字で始まり、英数字と . _ : @ + - だけの 128 文字以内にしてください。",
        "“{label}” cannot be a label: begin with a letter or digit, then letters, digits and . _ : @ + - only, "
        "at most 128 characters.",
    ),
    "entry_no_object": (
        "「{label}」の登録内容が {{...}} の形になっていないため、飛ばしました。",
        "The entry “{label}” is not an object {{...}}; it was skipped.",
    ),
    "entry_path_invalid": (
        "「{label}」の path（フォルダー）か model（ファイル名）が文字列として使えません。",
        "The entry “{label}” has no usable path (folder) or model (file name).",
    ),
    "entry_stop_invalid": (
        "「{label}」の stop は、空でない 256 バイト以内の文字列の並びでなければなりません。",
        "The stop of “{label}” must be a list of strings, none empty, each at most 256 bytes.",
    ),
    "entry_created_invalid": (
        "「{label}」の created は Unix 時刻（整数）でなければなりません。",
        "The created of “{label}” must be a Unix time (a whole number).",
    ),
    "entry_duplicate": (
        "ラベル「{label}」が二度書かれています。後のほうを使います。",
        "The label “{label}” stands twice; the later one is used.",
    ),
    "registry_damaged": (
        "{file} の {line} 行 {column} 文字目が JSON として読めません。直すまで書き換えません。",
        "{file} cannot be read as JSON at line {line}, column {column}. It is not written to until it is mended.",
    ),
    "registry_no_json": (
        "{file} は UTF-8 の JSON として読めません。直すまで書き換えません。",
        "{file} cannot be read as UTF-8 JSON. It is not written to until it is mended.",
    ),
    "registry_no_object": (
        "{file} の全体が {{\"ラベル\": {{...}}}} の形になっていません。直すまで書き換えません。",
        "{file} as a whole is not of the form {{\"label\": {{...}}}}. It is not written to until it is mended.",
    ),
    "registry_no_file": (
        "{file} は普通のファイルでないか、大きすぎます。",
        "{file} is not a regular file, or too large.",
    ),
    "registry_unreadable": ("{file} を読めません（{reason}）。", "{file} cannot be read ({reason})."),
    "registry_unwritable": ("{file} に書き込めません（{reason}）。", "{file} cannot be written ({reason})."),
    "registry_duplicate": (
        "{file} にラベル「{label}」が二度書かれています。片方を消すまで書き換えません。",
        "{file} has the label “{label}” twice. It is not written to until one of them is removed.",
    ),
    "registry_busy": (
        "ほかのプログラムが登録を書き換えている最中です（{seconds} 秒待ちました: {file}）。もう一度お試しください。",
        "Another program is writing the registry (waited {seconds} s: {file}). Please try again.",
    ),
}
