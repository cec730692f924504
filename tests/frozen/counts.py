"""Counts what a token costs in Python, and what the server has imported when it first answers. Main thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.engine.test_hot_path import CALLS, INSTRUCTIONS, calls, instructions
from tests.test_startup import PROGRAM


def record(scratch: Path) -> dict[str, str]:
    counted = [f"instructions a token, {count} at once: {instructions(count):.0f}" for count in INSTRUCTIONS]
    counted += [f"calls a token, {count} at once: {calls(count):.0f}" for count in CALLS]
    environ = {"HOME": str(scratch), "PATH": os.defpath, "LANG": "C.UTF-8"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(ran.stdout)[0]
    own = [name for name in loaded if name.partition(".")[0] == "hoshikage"]
    foreign = sorted(set(loaded) - set(own))
    return {
        "hot_path.txt": "\n".join(counted) + "\n",
        "start_own.txt": f"{len(own)} modules\n" + "\n".join(own) + "\n",
        "start_foreign.txt": f"{len(foreign)} modules\n" + "\n".join(foreign) + "\n",
    }
