"""Holds the texts of the service area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "summary": (
        "ログインしたら自動で起動するように登録",
        "run as a service that starts when you log in",
    ),
    "help_install": ("サービスとして登録し、起動する", "install the service and start it"),
    "help_uninstall": ("サービスを止めて、登録を外す", "stop the service and remove it"),
    "help_status": ("サービスの状態を表示（既定）", "show the service's state (default)"),
    "help_socket": (
        "最初の接続が来たときに起動する（systemd のソケット）",
        "start at the first connection (a systemd socket)",
    ),
    "help_force": (
        "このコマンドで作ったものでないファイルも置き換える・消す",
        "replace or remove files that this command did not write too",
    ),
    # install, uninstall
    "wrote": ("書きました: {file}", "Wrote {file}"),
    "removed": ("消しました: {file}", "Removed {file}"),
    "ran": ("実行しました: {command}", "Ran {command}"),
    "left": (
        "{manager} に届かないため（{reason}）、次のコマンドはご自分で実行してください:",
        "{manager} could not be reached ({reason}). Please run these commands yourself:",
    ),
    "installed": ("星影はサービスとして動いています。", "Hoshikage runs as a service now."),
    "installed_on_demand": (
        "{address} に最初の接続が来ると、星影が起動します。",
        "Hoshikage starts when the first connection to {address} comes.",
    ),
    "uninstalled": ("サービスの登録を外しました。", "The service is removed."),
    "nothing": ("サービスは登録されていません: {file}", "No service is installed: {file}"),
    "logs": ("ログを見る: {command}", "To read its log: {command}"),
    "linger": (
        "ログアウトしたあとも動かすには: loginctl enable-linger $USER",
        "To keep it running after you log out: loginctl enable-linger $USER",
    ),
    "carried": (
        "この端末の設定を引き継ぎました: {names}（.env の設定は起動のたびに読まれます）",
        "It keeps these settings of this terminal: {names} (settings in .env are read at every start)",
    ),
    "lost": (
        "この端末の環境変数 {names} は、サービスには引き継がれません。{file} に書いてください。",
        "The service does not see this terminal's {names}. Write them to {file}.",
    ),
    "working_env": (
        "{names} は {file} にあり、サービスはこのファイルを読みません。{config} に移してください。",
        "{names} stand in {file}, which the service does not read. Move them to {config}.",
    ),
    "gpu_files": (
        "nvidia-modprobe があるため、ユニットには NoNewPrivileges を入れていません"
        "（入れると、再起動の直後に GPU が見つからないことがあります）。",
        "As nvidia-modprobe is here, the unit has no NoNewPrivileges "
        "(with it, the GPU might not be found after a reboot).",
    ),
    "console": (
        "動いているあいだ、ログの出るウィンドウが開いたままになります。閉じるとサーバーも止まります。",
        "A window with the log stays open while it runs. Closing it stops the server.",
    ),
    # status
    "row_file": ("ファイル", "file"),
    "row_state": ("状態", "state"),
    "row_at_login": ("自動起動", "starts by itself"),
    "row_linger": ("ログアウト後", "after logout"),
    "row_server": ("サーバー", "server"),
    "absent": ("なし（hoshikage service install で登録できます）", "none (install it with hoshikage service install)"),
    "foreign": ("{file}（このコマンドで作ったものではありません）", "{file} (not written by this command)"),
    "state_running": ("動作中", "running"),
    "state_starting": ("起動中", "starting"),
    "state_waiting": ("待機中（最初の接続で起動します）", "waiting for a first connection"),
    "state_stopped": ("停止", "stopped"),
    "state_failed": ("失敗（ログを見てください: {command}）", "failed (see its log: {command})"),
    "state_unknown": ("不明（{manager} に届きません: {reason}）", "unknown ({manager} could not be reached: {reason})"),
    "yes": ("はい", "yes"),
    "no": ("いいえ", "no"),
    "lingers": ("動き続けます", "runs on"),
    "lingers_not": (
        "止まります（動かし続けるには: loginctl enable-linger $USER）",
        "stops (to keep it running: loginctl enable-linger $USER)",
    ),
    "answers": ("{url} で応答（バージョン {version}）", "answers at {url} (version {version})"),
    "answers_not": ("{url} では応答なし", "no answer at {url}"),
    # errors
    "unsupported": (
        "このシステム（{platform}）のサービスは扱えません。`hoshikage serve` を自動で起動するように設定してください。",
        "Services of this system ({platform}) are not supported. Have it run `hoshikage serve` by itself.",
    ),
    "not_ours": (
        "{file} は `hoshikage service install` で作ったものではないので、そのままにしました。"
        "置き換えたり消したりしてよければ、--force を付けてください。",
        "{file} was not made by `hoshikage service install` and is left alone. If it may go, add --force.",
    ),
    "not_written": ("{file} に書き込めません: {reason}", "Cannot write {file}: {reason}"),
    "not_startable": (
        "サービスからは起動できません。`{command}` が失敗しました: {reason}。"
        "星影をこの Python に pip install してから、もう一度お試しください。",
        "The service could not start the server: `{command}` failed: {reason}. "
        "Install Hoshikage into this Python with pip, then try again.",
    ),
    "command_failed": (
        "`{command}` が失敗しました: {reason}",
        "`{command}` failed: {reason}",
    ),
    "socket_is_systemd": ("--socket は systemd でだけ使えます。", "--socket works with systemd only."),
    "address_needed": (
        "--socket には HOST がアドレスである必要があります（いまは {host}）。127.0.0.1 などを指定してください。",
        "With --socket, HOST must be an address (it is {host}). Give one such as 127.0.0.1.",
    ),
    "port_needed": ("--socket では PORT を 0 にできません。", "With --socket, PORT cannot be 0."),
    "bad_descriptor": (
        "systemd から受け取った {fd} 番は、待ち受け用のソケットではありません: {reason}",
        "Descriptor {fd} from the service manager is no listening socket: {reason}",
    ),
}
