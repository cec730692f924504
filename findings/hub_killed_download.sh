#!/usr/bin/env bash
# The guess: `hf_hub_download` of huggingface_hub goes on where a killed download ended, with what it has
# left as `<etag>.incomplete` and a Range header.
#
# What happens (huggingface_hub 2.4.0, 28 November 2026, Python 3.11, Linux x86-64): each call writes to a file of its own,
# `<etag>.<random>.incomplete`, removes it when it fails, and never looks at one that a killed process has left. The next
# call asks for the whole file again, without a Range; what the killed one had fetched stays in `blobs/` as litter.
#
# Seen:
#   first call, killed after half: requests ['']        left behind: ['….incomplete' of 20971520 bytes]
#   second call:                   requests ['', '']    (a call that goes on would send 'bytes=20971520-')
#   left behind after success:     ['….incomplete' of 20971520 bytes]
#
# Exits 0 while that is so, 1 when a second call goes on or clears the litter.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "huggingface_hub==2.4.0"
cat > "$work/try.py" <<'PY'
import hashlib, json, os, signal, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATA = bytes(range(256)) * 262144  # 64 MiB
SUM, COMMIT = hashlib.sha256(DATA).hexdigest(), "0" * 40
asked, halfway, go_on = [], threading.Event(), threading.Event()

class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def head(self, status, length, **more):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{SUM}"')
        self.send_header("X-Linked-Etag", f'"{SUM}"')
        self.send_header("X-Linked-Size", str(len(DATA)))
        for name, value in more.items(): self.send_header(name.replace("_", "-"), value)
        self.end_headers()
    def do_HEAD(self): self.head(200, len(DATA))
    def do_GET(self):
        asked.append(self.headers.get("Range", ""))
        at = int(asked[-1].removeprefix("bytes=").rstrip("-") or 0)
        if at: self.head(206, len(DATA) - at, Content_Range=f"bytes {at}-{len(DATA)-1}/{len(DATA)}")
        else: self.head(200, len(DATA))
        if len(asked) == 1:
            self.wfile.write(DATA[: len(DATA) // 2]); self.wfile.flush(); halfway.set(); go_on.wait(60)
            self.close_connection = True
        else: self.wfile.write(DATA[at:])

server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
cache = Path(sys.argv[1])
call = [sys.executable, "-c", "import sys; from huggingface_hub import hf_hub_download as d; "
        "print(d('org/model', 'model.gguf', cache_dir=sys.argv[1], endpoint=sys.argv[2]))",
        str(cache), f"http://127.0.0.1:{server.server_address[1]}"]
environ = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
left = lambda: [(one.name[-24:], one.stat().st_size) for one in cache.rglob("*.incomplete")]
first = subprocess.Popen(call, env=environ)
assert halfway.wait(60)
until = time.monotonic() + 60
while not any(size > 1 << 20 for _, size in left()) and time.monotonic() < until: time.sleep(0.05)
first.send_signal(signal.SIGKILL); first.wait(); go_on.set()
print("after the kill:", asked, left())
done = subprocess.run(call, env=environ, capture_output=True, text=True, check=True)
assert Path(done.stdout.strip()).read_bytes() == DATA
print("after the second call:", asked, left())
sys.exit(0 if asked == ["", ""] and left() else 1)
PY
"$work/venv/bin/python" "$work/try.py" "$work/cache"
