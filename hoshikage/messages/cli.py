"""Texts of the cli area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "error": ("エラー", "error"),
    "unexpected": (
        "予期しない問題が起きました（{error}）。詳しくは LOG_LEVEL=debug を付けてもう一度実行してください。",
        "Something unexpected went wrong ({error}). Run it again with LOG_LEVEL=debug to see the details.",
    ),
    "usage": ("{reason}（使い方: {help}）", "{reason} (usage: {help})"),
    "missing_arguments": ("引数が足りません: {names}", "Missing arguments: {names}"),
    "unknown_arguments": ("知らない引数です: {names}", "Unknown arguments: {names}"),
    "missing_value": ("{name} には値が要ります", "{name} needs a value"),
    "wrong_value": ("{name} に「{value}」は使えません", "{name} cannot be “{value}”"),
    "wrong_choice": (
        "{name} に「{value}」は使えません。使える値: {allowed}",
        "{name} cannot be “{value}”. Allowed: {allowed}",
    ),
    "unknown_command": (
        "「{name}」というコマンドはありません。{hint}一覧: hoshikage --help",
        "There is no command “{name}”. {hint}See: hoshikage --help",
    ),
    "did_you_mean": ("もしかして: {name}。", "Did you mean “{name}”? "),
    "help_usage": ("使い方", "usage"),
    "help_arguments": ("引数", "arguments"),
    "help_options": ("オプション", "options"),
    "help_common": ("どのコマンドでも使えるオプション", "options of every command"),
    "help_command": ("コマンド", "COMMAND"),
    "help_commands": ("コマンド", "commands"),
    "help_help": ("この説明を表示", "show this help"),
    "help_version": ("バージョンを表示", "show the version"),
    "help_json": ("JSON で出力", "print JSON"),
    "help_host": ("待ち受けるアドレス（既定: 127.0.0.1）", "address to listen on (default: 127.0.0.1)"),
    "help_port": ("ポート番号（既定: 3030）", "port (default: 3030)"),
    "help_lang": ("表示する言語", "language of the texts"),
    "description": (
        "星影 (Hoshikage): GGUF モデルを手元の libllama で動かす、静かな LLM サーバー。コマンドを省くと serve です。",
        "Hoshikage: a quiet LLM server that runs GGUF models on your own libllama. Without a command it serves.",
    ),
    "epilog": (
        "各コマンドの説明: hoshikage コマンド --help",
        "Help on a command: hoshikage COMMAND --help",
    ),
    "serve_summary": ("サーバーを起動（既定）", "start the server (default)"),
    "add_summary": ("GGUF モデルを登録", "register a GGUF model"),
    "rm_summary": (
        "モデルの登録を外す（GGUF ファイルは消しません）",
        "unregister a model (never deletes the GGUF file)",
    ),
    "list_summary": ("登録したモデルの一覧", "list the registered models"),
    "chat_summary": ("端末でモデルと会話", "chat with a model in the terminal"),
    "demo_summary": ("内蔵の小さなモデルを試す", "try the tiny built-in model"),
    "lib_summary": ("libllama を導入・確認", "install and inspect libllama"),
    "doctor_summary": ("環境を診断", "check this installation"),
    "config_summary": ("有効な設定とその出どころ", "show the settings and where they come from"),
}
