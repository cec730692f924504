#!/usr/bin/env bash
# Checks Hoshikage on the graphics card of this machine: gpu_check.sh build|function|speed FOLDER
#
# Each step stands alone, fetches nothing and ends within 4 minutes. FOLDER holds what is needed: llama.cpp's sources in
# llama.cpp/ (build), the library in build/bin/ or lib/ (function, speed), GGUF files in models/ (as many as there are;
# the built-in model always counts). What was found goes to $OUT, else FOLDER/out, as Markdown and JSON. Without a card,
# or without nvcc, everything runs on the CPU: a dry run. PYTHON names an interpreter with Hoshikage's packages and gguf.
set -euo pipefail
step=${1:-} folder=${2:-}
[ -d "$folder" ] && [[ $step =~ ^(build|function|speed)$ ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(cd "$folder" && pwd)
out=${OUT:-$folder/out}
python=${PYTHON:-$root/.venv/bin/python}
mkdir -p "$out"
export PYTHONPATH="$root/scripts:$root:$root/demo" LC_ALL=C.UTF-8

library() {
    local found
    found=$(find "$folder/build/bin" "$folder/lib" -maxdepth 1 -name 'libllama.so' -o -maxdepth 1 -name 'libllama.*.so' 2>/dev/null | head -1)
    [ -n "$found" ] || { echo "no libllama in $folder/build/bin or $folder/lib" >&2; exit 2; }
    echo "$found"
}

case $step in
build)
    [ -f "$folder/llama.cpp/CMakeLists.txt" ] || { echo "no sources in $folder/llama.cpp" >&2; exit 2; }
    options=(-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DLLAMA_BUILD_TESTS=OFF)
    options+=(-DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF) # all of them fetch
    if command -v nvcc >/dev/null && capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1); then
        options+=(-DGGML_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=${capability/./}-real")
    fi
    begun=$(date +%s)
    cmake -S "$folder/llama.cpp" -B "$folder/build" "${options[@]}" >"$out/build.log" 2>&1 ||
        { tail -5 "$out/build.log" >&2; exit 1; }
    timeout 220 cmake --build "$folder/build" -j "$(nproc)" --target llama llama-server llama-bench >>"$out/build.log" 2>&1 ||
        { tail -5 "$out/build.log" >&2; exit 1; }
    echo "| built | ${options[*]} | $(($(date +%s) - begun)) s |" | tee "$out/build.md"
    ;;
function)
    timeout 230 "$python" "$root/scripts/gpu_function.py" "$(library)" "$folder" "$out"
    ;;
speed)
    file=$(library)
    export PIP_NO_INDEX=1 # llama-server is measured where it lies beside the library
    models=builtin sections=stream # what a processor has done in time
    if command -v nvidia-smi >/dev/null; then models=small,builtin sections=stream,peers,clients,guesses; fi
    timeout 200 "$python" "$root/scripts/bench.py" --here --quick --models "$models" --only "$sections" \
        --library "$file" --markdown "$out/speed.md" --json "$out/speed.json"
    bench=$(dirname "$file")/llama-bench
    if [ -x "$bench" ]; then
        find "$folder/models" -name '*.gguf' 2>/dev/null | sort | head -2 | while read -r model; do
            timeout 15 "$bench" -m "$model" -p 512 -n 128 -r 2 -o md | tee -a "$out/speed.md"
        done
    fi
    ;;
esac
