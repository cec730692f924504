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
    "token_summary": ("アクセストークンを作成・管理", "make and manage access tokens"),
    # serve
    "port_in_use": (
        "{host}:{port} はほかのプログラムが使っています。それを止めるか、`hoshikage --port {other}` のように"
        "別のポートで起動してください。使っているプログラムは `hoshikage doctor` で調べられます。",
        "{host}:{port} is in use by another program. Stop it, or start on another port, for instance with "
        "`hoshikage --port {other}`. `hoshikage doctor` looks into what is there.",
    ),
    "port_refused": (
        "{host}:{port} を使う権限がありません。1024 以上のポートを `hoshikage --port 3030` のように指定してください。",
        "{host}:{port} may not be used by you. Choose a port from 1024 on, for instance `hoshikage --port 3030`.",
    ),
    "host_unknown": (
        "アドレス {host} はこのマシンにありません。HOST か --host を見直してください（ふつうは 127.0.0.1）。",
        "This machine has no address {host}. Check HOST or --host (127.0.0.1 is the usual one).",
    ),
    # add, rm
    "add_path": ("GGUF ファイル", "the GGUF file"),
    "add_label": ("モデルを呼ぶ名前（API の model に指定）", "what to call the model (the API's model)"),
    "add_stop": (
        "このモデルだけの停止文字列（いくつでも）",
        "stop strings of this model, any number",
    ),
    "add_done": ("登録しました: {label} → {file}", "Registered: {label} → {file}"),
    "add_replaced": (
        "登録済みの {label} を置き換えました: {label} → {file}",
        "Replaced the model that was registered as {label}: {label} → {file}",
    ),
    "add_no_template": (
        "チャットテンプレートが入っていないため、ChatML の形式で会話します。",
        "It has no chat template; chats use the ChatML format.",
    ),
    "rm_label": ("登録したときの名前", "the name it was registered under"),
    "rm_done": ("登録を外しました: {label}", "Unregistered: {label}"),
    "rm_file_stays": ("ファイルはそのまま残っています: {file}", "The file is left where it is: {file}"),
    # list
    "warning": ("注意", "warning"),
    "list_label": ("ラベル", "Label"),
    "list_file": ("ファイル", "File"),
    "list_size": ("サイズ", "Size"),
    "list_architecture": ("種類", "Arch."),
    "list_parameters": ("規模", "Params"),
    "list_quantisation": ("量子化", "Quant."),
    "list_context": ("文脈長", "Context"),
    "list_stop": ("停止", "Stops"),
    "list_state": ("状態", "State"),
    "state_usable": ("使用可", "usable"),
    "state_loaded": ("読み込み済み", "loaded"),
    "state_missing": ("ファイルなし", "missing"),
    "state_damaged": ("使用不可", "unusable"),
    "list_empty": (
        "モデルはまだ登録されていません（{file}）。`hoshikage add ファイル.gguf ラベル` で登録するか、"
        "`hoshikage demo` で内蔵の小さなモデルを試してください。",
        "No model is registered yet ({file}). Register one with `hoshikage add FILE.gguf LABEL`, or try the tiny "
        "built-in one with `hoshikage demo`.",
    ),
    # chat, demo
    "chat_label": (
        "話すモデル（省くと、読み込み済みか最初のモデル）",
        "the model to talk with (default: the loaded one, else the first)",
    ),
    "chat_welcome": (
        '{model} と話せます。複数行は """ で囲みます。Ctrl-C で回答を中断、/clear で会話を最初から、'
        "/exit か Ctrl-D で終了。",
        'Talking with {model}. Several lines go between """ and """. Ctrl-C stops an answer, /clear starts over, '
        "/exit or Ctrl-D leaves.",
    ),
    "chat_cleared": ("会話を最初からやり直します。", "The conversation starts over."),
    "chat_stopped": ("（中断しました）", "(stopped)"),
    "chat_empty": ("標準入力が空です。質問を渡してください。", "Standard input is empty; give it a prompt."),
    "chat_no_models": (
        "モデルが登録されていません。`hoshikage add ファイル.gguf ラベル` で登録するか、`hoshikage demo` で"
        "内蔵の小さなモデルを試してください。",
        "No model is registered. Register one with `hoshikage add FILE.gguf LABEL`, or try the tiny built-in one with "
        "`hoshikage demo`.",
    ),
    "no_server": (
        "{url} でサーバーが動いていません。別の端末で `hoshikage` を実行して起動してください。",
        "No server runs at {url}. Start one with `hoshikage` in another terminal.",
    ),
    "connection_lost": (
        "サーバー {url} との通信が途切れました（{reason}）。もう一度お試しください。",
        "The connection to the server {url} broke off ({reason}). Please try again.",
    ),
    "server_said": ("{message}", "{message}"),
    "demo_missing": (
        "内蔵モデルが入っていません。取得したソースのフォルダーで `pip install ./demo` を実行してください。",
        "The built-in model is not installed. Run `pip install ./demo` in the folder of the sources.",
    ),
    "demo_registered": (
        "内蔵モデルを {label} として登録しました。`hoshikage` でサーバーを起動し、別の端末で `hoshikage chat {label}` "
        "を実行すると会話できます。",
        "The built-in model is registered as {label}. Start the server with `hoshikage`, then talk with it in another "
        "terminal: `hoshikage chat {label}`.",
    ),
    # config
    "config_name": ("設定", "Setting"),
    "config_value": ("値", "Value"),
    "config_source": ("出どころ", "From"),
    "config_folder": ("設定フォルダー: {folder}", "Config folder: {folder}"),
    "source_flag": ("コマンドの引数", "command line"),
    "source_environment": ("環境変数", "environment"),
    "source_default": ("既定値", "default"),
}
