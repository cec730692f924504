"""Holds the texts of the http area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # The server's life.
    "sleeps": (
        "使われていないため眠ります。リクエストが来ると目を覚まします",
        "nobody asks for anything: going to sleep until a request comes",
    ),
    "wakes": ("リクエストが来たため目を覚ましました", "awake again: a request has come"),
    "ready": (
        "星影の準備ができました: {url}（Ctrl-C で終了）",
        "Hoshikage is ready: {url} (Ctrl-C to stop)",
    ),
    "stopping": (
        "終了します。処理中のリクエストが終わるのを待っています（もう一度 Ctrl-C ですぐに終了）。",
        "Stopping once running requests have finished (Ctrl-C again to stop at once).",
    ),
    "no_token_exposed": (
        "{host} にはほかのマシンからも届くので、アクセストークンが要りますが、まだ 1 つもありません。"
        "`hoshikage token create 名前` で作ってから起動してください（このマシンだけで使うなら HOST を 127.0.0.1 に）。",
        "{host} can be reached from other machines, so an access token is needed, and there is none. Make one with "
        "`hoshikage token create NAME` first (or set HOST to 127.0.0.1 to serve this machine only).",
    ),
    "no_token": (
        "REQUIRE_TOKEN=always ですが、アクセストークンがまだありません。`hoshikage token create 名前` で作ってから"
        "起動してください。",
        "REQUIRE_TOKEN is always, and there is no access token yet. Make one with `hoshikage token create NAME` first.",
    ),
    "any_origin": (
        "CORS_ORIGINS を * や https://* にできるのは、いつでもトークンが要るとき（REQUIRE_TOKEN=always）だけです。"
        "そうでないと、ブラウザーで開いたどのページからも使えてしまいます。使うオリジンを並べてください（例: "
        "https://example.com）。",
        "CORS_ORIGINS can be * or https://* only where a token is always needed (REQUIRE_TOKEN=always): otherwise "
        "any page that is opened in a browser could use the server. List the origins instead (e.g. "
        "https://example.com).",
    ),
    "tls_half": (
        "TLS_CERT_FILE と TLS_KEY_FILE は両方指定してください（両方空なら HTTP です）。",
        "Set both TLS_CERT_FILE and TLS_KEY_FILE (or neither, for plain HTTP).",
    ),
    "tls_unreadable": (
        "TLS_CERT_FILE か TLS_KEY_FILE のファイル {file} を読めません: {reason}",
        "{file} of TLS_CERT_FILE or TLS_KEY_FILE cannot be read: {reason}",
    ),
    "tls_files": (
        "証明書 {cert} と秘密鍵 {key} を使えません（{reason}）。パスワードのない PEM 形式で、対になったものが"
        "必要です。",
        "The certificate {cert} and the key {key} cannot be used ({reason}). A matching pair of PEM files without a "
        "password is needed.",
    ),
    "socket_in_use": (
        "Unix ソケット {path} では別のサーバーが待ち受けています。UNIX_SOCKET を変えてください。",
        "Another server listens on the Unix socket {path}. Choose another UNIX_SOCKET.",
    ),
    "socket_refused": (
        "Unix ソケット {path} を作れません（{reason}）。UNIX_SOCKET と、そのフォルダーのアクセス権を確かめてください。",
        "The Unix socket {path} cannot be made ({reason}). Check UNIX_SOCKET and the permissions of its folder.",
    ),
    "socket_unsupported": (
        "このシステムでは UNIX_SOCKET を使えません。指定を外してください。",
        "UNIX_SOCKET cannot be used on this system; leave it empty.",
    ),
    # Routes and access.
    "route_not_found": ("この URL はありません。", "There is nothing at this URL."),
    "method_not_allowed": (
        "この URL ではそのメソッドは使えません（使えるもの: {allowed}）。",
        "That method cannot be used at this URL (allowed: {allowed}).",
    ),
    "bad_request": (
        "リクエストを解釈できませんでした。メソッド、パス、ヘッダーを確かめてください。",
        "The request could not be understood. Check its method, its path and its headers.",
    ),
    "host_refused": (
        "Host ヘッダーが許可されていません。http://127.0.0.1 か http://localhost で接続するか、その名前をサーバーの "
        "ALLOWED_HOSTS に加えてください。",
        "The Host header is not allowed. Connect by http://127.0.0.1 or http://localhost, or add that name to the "
        "server's ALLOWED_HOSTS.",
    ),
    "origin_refused": (
        "オリジン {origin} のページからのリクエストは受け付けません。使えるようにするには、サーバーの CORS_ORIGINS に "
        "{origin} を加えてください。",
        "Requests from pages of the origin {origin} are refused. To let them in, add {origin} to the server's "
        "CORS_ORIGINS.",
    ),
    "site_refused": (
        "別のサイトのページからのリクエストは受け付けません。使えるようにするには、そのページのオリジンをサーバーの "
        "CORS_ORIGINS に加えてください。",
        "Requests from pages of other sites are refused. To let one in, add its origin to the server's CORS_ORIGINS.",
    ),
    "admin_origin_refused": (
        "管理用の URL は、このサーバー自身のページ（同じアドレスとポート）からだけ使えます。コマンドか、管理用の"
        "トークンを持つプログラムを使ってください。",
        "Admin routes can be used from this server's own page only (the same address and port). Use the commands, or a "
        "program with an admin token.",
    ),
    "token_api": (
        "正しいアクセストークンが必要です。`hoshikage token create 名前` で作り、API キーとして送ってください"
        "（Authorization: Bearer …）。",
        "A valid access token is needed. Make one with `hoshikage token create NAME` and send it as the API key "
        "(Authorization: Bearer …).",
    ),
    "token_admin": (
        "管理用のアクセストークンが必要です。`hoshikage token create 名前 --admin` で作れます。",
        "An access token that may administer is needed. Make one with `hoshikage token create NAME --admin`.",
    ),
    "token_scope": (
        "このアクセストークンでは管理はできません。`hoshikage token create 名前 --admin` で作ったものが必要です。",
        "This access token may not administer; one made with `hoshikage token create NAME --admin` is needed.",
    ),
    "rate_limited": (
        "1 分あたりの上限に達しました。{seconds} 秒待ってからもう一度送ってください。",
        "Rate limit exceeded. Try again in {seconds} s.",
    ),
    "path_relative": (
        "path には、サーバーのマシンにある GGUF ファイルの絶対パスを指定してください: {path}",
        "path must be the absolute path of a GGUF file on the server's machine: {path}",
    ),
    "file_relative": (
        "{place} には、サーバーのマシンにあるファイルの絶対パスを指定してください: {path}",
        "{place} must be the absolute path of a file on the server's machine: {path}",
    ),
    "log_after": (
        "after には、前に受け取った next の数（0 以上の整数）を指定してください。",
        "after must be the number that `next` had before: a whole number from 0.",
    ),
    "body_unwanted": (
        "ここに送る JSON は空のオブジェクト {{}} だけです。",
        "The JSON to send here is an empty object, {{}}.",
    ),
    "internal": (
        "サーバー内部でエラーが起きました。ログをリクエスト ID {request_id} で調べてください。",
        "An internal error occurred. The log has it under request id {request_id}.",
    ),
    "answer_cut": (
        "回答が最後まで生成されませんでした。もう一度送ってください。",
        "The answer did not reach its end. Send the request again.",
    ),
    "model_not_found": (
        "モデル「{model}」は登録されていません。登録済み: {known}",
        "Model “{model}” is not registered. Registered: {known}",
    ),
    "no_models": (
        "モデル「{model}」は登録されていません。登録済みのモデルはまだありません。`hoshikage add ファイル.gguf ラベル` "
        "で登録してください。",
        "Model “{model}” is not registered; no model is yet. Register one with `hoshikage add FILE.gguf LABEL`.",
    ),
    "model_needed": (
        "model が必要です。どのモデルで答えるか決められません。DEFAULT_MODEL を設定するか、次のどれかを指定して"
        "ください: {known}",
        "model is required: it is not certain which one is meant. Set DEFAULT_MODEL, or name one of: {known}",
    ),
    "no_model_yet": (
        "登録済みのモデルがまだありません。`hoshikage add ファイル.gguf ラベル` で登録してください。",
        "No model is registered yet. Register one with `hoshikage add FILE.gguf LABEL`.",
    ),
    # The body as JSON.
    "content_type": (
        "リクエスト本文は Content-Type: application/json（UTF-8）で送ってください。",
        "Send the request body as Content-Type: application/json (UTF-8).",
    ),
    "form_type": (
        "リクエスト本文は Content-Type: multipart/form-data で送ってください。",
        "Send the request body as Content-Type: multipart/form-data.",
    ),
    "form_damaged": (
        "リクエスト本文をフォーム（multipart/form-data、{limit} 項目まで）として読めません。",
        "The request body cannot be read as a form (multipart/form-data, at most {limit} fields).",
    ),
    "body_too_large": (
        "リクエスト本文が大きすぎます。上限は {limit} バイトです。",
        "The request body is too large; the limit is {limit} bytes.",
    ),
    "body_slow": (
        "リクエスト本文の届くのが遅すぎるため、待つのをやめました。もう一度送ってください。",
        "The request body came too slowly and was not waited for any longer. Send the request again.",
    ),
    "connections_full": (
        "接続がいっぱいです。少し待ってからもう一度接続してください。",
        "There is no room for another connection. Wait a moment and connect again.",
    ),
    "body_encoding": (
        "リクエスト本文が UTF-8 ではありません（{position} バイト目）。",
        "The request body is not UTF-8 (at byte {position}).",
    ),
    "body_undecodable": (
        "リクエスト本文を復号できませんでした。Content-Encoding と Transfer-Encoding が本文に合っているか"
        "確かめてください。",
        "The request body could not be decoded. Check that Content-Encoding and Transfer-Encoding fit the body.",
    ),
    "body_empty": ("リクエスト本文が空です。JSON が必要です。", "The request body is empty; JSON is needed."),
    "body_bom": (
        "リクエスト本文の先頭に BOM があります。BOM なしの UTF-8 で送ってください。",
        "The request body starts with a byte order mark. Send UTF-8 without one.",
    ),
    "body_syntax": (
        "リクエスト本文が正しい JSON ではありません（{line} 行 {column} 文字目）。",
        "The request body is not valid JSON (line {line}, column {column}).",
    ),
    "body_depth": (
        "{place}: JSON の入れ子が深すぎます。上限は {limit} 段です。",
        "{place}: the JSON is nested too deeply; the limit is {limit} levels.",
    ),
    "body_values": (
        "JSON の値が多すぎます。上限はおよそ {limit} 個です。",
        "The JSON has too many values; the limit is about {limit}.",
    ),
    "duplicate_key": (
        "{place}: 同じオブジェクトに名前「{shown}」が 2 回以上あります。",
        "{place}: the name “{shown}” appears more than once in the same object.",
    ),
    "not_finite": (
        "{place}: {shown} は使えません。有限の数が必要です。",
        "{place}: {shown} cannot be used; a finite number is needed.",
    ),
    "integer_size": (
        "{place}: 整数が大きすぎます（64 ビットまで）: {shown}",
        "{place}: the integer is too large (64 bits at most): {shown}",
    ),
    "surrogate": (
        "{place}: 対になっていないサロゲート文字は使えません。",
        "{place}: unpaired surrogate characters cannot be used.",
    ),
    # The body as a request.
    "field_missing": ("{place} が必要です。", "{place} is required."),
    "wrong_type": (
        "{place} の型が違います。必要: {expected}、実際: {got}",
        "{place} has the wrong type. Expected: {expected}; got: {got}",
    ),
    "out_of_bounds": ("{place} は {relation} の数にしてください。", "{place} must be a number {relation}."),
    "wrong_length": ("{place} の長さは {relation} にしてください。", "The length of {place} must be {relation}."),
    "not_a_choice": (
        "{place} の値が使えません。使える値: {allowed}",
        "The value of {place} cannot be used. Allowed: {allowed}",
    ),
    "invalid_value": ("{place} の値が使えません。", "The value of {place} cannot be used."),
    "lora_unknown": (
        "{place} の {id} 番の LoRA アダプターはありません。このモデルのアダプターは {count} 個です（番号は 0 から）。"
        "GET /lora-adapters で一覧できます。",
        "There is no LoRA adapter {id} ({place}): this model has {count}, numbered from 0. GET /lora-adapters lists "
        "them.",
    ),
    "unsupported_parameter": (
        "このバージョンは {place} に指定された値に対応していません。指定を外してください。",
        "This version does not support the value given for {place}; leave it out.",
    ),
    "part_unsupported": (
        "このバージョンが対応している内容は文字だけです（{place} は text にしてください）。",
        "This version supports text only ({place} must be text).",
    ),
    "content_missing": (
        "{place} が必要です。null にできるのは tool_calls のある assistant だけです。",
        "{place} is required; only an assistant message with tool_calls may leave it null.",
    ),
    "tool_calls_role": (
        "{place} は role が assistant のメッセージでだけ使えます。",
        "{place} belongs to messages of role assistant only.",
    ),
    "max_tokens_differ": (
        "max_tokens と max_completion_tokens は同じ意味です。値が違うときはどちらか一方だけを指定してください。",
        "max_tokens and max_completion_tokens have different values. Send only one of them.",
    ),
    "bias_pair": (
        "{place} は [トークン番号か文字列, 数か false] の形にしてください。",
        "{place} must be a pair: a token's id or a text, then a number or false.",
    ),
    "tool_choice_alone": (
        "tool_choice で関数の呼び出しを必須にするには、tools に関数が必要です。",
        "tool_choice demands a call, so there must be functions in tools.",
    ),
    "tool_unknown": (
        "{place}: tools に関数「{name}」がありません。",
        "{place}: there is no function “{name}” in tools.",
    ),
    "tool_twice": (
        "{place}: 関数「{name}」が 2 つ以上あります。",
        "{place}: there is more than one function “{name}”.",
    ),
    "tool_call_unparsed": (
        "関数の呼び出しに解釈できない部分があり、書かれたとおりに返しました（引数が JSON でないことがあります）。",
        "A part of a function call could not be read and was returned as it stands: its arguments may be no JSON.",
    ),
    "content_left_out": (
        "これまでの会話に文字でない部分（画像など）があったため、代わりの言葉に置き換えました。",
        "The conversation so far has parts that are no text, such as images; a word stands in the place of each.",
    ),
    "formats_conflict": (
        "{names} は同時に指定できません。1 つだけにしてください。",
        "{names} cannot be given together; give only one of them.",
    ),
    "text_bytes": (
        "{place} が大きすぎます。上限は {limit} バイトです。",
        "{place} is too large; the limit is {limit} bytes.",
    ),
    "top_logprobs_alone": (
        "top_logprobs には logprobs: true が必要です。",
        "top_logprobs needs logprobs: true.",
    ),
    "continue_conflict": (
        "continue_final_message と add_generation_prompt は同時に true にできません。",
        "continue_final_message and add_generation_prompt cannot both be true.",
    ),
    "continue_role": (
        "continue_final_message には、最後のメッセージが assistant（tool_calls なし）である必要があります。",
        "continue_final_message needs a last message of role assistant without tool_calls.",
    ),
    "template_kwarg": (
        "{place} は指定できません。chat_template_kwargs には、テンプレートが読む変数だけを指定できます。",
        "{place} cannot be given; chat_template_kwargs takes only variables that templates read.",
    ),
    "stop_bytes": (
        "{place} が長すぎます。UTF-8 で {limit} バイトまでです。",
        "{place} is too long; at most {limit} bytes of UTF-8.",
    ),
    # Completions, and llama-server's routes.
    "best_of_few": (
        "best_of は n 以上にしてください。",
        "best_of must be at least n.",
    ),
    "best_of_streamed": (
        "best_of が n より大きいときは stream にできません。",
        "Answers cannot be streamed where best_of is greater than n.",
    ),
    "too_many_choices": (
        "1 つのリクエストで作る回答が多すぎます（prompt の数 × n または best_of）。上限は {limit} 個です。",
        "One request asks for too many answers (prompts times n or best_of); the limit is {limit}.",
    ),
    "suffix_prompt": (
        "suffix を使うときの prompt は文字列 1 つにしてください。",
        "With suffix, prompt must be one string.",
    ),
    "slots_off": (
        "スロットの保存には KV_STORE=disk が要ります（会話のトークンをファイルに書くため）。",
        "Slots are saved and restored with KV_STORE=disk alone, since that writes conversations' tokens to files.",
    ),
    "slot_action": ("action は save、restore、erase のどれかです。", "`action` must be save, restore or erase."),
    "slot_filename": (
        "filename は、英数字と ._+@=- と空白だけの、フォルダーのない 128 文字までの名前です。",
        "`filename` must be a plain name of at most 128 letters, digits, spaces and ._+@=-, without a folder.",
    ),
    "slot_file_missing": ("そのようなファイルはありません: {name}", "There is no such file: {name}"),
    "slot_file_busy": (
        "ファイル {name} に書けませんでした: {reason}",
        "The file {name} could not be written: {reason}",
    ),
    "no_slot": (
        "空いているスロットがありません。少し待ってからもう一度お試しください。",
        "No slot is free. Try again in a moment.",
    ),
    # Other protocols.
    "response_not_found": (
        "回答「{name}」はありません。残しておく数（RESPONSES_STORE）を超えたか、サーバーが再起動したか眠りました。",
        "There is no response “{name}”: more have come since than are kept (RESPONSES_STORE), or the server was "
        "restarted or has slept.",
    ),
    "previous_response_unknown": (
        "previous_response_id の回答「{name}」は残っていません。それまでの会話を input に入れて送ってください。",
        "The response “{name}” of previous_response_id is not kept. Send the conversation so far in input.",
    ),
}
