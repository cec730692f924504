"""Holds the texts of the cli area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "error": ("エラー", "error"),
    "unexpected": (
        "予期しない問題が起きました（{error}）。詳しくは LOG_LEVEL=debug を付けてもう一度実行してください。",
        "Something unexpected went wrong ({error}). Run it again with LOG_LEVEL=debug to see the details.",
    ),
    "usage": ("{reason}（使い方: {help}）", "{reason} (usage: {help})"),
    "missing_arguments": ("引数が足りません: {names}", "Missing arguments: {names}"),
    "unknown_arguments": ("不明な引数です: {names}", "Unknown arguments: {names}"),
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
    "help_verbose": ("サーバーと登録ファイルのどちらを通したかも表示", "also say whether server or file was used"),
    "help_host": ("待ち受けるアドレス（既定: 127.0.0.1）", "address to listen on (default: 127.0.0.1)"),
    "help_port": ("ポート番号（既定: 3030）", "port (default: 3030)"),
    "help_lang": ("表示する言語", "language of the texts"),
    "description": (
        "星影 (Hoshikage): GGUF モデルを手元の libllama で動かす、静かな LLM サーバー。コマンドを省くと serve です。",
        "Hoshikage: a quiet LLM server that runs GGUF models on your own libllama. Without a command it serves.",
    ),
    "epilog": ("各コマンドの説明: hoshikage コマンド --help", "Help on a command: hoshikage COMMAND --help"),
    "serve_summary": ("サーバーを起動（既定）", "start the server (default)"),
    "add_summary": ("GGUF モデルを登録", "register a GGUF model"),
    "rm_summary": ("モデルの登録を外す（GGUF ファイルは消しません）", "unregister a model (its GGUF file stays)"),
    "list_summary": ("登録したモデルの一覧", "list the registered models"),
    "chat_summary": ("端末でモデルと会話", "chat with a model in the terminal"),
    "bench_summary": ("モデルの速さを測る", "measure how fast a model is here"),
    "bench_label": ("測るモデルのラベル（1 つだけなら省略可）", "label of the model (needed where there are several)"),
    "bench_tokens": ("1 回に生成するトークン数", "tokens generated in a run"),
    "bench_runs": ("生成を測る回数", "how often generation is measured"),
    "demo_summary": ("内蔵の小さなモデルを試す", "try the tiny built-in model"),
    "lib_summary": ("libllama を導入・確認", "install and inspect libllama"),
    "doctor_summary": ("環境を診断", "check this installation"),
    "config_summary": ("有効な設定とその出どころ", "show the settings and where they come from"),
    "status_summary": ("動いているサーバーの状態", "show what the running server does"),
    "load_summary": ("サーバーにモデルを読み込ませる", "have the running server load a model"),
    "unload_summary": ("サーバーにモデルをアンロードさせる", "have the running server unload its model"),
    "token_summary": ("アクセストークンを作成・管理", "make and manage access tokens"),
    # cache
    "cache_summary": ("しまった会話の計算結果を見て、消す", "show and remove what is stored of conversations"),
    "cache_help_list": ("しまったものを新しい順に並べる", "list what is stored, the newest first"),
    "cache_help_clear": ("すべて消す", "remove everything"),
    "cache_empty": ("しまった会話はありません。", "Nothing is stored of conversations."),
    "cache_cleared": ("{count} 件（{size}）を消しました。", "{count} removed ({size})."),
    "cache_total": ("{count} 件、{size}", "{count} in all, {size}"),
    "cache_where": ("場所", "Where"),
    "cache_model": ("モデル", "Model"),
    "cache_caller": ("誰の", "Caller"),
    "cache_tokens": ("トークン", "Tokens"),
    "cache_size": ("サイズ", "Size"),
    "cache_time": ("時刻", "Time"),
    "cache_in_memory": ("メモリ{name}", "memory{name}"),
    "cache_in_disk": ("ディスク{name}", "disk{name}"),
    "cache_in_slot": ("スロット {name}", "slot {name}"),
    # serve
    "serve_no_library": (
        "libllama がまだないので、会話には答えられません。`hoshikage lib install` で入れてください"
        "（再起動は要りません）。",
        "There is no libllama yet, so chats cannot be answered. Install one with `hoshikage lib install`; no restart "
        "is needed.",
    ),
    "serve_library": ("会話には答えられません。{reason}", "Chats cannot be answered. {reason}"),
    "serve_no_models": (
        "モデルがまだありません。`hoshikage add ファイル.gguf ラベル` で登録するか、`hoshikage pull ORG/NAME` で"
        "ダウンロードするか、`hoshikage demo` で内蔵モデルを使ってください（再起動は要りません）。",
        "There is no model yet. Register one with `hoshikage add FILE.gguf LABEL`, download one with "
        "`hoshikage pull ORG/NAME`, or use the built-in one with `hoshikage demo`; no restart is needed.",
    ),
    "port_in_use": (
        "{host}:{port} はほかのプログラムが使っています。それを止めるか、`hoshikage --port {other}` のように"
        "別のポートで起動してください。使っているプログラムは `hoshikage doctor` で調べられます。",
        "{host}:{port} is in use by another program. Stop it, or start on another port, for instance with "
        "`hoshikage --port {other}`. `hoshikage doctor` looks into what is there.",
    ),
    "port_in_use_own": (
        "星影はすでに {host}:{port} で動いています。そのまま使えます（`hoshikage status` で確認できます）。"
        "もう 1 つ起動するなら `hoshikage --port {other}` のように別のポートにしてください。",
        "Hoshikage is already running at {host}:{port} and can be used as it is (see `hoshikage status`). To start "
        "another one, choose another port, for instance `hoshikage --port {other}`.",
    ),
    "port_in_use_hoshikage": (
        "{host}:{port} では、ほかのユーザーか、設定フォルダーの違う星影が動いているようです。"
        "`hoshikage --port {other}` のように別のポートで起動してください。",
        "A Hoshikage of another user, or with another config folder, seems to run at {host}:{port}. Start on another "
        "port, for instance `hoshikage --port {other}`.",
    ),
    "port_refused": (
        "{host}:{port} を使う権限がありません。1024 以上のポートを `hoshikage --port 3030` のように指定してください。",
        "Permission denied for {host}:{port}. Ports below 1024 need administrator rights; try `hoshikage --port 3030`.",
    ),
    "host_unknown": (
        "アドレス {host} はこのマシンにありません。HOST か --host を見直してください（ふつうは 127.0.0.1）。",
        "This machine has no address {host}. Check HOST or --host (127.0.0.1 is the usual one).",
    ),
    # add, rm
    "add_path": ("GGUF ファイル", "the GGUF file"),
    "add_label": ("モデルを呼ぶ名前（API の model に指定）", "what to call the model (the API's model)"),
    "add_stop": (
        'このモデルだけの停止文字列（いくつでも。"" で外す。書かなければ、同じファイルなら残る）',
        'stop strings of this model, any number ("": none; left out: those that this file was registered with)',
    ),
    "add_check": (
        "登録せずに、使えるかどうかと必要なメモリを調べる（ラベルは要りません）",
        "only check the file and estimate the memory it needs (takes no label)",
    ),
    "check_text": ("{file} は会話に使えます。", "{file} can be used to chat."),
    "check_embeddings": ("{file} は埋め込みに使えます。", "{file} can be used for embeddings."),
    "check_rerank": ("{file} は並べ替えに使えます。", "{file} can be used to rerank."),
    "check_no_chat": ("{file} はこのままでは会話に使えません。", "{file} cannot be used to chat as it is."),
    "check_total": (
        "必要なメモリの見積もり（文脈長 {n_ctx}）: {total}",
        "Memory it needs, estimated (context of {n_ctx} tokens): {total}",
    ),
    "check_parts": (
        "重み {weights}、KV キャッシュ {kv_cache}、計算用 およそ {compute}",
        "weights {weights}, KV cache {kv_cache}, to compute about {compute}",
    ),
    "check_draft": ("、下書きモデル {draft}", ", draft model {draft}"),
    "check_projector": ("、画像と音声の部品 {projector}", ", projector {projector}"),
    "check_fits": ("いま使えるメモリ: {available}。足ります。", "Memory available now: {available}. It fits."),
    "check_too_large": (
        "いま使えるメモリ: {available}。足りません。--n-ctx を小さくするか、量子化の進んだファイルを選んでください。",
        "Memory available now: {available}. It does not fit: choose a smaller --n-ctx, or a file with a smaller "
        "quantisation.",
    ),
    "check_unknown": (
        "この OS では、いま使えるメモリを調べられません。",
        "The memory available now cannot be told on this system.",
    ),
    "check_note": (
        "323 MiB のモデルの実測は、見積もりより 14～38 % 少なめでした。GPU に載せる層は GPU のメモリを使います。",
        "Measured, a model of 323 MiB took 14 to 38 % less. Layers put on a GPU take the GPU's memory.",
    ),
    # Settings of a model or a persona.
    "help_may_go": (
        '登録し直しても、書かなかった設定は残ります。値を "" にすると外れ、全体の設定に戻ります。',
        'A model that is registered again keeps those that are left out; "" in place of a value takes one away.',
    ),
    "help_way_back": ("{flag} を取り消す（設定を外す）", "what takes {flag} back: it is set no more"),
    "help_model_options": ("ほかと変えたい設定", "settings of its own"),
    "add_done": ("登録しました: {label} → {file}", "Registered: {label} → {file}"),
    "add_replaced": (
        "登録済みの {label} を置き換えました: {label} → {file}",
        "Replaced the model that was registered as {label}: {label} → {file}",
    ),
    "add_reloads": (
        "読み込まれている {label} は、まだ前の設定のままです。次のリクエストで読み込み直します。",
        "The loaded copy of {label} still has its former settings; the next request loads it anew.",
    ),
    "add_reads": ("画像や音声を読む部品（mmproj）: {file}（{kinds}）", "with its projector {file}: it reads {kinds}"),
    "add_images": ("画像", "pictures"),
    "add_audio": ("音声", "sound"),
    "add_projectors": (
        "同じフォルダーに mmproj があります（{names}）。このモデルのものなら --mmproj で指定してください。",
        "There are projectors in its folder ({names}); where one is this model's, give it by --mmproj.",
    ),
    "add_template_broken": (
        "チャットテンプレートを解釈できません（{reason}）。`--chat-template ファイル` か `--chat-template chatml` で"
        "別のものを指定するまで、会話は断られます。",
        "Its chat template cannot be read ({reason}). Chats will be refused until you name another one with "
        "`--chat-template FILE` or `--chat-template chatml`.",
    ),
    "add_not_local": (
        "{path} は取りに行けません。先にダウンロードして、このマシンにあるファイルを指定してください。",
        "{path} is not fetched for you: only files on this machine are taken. Download it first, then name the file.",
    ),
    "stop_empty": (
        "停止文字列が空です。空でない文字列を指定するか、書かずに省いてください。",
        "A stop string is empty. Give it some text, or leave it out.",
    ),
    "add_no_chat": (
        "チャットテンプレートも ChatML のトークンも入っていません。会話のためのモデルではないか、テンプレートが要ります"
        "（`--chat-template ファイル`）。",
        "It has neither a chat template nor the tokens of ChatML: it was not made for chats, or needs a template "
        "(`--chat-template FILE`).",
    ),
    "add_for_embeddings": (
        "埋め込み（/v1/embeddings）のためのモデルで、会話はできません。",
        "It makes embeddings (/v1/embeddings) and cannot chat.",
    ),
    "add_for_rerank": (
        "並べ替え（/v1/rerank）のためのモデルで、会話はできません。",
        "It reranks (/v1/rerank) and cannot chat.",
    ),
    "add_no_template": (
        "チャットテンプレートが入っていないため、ChatML の形式で会話します。",
        "It has no chat template; chats use the ChatML format.",
    ),
    "rm_label": ("登録したときの名前", "the name it was registered under"),
    "rm_done": ("登録を外しました: {label}", "Unregistered: {label}"),
    "rm_persona_stays": (
        "ペルソナ {name} はこのモデルを使うため、いまは答えられません。",
        "The persona {name} uses this model and cannot answer without it.",
    ),
    "rm_alias_stays": ("別名 {name} の先には何もありません。", "The alias {name} leads nowhere now."),
    "rm_file_stays": ("ファイルはそのまま残っています: {file}", "The file is left where it is: {file}"),
    "via_server": ("サーバー（{where}）を通して行いました。", "Done by the server at {where}."),
    "via_file": ("登録ファイル {file} に直接行いました。", "Done on the file {file}."),
    # load, unload
    "load_running": ("{label} を読み込んでいます…", "Loading {label} …"),
    "load_done": ("読み込みました: {label}", "Loaded: {label}"),
    "unload_done": ("アンロードしました: {label}", "Unloaded: {label}"),
    "unload_label": ("そのモデルだけ（なければすべて）", "that model alone (without it: all)"),
    "unload_not_loaded": ("{label} は読み込まれていません。", "{label} is not loaded."),
    "unload_none": ("読み込まれているモデルはありません。", "No model is loaded."),
    # status
    "status_server": ("サーバー", "Server"),
    "status_version": ("{url}（バージョン {version}）", "{url} (version {version})"),
    "status_state": ("状態", "State"),
    "status_sleeping": (
        "眠っています（次のリクエストで起きます。この表示では起きません）",
        "asleep (the next request wakes it; asking for this does not)",
    ),
    "status_queue": ("リクエスト", "Requests"),
    "status_requests": ("処理中 {running}、順番待ち {waiting}", "{running} running, {waiting} waiting"),
    "status_waiting_for": ("待っている先", "Waiting for"),
    "status_library": ("ライブラリ", "Library"),
    "status_model": ("モデル", "Model"),
    "status_ready": ("読み込み済み", "loaded"),
    "status_loading": ("読み込み中", "loading"),
    "status_unloading": ("アンロード中（メモリがまだ戻っていません）", "unloading (its memory is not back yet)"),
    "status_unloaded": ("なし（リクエストが来ると読み込みます）", "none (the next request loads one)"),
    "status_quarantined": ("休止中（異常終了が続き、しばらく使えません）", "set aside for minutes after crashes"),
    "status_what": ("内容", "What"),
    "status_context": ("文脈長", "Context"),
    "status_tokens": ("{n_ctx} トークン（学習時 {maximum}）", "{n_ctx} tokens (trained with {maximum})"),
    "status_runner": ("プロセス", "Process"),
    "status_beside": ("そのほか", "Beside it"),
    "status_copying": ("コピーしています（{percent:.0f} %）", "being made ({percent:.0f}%)"),
    "status_ramdisk": ("メモリ上のコピー", "Copy in memory"),
    "status_returned": ("前回のアンロード", "Last unload"),
    "status_amounts": ("メモリ {memory}、VRAM {vram} が戻りました", "gave back {memory} of memory, {vram} of VRAM"),
    "status_col_time": ("終了", "Ended"),
    "status_col_label": ("モデル", "Model"),
    "status_col_prompt": ("入力", "Prompt"),
    "status_col_answer": ("回答", "Answer"),
    "status_col_wait": ("待ち", "Waited"),
    "status_col_first": ("最初の文字まで", "First token"),
    "status_col_speed": ("トークン/秒", "Tokens/s"),
    "status_col_end": ("終わり方", "End"),
    "import_summary": ("旧版のタグのファイルの名前を引き継ぐ", "take over the names of the older version's tags file"),
    "import_help_file": ("タグのファイル（なければ TAG_OLLAMA_FILE）", "the tags file (else TAG_OLLAMA_FILE)"),
    "import_nothing": ("{file} にタグがありません。", "There are no tags in {file}."),
    "import_there": ("もうあります: {name}", "Already there: {name}"),
    "import_added": ("別名にしました: {name} → {model}", "A further name now: {name} → {model}"),
    "import_missing": (
        "モデルがありません: {name}（`hoshikage add ファイル {model}` で登録してから、もう一度）",
        "No model: {name} (register one with `hoshikage add FILE {model}`, then once more)",
    ),
    # persona
    "persona_summary": ("ペルソナ（性格を持たせたモデル）を管理", "manage personas: models with a character"),
    "persona_add": ("ペルソナを作る（同じ名前は置き換え）", "make a persona, or replace the one of that name"),
    "persona_list": ("ペルソナの一覧", "list the personas"),
    "persona_rm": ("ペルソナを消す（モデルはそのまま）", "remove a persona; its model stays"),
    "persona_help_name": ("ペルソナを呼ぶ名前（API の model に指定）", "what to call the persona (the API's model)"),
    "persona_help_model": ("使うモデルのラベル", "label of the model it uses"),
    "persona_help_system": (
        "性格や役割を書いた文章。@ファイル名 とすると、そのファイルから読みます",
        "the text that says who it is; @FILE takes it from a file",
    ),
    "persona_added": ("ペルソナを作りました: {name}（モデル {model}）", "Made the persona {name} of the model {model}"),
    "persona_replaced": (
        "ペルソナを置き換えました: {name}（モデル {model}）",
        "Replaced the persona {name}, of the model {model}",
    ),
    "persona_removed": ("ペルソナを消しました: {name}", "Removed the persona {name}"),
    "persona_file_unreadable": (
        "{file} を読めません（{reason}）。@ で始まる文章はファイル名とみなします。",
        "{file} cannot be read ({reason}). A text that begins with @ names a file.",
    ),
    "persona_file_no_text": ("{file} は UTF-8 のテキストではありません。", "{file} is no UTF-8 text."),
    "persona_list_empty": (
        "ペルソナはまだありません。`hoshikage persona add 名前 --model ラベル --system 文章` で作れます。",
        "There are no personas yet. Make one with `hoshikage persona add NAME --model LABEL --system TEXT`.",
    ),
    "persona_column_name": ("名前", "Name"),
    "persona_column_model": ("モデル", "Model"),
    "persona_column_system": ("文章", "System text"),
    "persona_column_options": ("設定", "Settings"),
    "persona_column_state": ("状態", "State"),
    "persona_state_usable": ("使用可", "usable"),
    "persona_state_missing": ("モデルなし", "its model is gone"),
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
    "list_options": ("設定", "Settings"),
    "list_state": ("状態", "State"),
    "state_found": ("MODEL_DIR 内", "in MODEL_DIR"),
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
    "chat_any_server": (
        "自分の星影だと確かめられないサーバーとも会話する（会話の内容がそのプログラムに送られます）",
        "also chat with a server that cannot prove to be yours (it is sent all that you write)",
    ),
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
    "chat_unknown": (
        "{name} というコマンドはありません（送っていません）。/clear で会話を最初から、/exit で終了。",
        "There is no command {name}, and it was not sent. /clear starts over, /exit leaves.",
    ),
    "chat_piped": (
        "標準入力は全体で 1 つの質問です。/clear や /exit は端末でだけ効き、ここでは文の一部として送られます。",
        "Standard input is one prompt as a whole: /clear and /exit work in a terminal alone, and are sent as words "
        "here.",
    ),
    "chat_stopped": ("（中断しました）", "(stopped)"),
    "chat_empty": ("標準入力が空です。質問を渡してください。", "Standard input is empty; give it a prompt."),
    "chat_no_models": (
        "モデルが登録されていません。`hoshikage add ファイル.gguf ラベル` で登録するか、`hoshikage demo` で"
        "内蔵の小さなモデルを試してください。",
        "No model is registered. Register one with `hoshikage add FILE.gguf LABEL`, or try the tiny built-in one with "
        "`hoshikage demo`.",
    ),
    "foreign_program": (
        "{url} にいるのは星影ではなく、別のプログラムです。何も送りませんでした。星影を別のポートで起動し、PORT か "
        "--port を合わせてください。",
        "What listens at {url} is another program, not Hoshikage. Nothing was sent to it. Start Hoshikage on another "
        "port, and set PORT or --port to that.",
    ),
    "foreign_server": (
        "{url} のサーバーは、あなたの星影だと確かめられません（ほかのユーザーか、設定フォルダーの違う星影のようです）。"
        "何も送りませんでした。そのサーバーを信頼して会話するなら `hoshikage chat --any-server` を使ってください。",
        "The server at {url} cannot prove to be yours; it seems to be a Hoshikage of another user, or with another "
        "config folder. Nothing was sent to it. If you trust it, chat with `hoshikage chat --any-server`.",
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
