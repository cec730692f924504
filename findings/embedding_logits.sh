#!/usr/bin/env bash
# Guess: a model that can only embed (BERT: no output head, no logits anywhere in its graph) needs room for vectors when it
#   embeds a text, and none for logits, so that the size of its vocabulary does not matter to the memory it takes then.
# What happens: libllama sets aside tokens of the text × vocabulary × 4 bytes for logits that nobody computes. Since some
#   release between b8390 (npm @node-llama-cpp/linux-x64 3.18.1) and b9842 (3.19.0) it also writes zeros over all of it,
#   so that the process really holds it: 1 MiB for each token of a text where the vocabulary is that of multilingual-e5 or
#   bge-m3. It is kept until the context is freed. Up to b8390 none of it was touched, so that it cost nothing.
# Why, by its source: llama_context::output_reserve counts logits in for every model and clears the buffer that it makes;
#   encode() takes all tokens of a batch for outputs, so that flagging fewer of them changes nothing.
# Seen, 28 November 2026 (Linux x86-64, CPU, gguf 0.19.0, a text of 450 tokens, mean pooling, 32 numbers a token; MiB by
#   which the process's own memory grew while the text was embedded):
#   3.18.1 (b8390)    vocabulary   1000: 2    vocabulary 250000: 2
#   3.22.1 (v0.5.0)   vocabulary   1000: 3    vocabulary 250000: 430    (450 × 250000 × 4 bytes = 429 MiB)
#   26 more builds from b3889 (3.1.1) on do as 3.18.1; 3.19.0 to 3.22.0 (b9842, b10068, b10361, v0.4.0, v0.5.0) as 3.22.1.
# Needs: npm, tar, python3, Linux x86-64 with 1 GiB of free memory; it fetches two packages from npm (19 MB) and gguf with
#   what that needs from PyPI (19 MB with Python 3.11). Exits 0 where it is as told, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "gguf==0.19.0"
for version in 3.18.1 3.22.1; do
    mkdir "$folder/$version"
    (cd "$folder/$version" && npm pack --silent "@node-llama-cpp/linux-x64@$version" >/dev/null && tar xzf ./*.tgz)
done
cat > "$folder/write.py" <<'PYTHON'
import sys
import gguf
import numpy as np

def write(file, n_vocab, width=32, inner=64):
    out, draw = gguf.GGUFWriter(file, "bert"), np.random.default_rng(0)
    out.add_context_length(512)
    out.add_embedding_length(width)
    out.add_block_count(1)
    out.add_feed_forward_length(inner)
    out.add_head_count(2)
    out.add_layer_norm_eps(1e-12)
    out.add_causal_attention(False)
    out.add_pooling_type(gguf.PoolingType.MEAN)
    out.add_tokenizer_model("bert")
    out.add_tokenizer_pre("default")
    out.add_token_type_count(1)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    out.add_token_list(special + [f"\u2581t{number}" for number in range(len(special), n_vocab)])
    out.add_token_types([3, 2, 3, 3, 3] + [1] * (n_vocab - len(special)))
    for add, token in zip((out.add_pad_token_id, out.add_unk_token_id, out.add_bos_token_id, out.add_sep_token_id,
                           out.add_mask_token_id), range(5)):
        add(token)
    out.add_eos_token_id(3)
    shapes = {"token_embd.weight": (n_vocab, width), "position_embd.weight": (512, width), "token_types.weight": (1, width)}
    for name in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        shapes |= {f"blk.0.{name}.weight": (width, width), f"blk.0.{name}.bias": (width,)}
    shapes |= {"blk.0.ffn_up.weight": (inner, width), "blk.0.ffn_up.bias": (inner,)}
    shapes |= {"blk.0.ffn_down.weight": (width, inner), "blk.0.ffn_down.bias": (width,)}
    for name, shape in shapes.items():
        out.add_tensor(name, draw.standard_normal(shape, np.float32) / 8)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()

for n_vocab in (1000, 250000):
    write(f"{sys.argv[1]}/{n_vocab}.gguf", n_vocab)
PYTHON
cat > "$folder/embed.py" <<'PYTHON'
import ctypes as c
import math
import sys
from pathlib import Path

TOKENS = 450
libraries, model = Path(sys.argv[1]), sys.argv[2]

class Params(c.Structure):
    """Whatever its fields are: the library's own defaults come and go by value, and are shorter than this."""
    _fields_ = [("bytes", c.c_char * 512)]

class Batch(c.Structure):
    _fields_ = [("n_tokens", c.c_int32), ("token", c.POINTER(c.c_int32)), ("embd", c.c_void_p),
                ("pos", c.POINTER(c.c_int32)), ("n_seq_id", c.POINTER(c.c_int32)),
                ("seq_id", c.POINTER(c.POINTER(c.c_int32))), ("logits", c.POINTER(c.c_int8))]

def own_mib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024

def opened(pattern):
    return c.CDLL(str(next(libraries.glob(pattern))), c.RTLD_GLOBAL)

opened("libggml-base*.so")
ggml, llama = opened("libggml.*so"), opened("libllama.*so")

def call(name, result, *arguments, of=llama):
    function = getattr(of, name)
    function.restype, function.argtypes = result, [kind for kind, _ in arguments]
    return function(*(value for _, value in arguments))

silent = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)(lambda *_: None)
call("llama_log_set", None, (c.c_void_p, c.cast(silent, c.c_void_p)), (c.c_void_p, None))
call("ggml_backend_load_all_from_path", None, (c.c_char_p, str(libraries).encode()), of=ggml)
call("llama_backend_init", None)
params = call("llama_model_default_params", Params)
loaded = call("llama_model_load_from_file", c.c_void_p, (c.c_char_p, model.encode()), (Params, params))
params = call("llama_context_default_params", Params)  # n_ctx 512, n_ubatch 512, pooling as the model says
context = call("llama_init_from_model", c.c_void_p, (c.c_void_p, loaded), (Params, params))
call("llama_set_embeddings", None, (c.c_void_p, context), (c.c_bool, True))
batch = call("llama_batch_init", Batch, (c.c_int32, TOKENS), (c.c_int32, 0), (c.c_int32, 1))
for place in range(TOKENS):
    batch.token[place], batch.pos[place], batch.n_seq_id[place] = 5 + place, place, 1
    batch.seq_id[place][0], batch.logits[place] = 0, 1
batch.n_tokens = TOKENS
before = own_mib()
assert call("llama_encode", c.c_int32, (c.c_void_p, context), (Batch, batch)) == 0
vector = call("llama_get_embeddings_seq", c.POINTER(c.c_float), (c.c_void_p, context), (c.c_int32, 0))
assert vector and math.isfinite(vector[0])
print(round(own_mib() - before))
PYTHON
"$folder/venv/bin/python" "$folder/write.py" "$folder"
as_told=0
for version in 3.18.1 3.22.1; do
    libraries=$(dirname "$(find "$folder/$version" -name 'libllama.*so' | head -n 1)")
    for vocabulary in 1000 250000; do
        grown=$(python3 "$folder/embed.py" "$libraries" "$folder/$vocabulary.gguf")
        echo "$version vocabulary $vocabulary: $grown MiB"
        case "$version $vocabulary" in
            "3.22.1 250000") ((grown >= 400)) || as_told=1 ;;
            *) ((grown <= 40)) || as_told=1 ;;
        esac
    done
done
exit "$as_told"
