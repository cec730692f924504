"""Holds the texts of the connect area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "summary": (
        "プログラムにこのサーバーを使わせる設定を表示・書き込み",
        "show or write the settings by which a program uses this server",
    ),
    "program": ("プログラムの名前（省くと一覧）", "name of the program (without it: the list)"),
    "model": ("プログラムが使うモデル", "the model that the program uses"),
    "url": (
        "プログラムから見たサーバーのアドレス（別のマシンやコンテナーから使うとき）",
        "the server's address as the program sees it (from another machine, or a container)",
    ),
    "token": (
        "プログラム専用のアクセストークンを作る（以前のものは無効になります）",
        "make an access token of the program's own (its earlier one ends)",
    ),
    "write": (
        "差分を見せてから、プログラムの設定ファイルに書き込む",
        "show the difference, then write the program's files",
    ),
    "yes": ("確認せずに書き込む", "write without asking"),
    "check": ("そのプログラムの形式で実際に 1 回問い合わせる", "make one real request in the program's form"),
    "unknown": (
        "「{name}」というプログラムは知りません（使える名前: {known}）。OpenAI 互換のプログラムなら openai をどうぞ。",
        "There is no program “{name}” here (known: {known}). For any other one that speaks OpenAI's API, use openai.",
    ),
    "url_invalid": (
        "--url に「{url}」は使えません。http://アドレス:ポート の形にしてください。",
        "--url cannot be “{url}”. Give it as http://ADDRESS:PORT.",
    ),
    "model_unknown": (
        "文を書くモデルに「{label}」はありません（登録済み: {known}）。",
        "No model “{label}” that writes text is registered (registered: {known}).",
    ),
    "no_file": (
        "{title} には、書き込める設定ファイルがありません。`hoshikage connect {program}` が見せる手順で"
        "設定してください。",
        "{title} has no file that could be written. Set it up as `hoshikage connect {program}` shows.",
    ),
    "no_server": (
        "{url} でサーバーが動いていないので、登録ファイルと設定から作りました。",
        "No server runs at {url}; this was made from the registry and the settings.",
    ),
    "no_infill": (
        "{title} には、間を埋められるモデル（fill-in-the-middle）が要りますが、登録されていません。",
        "{title} needs a model that fills in the middle, and none is registered.",
    ),
    "token_needed": (
        "このサーバーにはアクセストークンが要ります。`hoshikage connect {program} --token` で作れます。",
        "This server asks for an access token. `hoshikage connect {program} --token` makes one.",
    ),
    "small_context": (
        "モデル {model} のコンテキストは {n_ctx} トークンです。コーディングエージェントは始めに 2～3 万トークンを"
        "送るので、N_CTX を {needed} 以上にしてください。",
        "Model {model} has a context of {n_ctx} tokens. A coding agent sends 20,000 to 30,000 before it does "
        "anything: set N_CTX to {needed} or more.",
    ),
    "small_training": (
        "モデル {model} のコンテキストは {n_ctx} トークンで、学習した長さのため N_CTX を増やしても {needed} には"
        "なりません。コーディングエージェントは始めに 2～3 万トークンを送るので、もっと長いコンテキストで学習した"
        "モデルを `--model` で選んでください。",
        "Model {model} has a context of {n_ctx} tokens, and was not trained for {needed}, so that N_CTX does not help. "
        "A coding agent sends 20,000 to 30,000 before it does anything: choose a model that was trained for a longer "
        "context with `--model`.",
    ),
    "file_not_json": (
        "{file} の {line} 行 {column} 文字目が JSON として読めないので、何も書きませんでした。",
        "{file} is not JSON that can be changed: line {line}, character {column} cannot be read. Nothing was written.",
    ),
    "file_unclosed": (
        "{file} の {line} 行 {column} 文字目で始まるかっこ、文字列、またはコメントが閉じていないので、"
        "何も書きませんでした。",
        "{file} is not JSON that can be changed: the bracket, text or comment that begins at line {line}, character "
        "{column} is not closed. Nothing was written.",
    ),
    "file_too_deep": (
        "{file} の {line} 行 {column} 文字目で、かっこの重なりが深くなりすぎるので、何も書きませんでした。",
        "{file} has too many brackets within brackets at line {line}, character {column}; nothing was written.",
    ),
    "file_no_object": (
        "{file} の {line} 行 {column} 文字目に、オブジェクト（名前と値の組）ではないものがあるので、"
        "何も書きませんでした。",
        "{file} has something other than an object (names with values) at line {line}, character {column}; nothing was "
        "written.",
    ),
    "file_no_array": (
        "{file} の {line} 行 {column} 文字目に、配列（値の並び）ではないものがあるので、何も書きませんでした。",
        "{file} has something other than an array (a list of values) at line {line}, character {column}; nothing was "
        "written.",
    ),
    "file_no_text": (
        "{file} が UTF-8 のテキストではないので、何も書きませんでした（{position} バイト目）。",
        "{file} is no UTF-8 text; nothing was written (byte {position}).",
    ),
    "mark_missing": (
        "{file} の星影の部分に終わりの印（{mark}）がないので、何も書きませんでした。",
        "Hoshikage's part of {file} lacks its closing mark ({mark}); nothing was written.",
    ),
    "name_taken": (
        "{file} にはすでに {name} があります。何も書きませんでした。使うほうだけを残してください。",
        "{file} already sets {name}; nothing was written. Keep only the one that you want.",
    ),
    "file_unwritable": (
        "{file} に書き込めません（{reason}）。空き容量とアクセス権を確かめてください。",
        "{file} cannot be written ({reason}). Check the free space and the permissions.",
    ),
    "unchanged": ("もうそのとおりに書いてあります。", "Everything is written like that already."),
    "ask": ("書き込みますか [y/N] ", "Write this? [y/N] "),
    "not_written": ("何も書きませんでした。", "Nothing was written."),
    "written": ("書き込みました: {file}", "Written: {file}"),
    "backup": ("元のファイル: {file}", "As it was before: {file}"),
    "start": ("起動:\n  {commands}", "Start it with:\n  {commands}"),
    "checked": (
        "{title} の形式で {path} に問い合わせ、モデル {model} が最後まで答えました。",
        "A request in the form of {title} ({path}) was answered to its end by model {model}.",
    ),
    "check_unreachable": (
        "{url} につながりません（{reason}）。サーバーが動いているか、--url が正しいかを確かめてください。",
        "{url} cannot be reached ({reason}). Check that the server runs, and that --url is right.",
    ),
    "check_token": (
        "サーバーがトークンを受け付けません（{status}: {reason}）。--token を付けると、使えるものを作って試します。",
        "The server does not take the token ({status}: {reason}). With --token one is made and tried.",
    ),
    "check_refused": ("サーバーが断りました（{status}）。{reason}", "The server refused it ({status}). {reason}"),
    "check_cut": (
        "{path} の答えが途中で終わりました（「{end}」がありません）。サーバーのログ（LOG_FILE）を見てください。",
        "The answer of {path} ended too early (there is no “{end}”). Look into the server's log (LOG_FILE).",
    ),
    "list_program": ("名前", "program"),
    "list_title": ("プログラム", "what it is"),
    "list_form": ("形式", "form"),
    "how": (
        "設定を見る: hoshikage connect 名前。書き込む: --write、専用トークン: --token、試す: --check",
        "See its settings: hoshikage connect PROGRAM. Write them: --write; a token: --token; try it: --check",
    ),
    "note_cline": (
        "拡張機能では、設定の API Provider に OpenAI Compatible を選び、同じアドレスとモデルを入れます。",
        "In the editor's extension choose OpenAI Compatible as the API Provider, and enter the same address and model.",
    ),
    "note_continue": (
        "エディターの拡張機能では、models の中身を config.yaml の models に加えます。",
        "For the editor's extension, put what stands under models into the models of its config.yaml.",
    ),
    "note_zed": (
        "Zed はキーを settings.json ではなく環境変数 HOSHIKAGE_API_KEY から読みます。",
        "Zed reads the key from the variable HOSHIKAGE_API_KEY, not from settings.json.",
    ),
    "note_vscode": (
        "VS Code 1.122 以降の chatLanguageModels.json です。キーを暗号化して保存するには、設定画面で入れ直して"
        "ください。",
        "This is chatLanguageModels.json of VS Code 1.122 or newer. Enter the key in its settings to have it stored "
        "encrypted.",
    ),
    "note_openai": (
        "OpenAI の SDK を使うプログラムは、たいていこの 2 つの変数を読みます。",
        "Most programs that use OpenAI's SDK read these two variables.",
    ),
    "note_open_webui": (
        "動いている Open WebUI では、管理者パネルの 設定 → 接続 に同じアドレスとキーを入れます。",
        "In an Open WebUI that runs already, enter the same address and key under Admin Panel, Settings, Connections.",
    ),
}
