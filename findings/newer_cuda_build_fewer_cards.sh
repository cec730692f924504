#!/usr/bin/env bash
# Guess: a newer ready-made CUDA build of libllama computes on at least the cards that an older one of the same package
#   computes on, with the same driver.
# What happens: it does not. The npm package @node-llama-cpp/linux-x64-cuda 3.14.5 (llama.cpp b7347) holds machine code
#   for sm_90 (H100, H200) and PTX 9.0, which a driver of CUDA 13.0 compiles for the rest; 3.22.1 (v0.5.0) holds none for
#   sm_90 and PTX 9.1, which such a driver refuses ("the provided PTX was compiled with an unsupported toolchain"), so that
#   libggml-cuda loads, shows its device and ends the process at the first kernel.
# Seen, 28 November 2026:
#   3.14.5 PTX 9.0 for 75, PTX 9.0 for 80, sm_86, sm_89, sm_90
#   3.22.1 PTX 9.1 for 75, PTX 9.1 for 80, PTX 9.1 for 90, sm_120, sm_121, sm_86, sm_89
# The architectures stand in the fat binaries of libggml-cuda.so: magic 0xBA55ED50, then entries with kind (1 PTX,
#   2 machine code), version and architecture. No CUDA and no card is needed to read them.
# Needs: npm, tar, python3; about 320 MB are fetched. Exits 0 where it is as told, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 3.14.5 3.22.1; do
    mkdir "$folder/$version"
    (cd "$folder/$version" && npm pack --silent "@node-llama-cpp/linux-x64-cuda@$version" >/dev/null && tar xzf ./*.tgz)
done
python3 - "$folder" <<'PYTHON'
import struct, sys
from pathlib import Path

def code(file):
    content, found, at = file.read_bytes(), set(), 0
    while (at := content.find(b"\x50\xed\x55\xba", at)) >= 0:
        _, version, header, size = struct.unpack_from("<IHHQ", content, at)
        if (version, header) != (1, 16):
            at += 4
            continue
        entry, end = at + header, at + header + size
        while entry < end:
            kind, _, its_header, payload = struct.unpack_from("<HHIQ", content, entry)
            minor, major, architecture = struct.unpack_from("<HHI", content, entry + 24)
            found.add(f"sm_{architecture}" if kind == 2 else f"PTX {major}.{minor} for {architecture}")
            entry += its_header + payload
        at = end
    return found

builds = {version: code(next((Path(sys.argv[1]) / version).rglob("libggml-cuda.so"))) for version in ("3.14.5", "3.22.1")}
for version, found in builds.items():
    print(version, ", ".join(sorted(found)))
older, newer = builds.values()
as_told = "sm_90" in older and "PTX 9.0 for 80" in older and "sm_90" not in newer and "PTX 9.1 for 90" in newer
sys.exit(0 if as_told else 1)
PYTHON
