#!/usr/bin/env bash
# Guess: a libllama and a libmtmd out of a wheel with the tag manylinux2014 can be loaded wherever pip installs that wheel:
#   the tag promises glibc 2.17, and pip compares it with the machine's.
# What happens: pip takes llama-cpp-py-sync on any Linux of the last ten years, but its libraries ask for symbols of glibc
#   2.38 (2023), so that on Debian 12 (2.36) the loader refuses every one of them: "version `GLIBC_2.38' not found". What
#   may be loaded is in the files' own version needs alone, not in the wheel's name.
# Seen, 28 November 2026 (x86-64; libllama of all six versions looked at between 0.7769 and 0.11739 is so):
#   0.11739: libggml-base, -cpu and -rpc, libllama and libmtmd want 2.38, libggml 2.34
# Needs: python3 with venv and pip; it fetches one wheel from PyPI (5 MB). Nothing of it is loaded. Exits 0 where it is as
#   told, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" download -q --no-deps --only-binary :all: --platform manylinux2014_x86_64 -d "$folder" \
    "llama-cpp-py-sync==0.11739"
python3 - "$folder" <<'PYTHON'
import re
import sys
import zipfile
from pathlib import Path

(wheel,) = Path(sys.argv[1]).glob("*.whl")
newest = {}
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if re.search(r"\.so(\.\d+)*$", name):
            wanted = re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?=[.\d]*\0)", archive.read(name))
            newest[name.rpartition("/")[2]] = max((int(major), int(minor)) for major, minor in wanted)
for name, (major, minor) in sorted(newest.items()):
    print(f"{name}: GLIBC_{major}.{minor}")
assert "manylinux2014" in wheel.name, wheel.name
assert newest["libllama.so"] == newest["libmtmd.so"] == (2, 38), newest
print("as told:", wheel.name)
PYTHON
