"""Holds the texts of the engine area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # loading
    "model_unreadable": (
        "モデルのファイル {path} を読めません（{reason}）。アクセス権を確かめてください。",
        "The model file {path} cannot be read ({reason}). Check its permissions.",
    ),
    "model_load_failed": (
        "モデル {path} を読み込めません。ライブラリの説明: {reason}",
        "The model {path} cannot be loaded. The library says: {reason}",
    ),
    "draft_vocabulary": (
        "{draft} は {path} の下書きモデルになれません。語彙が違います（{difference}）。同じ系列の小さいモデルを "
        "`--draft` に指定してください。",
        "{draft} cannot be the draft model of {path}: their vocabularies differ ({difference}). Give `--draft` a small "
        "model of the same family.",
    ),
    "draft_kind": (
        "{draft} は文章を書くモデルではないため、下書きモデルになれません。`--draft` を外すか、別のモデルを"
        "指定してください。",
        "{draft} cannot be the draft model: it writes no text. Leave `--draft` out, or give it another model.",
    ),
    "adapter_refused": (
        "LoRA アダプター {path} をこのモデルに使えません。ライブラリの説明: {reason}",
        "The LoRA adapter {path} cannot be used with this model. The library says: {reason}",
    ),
    "alora_several": (
        "それぞれの合図から効くアダプター（aLoRA）を 1 つのリクエストで使えるのは、合図が同じ場所にあるものだけです。"
        "`lora` で 1 つだけを選んでください。",
        "Several adapters that are active from an invocation on (aLoRA) can be used for one request only where all "
        "invocations are in one place. Choose one of them with `lora`.",
    ),
    "alora_scored": (
        "合図から効くアダプター（aLoRA）を使うときは、プロンプトの確率（echo と logprobs）は出せません。",
        "With an adapter that is active from its invocation on (aLoRA) there are no log probabilities of the prompt "
        "(echo with logprobs).",
    ),
    "alora_within": (
        "このモデルは文章を一度に読むため、途中の合図から効くアダプター（aLoRA）は使えません。",
        "This model reads a text at once, so that an adapter which is active from its invocation on (aLoRA) cannot "
        "begin within it.",
    ),
    "adapter_unused": (
        "ライブラリがアダプターの切り替えに失敗しました（コード {code}）。モデルを読み込み直すか、"
        "別のリリースのライブラリを使ってください。",
        "The library could not change the adapters (code {code}). Load the model again, or use another release of "
        "the library.",
    ),
    "vector_unlike": (
        "コントロールベクトル {path} はこのモデルに合いません（層 {layer} の幅 {size}、モデルの幅 {n_embd}）。",
        "The control vector {path} does not fit this model (layer {layer} is {size} wide, the model {n_embd}).",
    ),
    "model_too_large": (
        "モデル {path} を読み込むメモリが足りません。N_GPU_LAYERS を auto にするか減らす、N_CTX を小さくする、"
        "小さいモデルや強い量子化を選ぶ、のどれかを試してください。ライブラリの説明: {reason}",
        "There is not enough memory to load the model {path}. Set N_GPU_LAYERS to auto or lower it, lower N_CTX, or "
        "take a smaller or more quantized model. The library says: {reason}",
    ),
    "context_refused": (
        "ライブラリがこの設定のコンテキストを作れません。N_CTX、TYPE_K、TYPE_V、FLASH_ATTN を見直してください。"
        "ライブラリの説明: {reason}",
        "The library cannot make a context with these settings. Check N_CTX, TYPE_K, TYPE_V and FLASH_ATTN. It says: "
        "{reason}",
    ),
    "kv_block": (
        "{name}={type} はこのモデルに使えません。ヘッドの大きさが {size} で、{block} の倍数ではありません。"
        "{name}=f16 にしてください。",
        "{name}={type} cannot be used with this model: its heads have {size} values, which is no multiple of {block}. "
        "Set {name}=f16.",
    ),
    "kv_needs_flash_attn": (
        "TYPE_V={type} には flash attention が必要です。FLASH_ATTN を auto か on にするか、TYPE_V=f16 にしてください。",
        "TYPE_V={type} needs flash attention. Set FLASH_ATTN to auto or on, or TYPE_V=f16.",
    ),
    "no_such_gpu": (
        "{name}={value} の GPU はありません。ライブラリに見える GPU: {devices}",
        "{name}={value} names a GPU that is not there. The library sees: {devices}",
    ),
    "no_such_buffer": (
        "OVERRIDE_TENSOR の {buffer} はありません。使えるもの: {buffers}",
        "OVERRIDE_TENSOR names {buffer}, which is not there. There are: {buffers}",
    ),
    "rpc_lacking": (
        "RPC_SERVERS が設定されていますが、このライブラリには RPC バックエンドがありません。libggml-rpc を含むビルド"
        "（GGML_RPC=ON）を入れるか、RPC_SERVERS を外してください。",
        "RPC_SERVERS is set, but this library has no RPC backend. Install a build with libggml-rpc (GGML_RPC=ON), or "
        "leave RPC_SERVERS out.",
    ),
    "rpc_unreachable": (
        "RPC サーバー {server} につながりません（{reason}）。そのマシンで rpc-server が動いているか確かめてください。",
        "The RPC server {server} cannot be reached ({reason}). Check that rpc-server runs on that machine.",
    ),
    "rpc_refused": (
        "RPC サーバー {server} はデバイスを出しませんでした。同じリリースの rpc-server かどうか確かめてください。",
        "The RPC server {server} offers no device. Check that it is of the same release as the library here.",
    ),
    "gpu_required": (
        "REQUIRE_GPU=on ですが、ライブラリから GPU が見えません（デバイス: {devices}）。`hoshikage doctor` で原因を"
        "確かめてください。ライブラリの説明: {reason}",
        "REQUIRE_GPU=on, but the library sees no GPU (devices: {devices}). `hoshikage doctor` tells why. The library "
        "says: {reason}",
    ),
    "gpu_unused": (
        "REQUIRE_GPU=on ですが、N_GPU_LAYERS=0 では GPU を使いません。N_GPU_LAYERS を auto か -1 にしてください。",
        "REQUIRE_GPU=on, but N_GPU_LAYERS=0 puts nothing on the GPU. Set N_GPU_LAYERS to auto or -1.",
    ),
    "deterministic_gpu": (
        "DETERMINISTIC=on は GPU では守れません。N_GPU_LAYERS=0 にするか、DETERMINISTIC=off にしてください。",
        "DETERMINISTIC=on cannot be kept on a GPU. Set N_GPU_LAYERS=0, or DETERMINISTIC=off.",
    ),
    "load_aborted": (
        "モデル {path} の読み込みを中止しました。",
        "Loading the model {path} was called off.",
    ),
    "context_failed": (
        "コンテキスト（{n_ctx} トークン）を作るメモリが足りません。N_CTX を小さくするか、TYPE_K と TYPE_V を q8_0 に"
        "するか、N_GPU_LAYERS を auto にしてください。ライブラリの説明: {reason}",
        "There is not enough memory for a context of {n_ctx} tokens. Lower N_CTX, set TYPE_K and TYPE_V to q8_0, or "
        "N_GPU_LAYERS to auto. The library says: {reason}",
    ),
    # computing
    "decode_failed": (
        "推論に失敗しました（llama_decode の結果: {code}）。もう一度送ってください。繰り返すときは、"
        "別のリリースのライブラリを試してください。",
        "The computation failed (llama_decode returned {code}). Send the request again; if that fails, too, try "
        "another release of the library.",
    ),
    "slot_busy": (
        "スロット {number} は使用中です。回答が終わってから試してください。",
        "Slot {number} is in use. Try again when its answer has ended.",
    ),
    "slot_empty": (
        "スロット {number} は空です。KV_REUSE=prefix か cache_prompt で、計算結果を残してください。",
        "Slot {number} is empty. What was computed stays in it with KV_REUSE=prefix or cache_prompt.",
    ),
    "slot_file": (
        "このファイルは、今のモデル、ライブラリ、設定のスロットのものではないか、壊れているか、空きに入りません。",
        "The file is none of a slot of this model, library and settings, or is damaged, or does not fit the context.",
    ),
    "slot_unknown": (
        "スロット {number} はありません。GET /slots で一覧できます。",
        "There is no slot {number}. GET /slots lists them.",
    ),
    "slot_unsaved": (
        "スロットをファイルに書けませんでした。空き容量とアクセス権を確かめてください。",
        "The slot could not be written to the file. Check the free space and the permissions.",
    ),
    "slots_unstored": (
        "このリリースのライブラリか設定では、スロットを保存できません。別のリリースか、別の設定を使ってください。",
        "Slots cannot be saved with this release of the library, or these settings. Use another release, or other "
        "settings.",
    ),
    "no_kv_slot": (
        "コンテキストに空きがなく、推論を続けられません。N_CTX を大きくするか、N_PARALLEL を小さくしてください。",
        "The context has no room left, so the computation cannot go on. Raise N_CTX, or lower N_PARALLEL.",
    ),
    "no_logits": (
        "ライブラリがトークン {index} の計算結果を返しませんでした。もう一度送ってください。繰り返すときは、"
        "別のリリースのライブラリを試してください。",
        "The library has no result for token {index}. Send the request again; if that fails, too, try another "
        "release of the library.",
    ),
    "logits_invalid": (
        "TYPE_K={type_k}、TYPE_V={type_v}、FLASH_ATTN={flash_attn} での計算結果が数値になりません（NaN）。"
        "TYPE_K と TYPE_V を f16、FLASH_ATTN を off にしてみてください。それでも同じなら、"
        "モデルの重みに数値でないものが含まれているか、このリリースの llama.cpp に合いません。",
        "With TYPE_K={type_k}, TYPE_V={type_v}, FLASH_ATTN={flash_attn} the results are not numbers (NaN). Try f16 for "
        "TYPE_K and TYPE_V, and FLASH_ATTN=off. If they still are not, the model's weights hold NaN, or this release "
        "of llama.cpp cannot compute it.",
    ),
    "token_out_of_range": (
        "トークン {token} はこのモデルの語彙（{n_tokens}）にありません。",
        "Token {token} is not in this model's vocabulary of {n_tokens}.",
    ),
    "sampler_failed": (
        "サンプラー {name} を作れません。指定を外すか、別のリリースのライブラリを試してください。",
        "The sampler {name} cannot be made. Leave it out, or try another release of the library.",
    ),
    "sampler_absent": (
        "ライブラリ（{version}）にはサンプラー {name} がありません。{first} からのリリースにあります。指定を外すか、"
        "新しいライブラリを使ってください。",
        "The library ({version}) has no sampler {name}; releases from {first} on do. Leave it out, or use a newer "
        "library.",
    ),
    # conditions on the answer
    "bias_token": (
        "logit_bias のトークン {token} はこのモデルの語彙（0 から {n_tokens} 未満）にありません。",
        "Token {token} of logit_bias is not in this model's vocabulary (0 to below {n_tokens}).",
    ),
    "nothing_allowed": (
        "指定された文法と logit_bias を同時に満たすトークンがありません。",
        "No token satisfies the given grammar and logit_bias at once.",
    ),
    "grammar_package": (
        "出力形式の指定には Python パッケージ {package} が必要です。`pip install {package}` で入れてください。",
        "Structured output needs the Python package {package}. Install it with `pip install {package}`.",
    ),
    "schema_keyword": (
        "このスキーマは強制できません。対応していない指定: {keywords}",
        "This schema cannot be enforced. Not supported: {keywords}",
    ),
    "grammar_refused": (
        "この出力形式は強制できません: {reason}",
        "This output format cannot be enforced: {reason}",
    ),
    "schema_refused": (
        "{place} のスキーマは強制できません。ライブラリの説明: {reason}",
        "The schema at {place} cannot be enforced. The library says: {reason}",
    ),
    "grammar_endless": (
        "この出力形式（{place}）を満たす文章はありません。規則や $ref が何も書かないうちに自分自身へ戻るときなどに"
        "起こります。戻る前に何かを書くようにしてください。",
        "No text fulfils this output format ({place}): as where a rule or a $ref leads back to itself before anything "
        "is written. Let it write something first.",
    ),
    "tool_grammar_max_repeat": (
        "ツール {tool} の文法が大きすぎます。一つの繰り返しは {most} 回までです。",
        "The grammar of the tool {tool} is too large: one repetition may be of {most} times at most.",
    ),
    "tool_grammar_max_expanded": (
        "ツール {tool} の文法が大きすぎます。繰り返しをすべて書き下すと {most} 文字を超えます。繰り返しの回数か、"
        "その重なりを減らしてください。",
        "The grammar of the tool {tool} is too large: with all its repetitions written out it has more than {most} "
        "characters. Let it repeat less often, or less within other repetitions.",
    ),
    "tool_grammar_max_chain": (
        "ツール {tool} の文法が深すぎます。規則の中で規則を使えるのは {most} 段までです。",
        "The grammar of the tool {tool} is too deep: rules may use other rules {most} levels deep at most.",
    ),
    "tool_grammar_max_depth": (
        "ツール {tool} の文法が深すぎます。括弧の中の括弧は {most} 段までです。",
        "The grammar of the tool {tool} is too deep: parentheses may stand in each other {most} levels deep at most.",
    ),
    "tool_grammar_max_text": (
        "ツール {tool} の文法が長すぎます。使える形に直すと {most} 文字を超えます。",
        "The grammar of the tool {tool} is too long: made ready for use it has more than {most} characters.",
    ),
    "tool_grammar_endless": (
        "ツール {tool} の文法を満たす文章はありません。規則が何も書かないうちに自分自身へ戻るときなどに起こります。"
        "戻る前に何かを書くようにしてください。",
        "No text fulfils the grammar of the tool {tool}: as where a rule leads back to itself before anything is "
        "written. Let it write something first.",
    ),
    "grammar_slow": (
        "出力形式の準備が {seconds:g} 秒で終わりませんでした。もっと簡単にしてください。",
        "Preparing the output format did not finish within {seconds:g} s. Make it simpler.",
    ),
    "gbnf_malformed": (
        "grammar の {line} 行 {column} 文字目を読めません。ここに必要なもの: {reason}",
        "The grammar cannot be read at line {line}, column {column}. Needed here: {reason}",
    ),
    "tokenize_failed": (
        "テキストをトークンに分けられません。",
        "The text cannot be split into tokens.",
    ),
    "internal": (
        "推論エンジンの内部で予期しないエラーが起きました。ログにその場所があります。",
        "Something unforeseen went wrong inside the engine. The log says where.",
    ),
    "rope_scale_alone": (
        "ROPE_SCALE（--rope-scale）だけでは何も変わりません。ROPE_SCALING（--rope-scaling。none、linear、yarn）も"
        "あわせて指定してください。",
        "ROPE_SCALE (--rope-scale) alone changes nothing. Give ROPE_SCALING (--rope-scaling: none, linear or yarn) "
        "with it.",
    ),
    "beyond_training": (
        "コンテキストが、モデルの学習した長さより長くなっています（ROPE_SCALING、ROPE_SCALE）。長い会話では答えの質が"
        "落ちることがあります。",
        "The context is longer than what the model was trained on (ROPE_SCALING, ROPE_SCALE): answers may get worse in "
        "long conversations.",
    ),
    "one_sequence": (
        "このモデルは状態を持ち続ける種類で、このリリースの llama.cpp はいくつもの応答を一緒に正しく計算できません。"
        "N_PARALLEL の値にかかわらず 1 つずつ計算します。"
        "b5640 以降のリリースなら一緒に計算できます（`hoshikage lib install`）。",
        "With this model, which keeps a state, this llama.cpp release computes several answers at once wrongly. "
        "They are computed singly, whatever N_PARALLEL says. Releases from b5640 on can (`hoshikage lib install`).",
    ),
    "no_model": (
        "モデルが読み込まれていません。",
        "No model is loaded.",
    ),
    # prompt
    "prompt_empty": (
        "プロンプトからトークンが 1 つもできませんでした。内容を入れてください。",
        "The prompt is empty (0 tokens). Give it some content.",
    ),
    "context_exceeded": (
        "プロンプトは {n_prompt_tokens} トークンあり、コンテキスト（{n_ctx} トークン）に収まりません。"
        "短くするか、N_CTX を大きくする（モデルが学習した長さまで）か、会話の古い回を外す CONTEXT_OVERFLOW=shift に"
        "してください。",
        "The prompt has {n_prompt_tokens} tokens and does not fit the context of {n_ctx}. "
        "Shorten it, raise N_CTX (up to what the model was trained on), or set CONTEXT_OVERFLOW=shift, which leaves "
        "the oldest turns of a chat out.",
    ),
    "prompt_token": (
        "トークン {token} はこのモデルの語彙（0 から {n_tokens} 未満）にありません。",
        "Token {token} is not in this model's vocabulary (0 to below {n_tokens}).",
    ),
    "no_infill": (
        "{place} は使えません。このモデルには途中を埋めるためのトークンがありません: {names}",
        "{place} cannot be used: this model lacks the tokens for filling in the middle: {names}",
    ),
    "projector_refused": (
        "画像や音声を読ませる部品 {path} をこのモデルに使えません。ライブラリの説明: {reason}",
        "The projector {path} cannot be used with this model. The library says: {reason}",
    ),
    "media_packages": (
        "画像と音声を読むには追加のパッケージが要ります: pip install 'hoshikage[media]'",
        "Reading pictures and sound needs further packages: pip install 'hoshikage[media]'",
    ),
    "picture_unreadable": (
        "画像を読めません。ファイルが途中で切れているか、壊れています（PNG、JPEG、GIF、BMP、WebP が使えます）。",
        "The picture cannot be read: its file is cut or damaged. It has to be PNG, JPEG, GIF, BMP or WebP.",
    ),
    "sound_unreadable": (
        "音声を読めません（WAV、MP3、FLAC が使えます）: {reason}",
        "The sound cannot be read; it has to be WAV, MP3 or FLAC: {reason}",
    ),
    "medium_refused": (
        "ライブラリが画像か音声を受け付けません（コード {code}）: {reason}",
        "The library refuses the picture or sound (code {code}): {reason}",
    ),
    "medium_failed": (
        "ライブラリが画像か音声の計算に失敗しました（コード {code}）。",
        "The library could not compute the picture or sound (code {code}).",
    ),
    "medium_large": (
        "画像は {n_tokens} トークンになり、一度に計算できる {maximum} を超えます。N_BATCH を大きくするか、"
        "小さい画像にしてください。",
        "The picture becomes {n_tokens} tokens, more than the {maximum} that are computed at once. Raise N_BATCH, or "
        "send a smaller picture.",
    ),
    "medium_last": (
        "チャットテンプレートが画像か音声を最後に置くため、答えを始められません。後ろに文を加えてください。",
        "The chat template puts the picture or sound last, so that no answer can begin. Add a text behind it.",
    ),
    # embeddings and ranking
    "no_embedding": (
        "モデルから埋め込みを得られませんでした。",
        "The model gave no embedding.",
    ),
    "no_embedder": (
        "このモデルは並べ替え（rerank）用で、埋め込みには使えません。",
        "This model is made for reranking and makes no embeddings.",
    ),
    "grammar_too_large": (
        "文法またはスキーマが大きすぎます（{limit}: 上限 {most}）。",
        "The grammar or schema is too large ({limit}: at most {most}).",
    ),
    "no_writer": (
        "このモデルは埋め込みや並べ替えのためのもので、文章は作れません。",
        "This model is made for embeddings or reranking and writes no text.",
    ),
    "no_ranker": (
        "このモデルは並べ替え（rerank）に使えません。pooling_type が rank の GGUF が必要です。",
        "This model cannot rerank; that takes a GGUF whose pooling_type is rank.",
    ),
    "dimensions": (
        "dimensions は、このモデルの埋め込みの長さ {maximum} 以下にしてください。",
        "dimensions must be at most {maximum}, the length of this model's embeddings.",
    ),
    "input_empty": (
        "{place} からトークンが 1 つもできませんでした。内容を入れてください。",
        "{place} is empty (0 tokens). Give it some content.",
    ),
    "input_too_long": (
        "{place} は {n_prompt_tokens} トークンあり、上限の {n_ctx} トークンを超えています。短くしてください。",
        "{place} has {n_prompt_tokens} tokens; at most {n_ctx} are possible. Shorten it.",
    ),
    # chat template
    "no_template": (
        "モデル {path} に {name} という名前のチャットテンプレートはありません。",
        "The model {path} has no chat template named {name}.",
    ),
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
