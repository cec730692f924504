"""Holds the texts of the lacks area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # what the files' own headers show
    "wrong_machine": (
        "{path} は別のマシン用です（このプログラム: {expected}、ファイル: {found}）。合うものを `{command}` "
        "で入れてください。",
        "{path} is made for another machine (this program: {expected}; the file: {found}). Install a fitting one "
        "with `{command}`.",
    ),
    "truncated": (
        "{path} は途中で切れています（{size} バイト、少なくとも {minimum} バイト必要）。コピーか取得をやり直すか、"
        "`{command}` を実行してください。",
        "{path} is cut short ({size} bytes; it needs at least {minimum}). Copy or fetch it again, or run `{command}`.",
    ),
    "is_folder": (
        "{path} はファイルではなくフォルダーです。中の libllama と libggml のファイルを {folder} に直接置いて"
        "ください。",
        "{path} is a folder, not a file. Put the libllama and libggml files in it directly into {folder}.",
    ),
    "part_damaged": (
        "{path} は壊れています（{reason}）。同じビルドのファイルをすべて入れ直してください。",
        "{path} is damaged ({reason}). Install all files of that build again.",
    ),
    "needs_part": (
        "{path} が必要とする {needs} が {folder} にありません。同じビルドの libggml "
        "のファイルをすべて同じフォルダーに置いてください。",
        "{path} needs {needs}, which is not in {folder}. Put all libggml files of the same build into that folder.",
    ),
    "needs_same_release": (
        "{path} は {needs} を必要としますが、同じフォルダーにあるのは {present} です。別のリリースのファイルが混ざって"
        "います。1 つのリリースのファイルだけを置いてください。",
        "{path} needs {needs}, but its folder has {present}: files of different releases are mixed. Keep the files of "
        "one release only.",
    ),
    "needs_functions": (
        "{path} が必要とする関数（{names}）が {present} にありません。別のリリースの libllama と libggml が混ざって"
        "います。1 つのリリースのファイルだけを置いてください。",
        "{path} needs functions ({names}) that {present} do not have: libllama and libggml of different releases are "
        "mixed. Keep the files of one release only.",
    ),
    "needs_package": (
        "{path} が必要とする {needs} がこのシステムにありません。入れてください: {package}",
        "{path} needs {needs}, which this system does not have. Install: {package}",
    ),
    "needs_driver": (
        "{path} が必要とする {needs} がありません。NVIDIA のドライバーに含まれるものです。ドライバーを入れてください: "
        "{package}（コンテナーでは `--gpus all` と NVIDIA Container Toolkit）",
        "{path} needs {needs}, which comes with the NVIDIA driver. Install the driver: {package} (in a container: "
        "`--gpus all` and the NVIDIA Container Toolkit)",
    ),
    "needs_unknown": (
        "{path} が必要とする {needs} が見つかりません。それを含むパッケージを入れるか、{needs} を同じフォルダーに"
        "置いてください。",
        "{path} needs {needs}, which is nowhere to be found. Install the package that has it, or put it into the same "
        "folder.",
    ),
    "needs_version": (
        "{path} は {needs} の {version} を必要としますが、このシステムのものは {have} までです。"
        "システムを新しくするか（{package}）、自分でビルドしたものか古いリリースを使ってください。",
        "{path} needs {version} of {needs}; this system's goes up to {have}. Use a newer system ({package}), a build "
        "of your own, or an older release.",
    ),
    "too_old": (
        "ライブラリ {file} は古すぎます（b3889 より前）。`hoshikage lib install` で新しいものを入れてください。",
        "The library {file} is too old (from before b3889). Install a newer one with `hoshikage lib install`.",
    ),
    "changing": (
        "ライブラリ {path} のファイルが入れ替えられている最中です。終わってからもう一度試してください。",
        "The files of the library {path} are being replaced. Try again when that is done.",
    ),
    # GPU
    "gpu_idle": (
        "{path} には GPU 用のもの（{backends}）がありますが、GPU が見えないので CPU で計算します。`nvidia-smi` や "
        "`vulkaninfo` でドライバーと GPU を確かめてください。",
        "{path} is made for a GPU ({backends}), but sees none and computes on the CPU. Check driver and GPU, for "
        "instance with `nvidia-smi` or `vulkaninfo`.",
    ),
    "no_card_code": (
        "{path} には、このカード用のコードがありません。カード: {cards}、ドライバーの CUDA: {cuda}、ファイルのコード: "
        "{code}。新しいドライバーを入れるか、`hoshikage lib install --backend vulkan` か、このカード用に自分で"
        "ビルドしたものを使ってください。",
        "{path} has no code for this card. Card: {cards}; the driver's CUDA: {cuda}; code in the file: {code}. Use a "
        "newer driver, `hoshikage lib install --backend vulkan`, or a build of your own for this card.",
    ),
    "gpu_refused": (
        "ライブラリ {path} は GPU で計算できませんでした（{reason}）。新しいドライバーを入れるか、"
        "`hoshikage lib install --backend vulkan` か、このカード用に自分でビルドしたものを使ってください。",
        "The library {path} could not compute on the GPU ({reason}). Use a newer driver, `hoshikage lib install "
        "--backend vulkan`, or a build of your own for this card.",
    ),
    "static_stdcxx": (
        "{path} は C++ の標準ライブラリを中に含み、それを外に公開しているので、Python が異常終了します。"
        "`-static-libstdc++` なしでビルドし直すか、`hoshikage lib install` で入れてください。",
        "{path} has the C++ standard library built in and exports it, which crashes Python. Build it without "
        "`-static-libstdc++`, or use `hoshikage lib install`.",
    ),
    "gpu_not_built": (
        "REQUIRE_GPU=on ですが、ライブラリ {path} は CPU 専用です。GPU 用のものを "
        "`hoshikage lib install --backend cuda`（または vulkan）で入れてください。",
        "REQUIRE_GPU=on, but the library {path} is built for the CPU alone. Install one for the GPU with "
        "`hoshikage lib install --backend cuda` (or vulkan).",
    ),
    "gpu_not_seen": (
        "REQUIRE_GPU=on ですが、ライブラリ {path}（{backends}）から GPU が見えません。`nvidia-smi` などでドライバーと "
        "GPU を確かめてください。",
        "REQUIRE_GPU=on, but the library {path} ({backends}) sees no GPU. Check the driver and the GPU, for instance "
        "with `nvidia-smi`.",
    ),
}
