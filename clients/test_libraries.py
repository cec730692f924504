"""Runs libraries that programs are made with, from npm and PyPI: whole sessions with a tool, in processes of their
own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from clients.conftest import DONE, SURE
from clients.pinned import LM_EVAL, OPEN_RESPONSES, PYPI, npm_folder, python
from clients.python_sessions import SESSIONS
from tests.end_to_end.live import LiveServer

pytestmark = pytest.mark.clients
HERE: Final = Path(__file__).parent
SESSION_S: Final = 300
TASK: Final = """\
task: stars
dataset_path: json
dataset_kwargs: {{data_files: {{test: {questions}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["."]}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Returns what the session said last. It has no proxy and no home of the user's."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_PROXY": "*", **variables}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=SESSION_S, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("name", SESSIONS)
def test_a_python_library(server: LiveServer, tmp_path: Path, name: str) -> None:
    packages = OPEN_RESPONSES if name == "openresponses" else PYPI
    command = [str(python(packages)), str(HERE / "python_sessions.py"), name, server.url, "weather"]
    assert run(command, tmp_path) == DONE


@pytest.mark.parametrize("name", ["ai-sdk", "ollama"])
def test_a_node_library(server: LiveServer, tmp_path: Path, name: str) -> None:
    node = shutil.which("node")
    assert node is not None, "node is not there"
    script = HERE / "node_sessions.mjs"
    assert run([node, str(script), str(npm_folder()), name, server.url, "weather"], tmp_path) == DONE


def test_lm_eval_measures_answers(server: LiveServer, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    rows = [{"question": f"Star {number}?", "answer": SURE} for number in range(3)]
    questions.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "stars.yaml").write_text(TASK.format(questions=questions), "utf-8")
    made = f"model=weather,base_url={server.url}/v1/completions,tokenizer_backend=none,max_length=4096"
    command = [str(python(LM_EVAL)), "-m", "lm_eval", "--model", "local-completions", "--model_args", made]
    command += ["--tasks", "stars", "--include_path", str(tmp_path), "--output_path", str(tmp_path / "out")]
    run(command, tmp_path, OPENAI_API_KEY="none", HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1")
    (report,) = (tmp_path / "out").rglob("results_*.json")
    found = json.loads(report.read_text("utf-8"))
    assert found["results"]["stars"]["exact_match,none"] == 1
    assert found["n-samples"]["stars"]["effective"] == 3
