"""Holds the texts of the option area, what each setting of a model does: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "n_ctx": ("文脈長（トークン数）", "context length in tokens"),
    "n_ubatch": (
        "プロンプトを一度に計算するトークン数（0 は N_BATCH、512 まで）",
        "prompt tokens computed at a time (0: N_BATCH, at most 512)",
    ),
    "n_gpu_layers": (
        "GPU に載せる層の数（-1 はすべて、auto は入るだけ）",
        "layers put on the GPU (-1: all; auto: as many as fit)",
    ),
    "main_gpu": ("モデル全体を載せる GPU の番号", "number of the one GPU that takes the whole model"),
    "split_mode": ("いくつもの GPU への分け方", "how several GPUs share the model"),
    "tensor_split": ("GPU どうしの分け方の比", "shares of the GPUs"),
    "override_tensor": (
        "テンソルの名前（正規表現）と置き場所",
        "tensors by regular expression: where they lie",
    ),
    "cpu_moe": ("エキスパートの重みをメインメモリに置く", "keep the experts' weights in main memory"),
    "n_cpu_moe": ("同じく、最初の N 層だけ", "the same for the first N layers"),
    "kv_offload": ("KV キャッシュを GPU に置く", "keep the KV cache on the GPU"),
    "no_host": ("ピン留めしたメモリを使わない", "do not use memory pinned for the GPU"),
    "repack": (
        "読み込むときに重みを CPU に合わせて並べ替えるか",
        "whether weights are rearranged for the processor while they are loaded",
    ),
    "flash_attn": ("Flash attention を使うか", "whether flash attention is used"),
    "rope_scaling": (
        "学習した長さを超える位置の伝え方（none、linear、yarn）",
        "how positions beyond the training's are told (none, linear, yarn)",
    ),
    "rope_scale": (
        "学習した長さの何倍までのコンテキストにするか（`--rope-scaling` とともに）",
        "times the training's length that the context may have (with `--rope-scaling`)",
    ),
    "context_overflow": (
        "コンテキストより長い会話を断るか、古い回から外すか",
        "refuse a chat that is longer than the context, or leave its oldest turns out",
    ),
    "type_k": ("KV キャッシュの K の形式", "how the KV cache stores K"),
    "type_v": ("KV キャッシュの V の形式", "how the KV cache stores V"),
    "use_mmap": ("ファイルをメモリに写像する", "map the file into memory"),
    "use_mlock": ("物理メモリに固定する", "lock it in physical memory"),
    "require_gpu": ("GPU が使えないときは動かさない", "refuse to compute on the CPU alone"),
    "chat_template": (
        "モデルのチャットテンプレートの代わりに使う Jinja のファイル"
        "（chatml なら ChatML、gguf:名前 ならモデルの中の一つ）",
        "Jinja file to use in place of the model's chat template (chatml: ChatML, gguf:NAME: one of its own)",
    ),
    "draft": (
        "先のトークンを予測させる、同じ語彙の小さいモデルの GGUF",
        "GGUF of a small model of the same vocabulary that guesses tokens ahead",
    ),
    "mmproj": (
        "画像や音声を読ませる部品（mmproj）の GGUF",
        "GGUF of the projector (mmproj) that lets it read pictures or sound",
    ),
    "lora": ("LoRA アダプターの GGUF と強さ（何度でも）", "GGUF of a LoRA adapter, and its scale (repeatable)"),
    "control_vector": ("コントロールベクトルの GGUF と強さ（何度でも）", "as --lora, of a control vector"),
    "thinking": (
        "考える過程を省かせる（Qwen3 など、対応したモデルで）",
        "let it answer without thinking first (models that can, such as Qwen3)",
    ),
    "pin": ("読み込んだら、頼まれるまでアンロードしない", "once loaded, keep it until its end is asked for"),
    "temperature": ("回答のばらつき（0 は最もありそうな語）", "randomness (0: the likeliest token)"),
    "top_p": ("確率の合計がこの値になるまでの語から選ぶ", "choose among tokens up to this total probability"),
    "top_k": ("ありそうな順にこの数の語から選ぶ", "choose among this many likeliest tokens"),
    "min_p": (
        "最もありそうな語に対する確率の比がこの値以上の語から選ぶ",
        "choose among tokens at least this likely beside the likeliest",
    ),
    "repeat_penalty": ("繰り返しの抑制（1 はなし）", "penalty on repetition (1: none)"),
    "repeat_last_n": ("繰り返しを調べる語数", "how many last tokens the penalties look at"),
    "frequency_penalty": ("多く出た語の抑制", "penalty on tokens by how often they came"),
    "presence_penalty": ("一度出た語の抑制", "penalty on tokens that came at all"),
    "seed": ("乱数の種", "seed of the random numbers"),
    "memory_summary": ("長い会話を意味で要約する", "make long conversations short by meaning"),
}
