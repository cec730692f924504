"""Texts of the engine area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # loading
    "model_unreadable": (
        "モデルのファイル {path} を読めません（{reason}）。",
        "The model file {path} cannot be read ({reason}).",
    ),
    "model_load_failed": (
        "モデル {path} を読み込めません。ライブラリの説明: {reason}",
        "The model {path} cannot be loaded. The library says: {reason}",
    ),
    "model_too_large": (
        "モデル {path} を読み込むメモリーが足りません。ライブラリの説明: {reason}",
        "There is not enough memory to load the model {path}. The library says: {reason}",
    ),
    "load_aborted": (
        "モデル {path} の読み込みを中止しました。",
        "Loading the model {path} was called off.",
    ),
    "context_failed": (
        "コンテキスト（{n_ctx} トークン）を作れません。N_CTX を小さくしてください。ライブラリの説明: {reason}",
        "A context of {n_ctx} tokens cannot be made. Lower N_CTX. The library says: {reason}",
    ),
    # computing
    "decode_failed": (
        "推論に失敗しました（llama_decode の結果: {code}）。",
        "The computation failed (llama_decode returned {code}).",
    ),
    "no_kv_slot": (
        "コンテキストに空きがなく、推論を続けられません。",
        "The context has no room left, so the computation cannot go on.",
    ),
    "no_logits": (
        "ライブラリがトークン {index} の計算結果を返しませんでした。",
        "The library has no result for token {index}.",
    ),
    "logits_invalid": (
        "計算結果が数値ではありません。モデルのファイルが壊れているか、使用中に書き換えられた可能性があります。",
        "The results are not numbers. The model file may be damaged, or may have been overwritten while in use.",
    ),
    "token_out_of_range": (
        "トークン {token} はこのモデルの語彙（{n_tokens}）にありません。",
        "Token {token} is not in this model's vocabulary of {n_tokens}.",
    ),
    "sampler_failed": (
        "サンプラー {name} を作れません。",
        "The sampler {name} cannot be made.",
    ),
    "tokenize_failed": (
        "テキストをトークンに分けられません。",
        "The text cannot be split into tokens.",
    ),
    "internal": (
        "推論エンジンの内部で予期しない誤りが起きました。ログにその場所があります。",
        "Something unforeseen went wrong inside the engine. The log says where.",
    ),
    "no_model": (
        "モデルが読み込まれていません。",
        "No model is loaded.",
    ),
    # prompt
    "prompt_empty": (
        "メッセージからトークンが 1 つもできませんでした。内容を入れてください。",
        "The messages do not make a single token. Give them some content.",
    ),
    "context_exceeded": (
        "プロンプトは {n_prompt_tokens} トークンあり、コンテキスト（{n_ctx} トークン）に収まりません。"
        "短くするか、N_CTX を大きくしてください（モデルが学習した長さまで）。",
        "The prompt has {n_prompt_tokens} tokens and does not fit the context of {n_ctx}. "
        "Shorten it, or raise N_CTX (up to what the model was trained on).",
    ),
    # chat template
    "template_refused": (
        "モデルのチャットテンプレートがこの会話を受け付けません: {reason}",
        "The model's chat template does not accept this conversation: {reason}",
    ),
    "template_broken": (
        "モデルのチャットテンプレートを解釈できません: {reason}",
        "The model's chat template cannot be read: {reason}",
    ),
    "template_timeout": (
        "モデルのチャットテンプレートの処理が {seconds:g} 秒で終わりませんでした。",
        "The model's chat template did not finish within {seconds:g} s.",
    ),
}
