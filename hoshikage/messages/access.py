"""Holds the texts of the access area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "tokens_out_of_order": (
        "サーバーがアクセストークンを確かめられないため、利用を断りました。管理者に知らせてください。",
        "The server cannot check access tokens and lets nobody in. Please tell whoever runs it.",
    ),
    "tokens_damaged": (
        "トークンの保存ファイル {file} が壊れています。直るまでどのトークンも使えません。直せないときは、このファイルを"
        "別の場所に移し、`hoshikage token create` でトークンを作り直してください。",
        "The token file {file} is damaged; until it is fixed no token works. If it cannot be fixed, move it away and "
        "make the tokens anew with `hoshikage token create`.",
    ),
    "tokens_exposed": (
        "トークンの保存ファイル {file} にほかのユーザーが書き込めます。直るまでどのトークンも使えません。"
        "`chmod 600` で自分だけのものにしてください。",
        "Other users may write to the token file {file}; until that is fixed no token works. Make it yours alone with "
        "`chmod 600`.",
    ),
    "tokens_unreadable": (
        "トークンの保存ファイル {file} を読めません（{reason}）。直るまでどのトークンも使えません。"
        "所有者とアクセス権を確かめてください。",
        "The token file {file} cannot be read ({reason}); until that is fixed no token works. Check its owner and "
        "permissions.",
    ),
    "tokens_unwritable": (
        "トークンの保存ファイル {file} に書き込めません（{reason}）。空き容量とアクセス権を確かめてください。",
        "The token file {file} cannot be written ({reason}). Check the free space and the permissions.",
    ),
    "tokens_busy": (
        "別の処理がトークンを変更していて、{seconds} 秒待っても終わりませんでした（{file}）。もう一度お試しください。",
        "Something else has been changing the tokens for {seconds} s ({file}). Please try again.",
    ),
    "name_invalid": (
        "トークンの名前に「{name}」は使えません。英数字で始まる 64 文字までの英数字と . _ - が使えます。",
        "A token cannot be named “{name}”. Names have up to 64 letters, digits and . _ - and begin with a letter or "
        "digit.",
    ),
    "token_exists": (
        "トークン「{name}」はすでにあります。作り直すには `hoshikage token rotate {name}` を使ってください。",
        "There is a token “{name}” already. To replace it, use `hoshikage token rotate {name}`.",
    ),
    "token_unknown": (
        "トークン「{name}」はありません。あるもの: {known}",
        "There is no token “{name}”. Available: {known}",
    ),
    # hoshikage token
    "help_create": ("トークンを作る（一度だけ表示されます）", "make a token (shown once)"),
    "help_list": ("トークンの一覧", "list the tokens"),
    "help_rotate": (
        "トークンを新しくする（以前のものはすぐに使えなくなります）",
        "replace a token (the old one ends at once)",
    ),
    "help_revoke": ("トークンを無効にする", "end a token"),
    "help_name": ("トークンの名前（だれの、何のためのものか）", "the token's name (whose it is, or what for)"),
    "help_admin": ("モデルの登録などの管理もできるトークンにする", "let it administer the server too"),
    "created_api": (
        "トークンを作りました。表示するのは今だけです。",
        "Token created (it will not be shown again):",
    ),
    "created_admin": (
        "管理もできるトークンを作りました。表示するのは今だけです。",
        "Token with administrator rights created (it will not be shown again):",
    ),
    "rotated": (
        "新しいトークンです。表示するのは今だけです。以前のものはもう使えません。",
        "Token replaced (it will not be shown again; the old one no longer works):",
    ),
    "how_to_use": (
        "API キーとして使います（Authorization: Bearer …。OpenAI SDK なら api_key）。",
        "Use it as the API key (Authorization: Bearer …; the OpenAI SDK's api_key).",
    ),
    "revoked": ("トークン「{name}」を無効にしました。", "The token “{name}” no longer works."),
    "list_name": ("名前", "Name"),
    "list_scope": ("できること", "Scope"),
    "list_created": ("作成", "Made"),
    "list_empty": (
        "トークンはありません。`hoshikage token create 名前` で作れます。",
        "There are no tokens. Make one with `hoshikage token create NAME`.",
    ),
    "scope_api": ("API の利用", "use the API"),
    "scope_admin": ("API の利用と管理", "use the API and administer"),
}
