#!/usr/bin/env bash
# Guess: sampling within the backend's own computation (llama_set_sampler) gives the token that the same chain gives on
#   the CPU, and spares the way of all logits into the program's memory: that is what it is for.
# What happens: a chain of top-k 1 and greedy gives token 0, whatever the model says. And a chain of greedy alone, which is
#   right, still brings all logits: llama_get_sampled_logits_count_ith says as many as the vocabulary has tokens.
#   Top-k 1 with a draw (dist) in greedy's place is right, and brings one.
# Why, by its source: greedy's backend_apply takes the argmax of what the samplers before it have left, and does not look it
#   up in the candidates, as dist does; so it is the place among those that are left. And what is left of the logits is an
#   output of the graph and copied, also where nothing has cut them.
# Seen, 28 November 2026 (Linux x86-64, CPU, gguf 0.19.0), the likeliest token being 37 of 64; token, logits brought:
#   3.18.1 (b8390), 3.20.0 (b10361), 3.22.1 (v0.5.0): greedy 37, 64; top-k 1 and greedy 0, 1; top-k 1 and dist 37, 1.
# Needs: npm, tar, python3, Linux x86-64; it fetches three packages from npm (30 MB) and gguf with what that needs from PyPI
#   (19 MB with Python 3.11). Exits 0 where it is as told, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "gguf==0.19.0"
for version in 3.18.1 3.20.0 3.22.1; do
    mkdir "$folder/$version"
    (cd "$folder/$version" && npm pack --silent "@node-llama-cpp/linux-x64@$version" >/dev/null && tar xzf ./*.tgz)
done
cat > "$folder/write.py" <<'PYTHON'
import sys
import gguf
import numpy as np

out, width, n_vocab = gguf.GGUFWriter(sys.argv[1], "llama"), 32, 64
out.add_context_length(64)
out.add_embedding_length(width)
out.add_block_count(1)
out.add_feed_forward_length(64)
out.add_head_count(2)
out.add_layer_norm_rms_eps(1e-5)
out.add_vocab_size(n_vocab)
out.add_tokenizer_model("no_vocab")
draw = np.random.default_rng(0)
shapes = {"token_embd": (n_vocab, width), "output_norm": (width,), "output": (n_vocab, width), "blk.0.attn_norm": (width,),
          "blk.0.ffn_norm": (width,), "blk.0.ffn_gate": (64, width), "blk.0.ffn_up": (64, width), "blk.0.ffn_down": (width, 64)}
shapes |= {f"blk.0.attn_{name}": (width, width) for name in ("q", "k", "v", "output")}
for name, shape in shapes.items():
    value = draw.standard_normal(shape, np.float32) / 8
    if name == "token_embd":
        value[5, 0] = 100.0  # token 5 is followed by token 37
    if name == "output":
        value[37, 0] = 100.0
    out.add_tensor(f"{name}.weight", np.ones(shape, np.float32) if name.endswith("norm") else value)
out.write_header_to_file()
out.write_kv_data_to_file()
out.write_tensors_to_file()
out.close()
PYTHON
cat > "$folder/ask.py" <<'PYTHON'
import ctypes
import sys
from ctypes import c_bool, c_char_p, c_int32, c_uint32, c_void_p
from pathlib import Path

class Struct(ctypes.Structure):
    """Parameters are passed on as the library gave them; it reads as many bytes as its own struct has."""
    _fields_ = [("bytes", ctypes.c_ubyte * 512)]

class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", c_int32), ("pointers", c_void_p * 6)]

file = next(Path(sys.argv[1]).glob("package/bins/linux-x64/libllama.*.so"))
llama = ctypes.CDLL(str(file))

def call(name, result, *arguments):
    function = llama[name]
    function.restype, function.argtypes = result, [kind for kind, _ in arguments]
    return function(*(value for _, value in arguments))

silent = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)(lambda *_: None)
llama.llama_log_set(silent, None)
call("ggml_backend_load_all_from_path", None, (c_char_p, str(file.parent).encode()))
params = call("llama_model_default_params", Struct)
model = call("llama_model_load_from_file", c_void_p, (c_char_p, sys.argv[2].encode()), (Struct, params))
context = call("llama_init_from_model", c_void_p, (c_void_p, model), (Struct, call("llama_context_default_params", Struct)))
memory = call("llama_get_memory", c_void_p, (c_void_p, context))
makers = {
    "greedy": lambda: call("llama_sampler_init_greedy", c_void_p),
    "top-k 1": lambda: call("llama_sampler_init_top_k", c_void_p, (c_int32, 1)),
    "dist": lambda: call("llama_sampler_init_dist", c_void_p, (c_uint32, 1)),
}
for names in (("greedy",), ("top-k 1", "greedy"), ("top-k 1", "dist")):
    chain = call("llama_sampler_chain_init", c_void_p, (c_bool, True))
    for name in names:
        call("llama_sampler_chain_add", None, (c_void_p, chain), (c_void_p, makers[name]()))
    assert call("llama_set_sampler", c_bool, (c_void_p, context), (c_int32, 0), (c_void_p, chain))
    call("llama_memory_clear", None, (c_void_p, memory), (c_bool, True))
    token = (c_int32 * 1)(5)
    batch = call("llama_batch_get_one", Batch, (c_void_p, ctypes.addressof(token)), (c_int32, 1))
    assert call("llama_decode", c_int32, (c_void_p, context), (Batch, batch)) == 0
    chosen = call("llama_get_sampled_token_ith", c_int32, (c_void_p, context), (c_int32, -1))
    brought = call("llama_get_sampled_logits_count_ith", c_uint32, (c_void_p, context), (c_int32, -1))
    print(" and ".join(names), chosen, brought)
    call("llama_set_sampler", c_bool, (c_void_p, context), (c_int32, 0), (c_void_p, None))
    call("llama_sampler_free", None, (c_void_p, chain))
PYTHON
"$folder/venv/bin/python" "$folder/write.py" "$folder/model.gguf"
told=$'greedy 37 64\ntop-k 1 and greedy 0 1\ntop-k 1 and dist 37 1'
for version in 3.18.1 3.20.0 3.22.1; do
    found=$(python3 "$folder/ask.py" "$folder/$version" "$folder/model.gguf")
    printf '%s\n%s\n' "$version" "$found"
    [ "$found" = "$told" ] || { echo "this has changed" >&2; exit 1; }
done
echo "as told"
