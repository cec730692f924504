"""Files for GitHub and for Docker Compose are such as these take, by the schemas kept for them. Test thread."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from check_jsonschema import main
from click.testing import CliRunner

ROOT: Final = Path(__file__).parent.parent
GITHUB: Final = ROOT / ".github"
FILES: Final = {
    "vendor.github-workflows": sorted((GITHUB / "workflows").glob("*.yml")),
    "vendor.dependabot": [GITHUB / "dependabot.yml"],
    "vendor.compose-spec": sorted(ROOT.glob("compose*.yaml")),
}


def checked(schema: str, *files: Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--builtin-schema", schema, *map(str, files)])
    return result.exit_code, result.output


PINNED: Final = re.compile(r"- uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.mark.parametrize("schema", FILES)
def test_it_agrees_with_its_schema(schema: str) -> None:
    assert FILES[schema]
    assert checked(schema, *FILES[schema])[0] == 0, checked(schema, *FILES[schema])[1]


def test_a_step_that_github_does_not_know_is_seen(tmp_path: Path) -> None:
    text = FILES["vendor.github-workflows"][0].read_text("utf-8")
    assert "runs-on:" in text
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(text.replace("runs-on:", "runs-at:"), "utf-8")
    code, words = checked("vendor.github-workflows", wrong)
    assert code == 1
    assert "runs-at" in words


def test_steps_of_others_stay_what_they_were_when_they_were_looked_at() -> None:
    texts = [file.read_text("utf-8") for file in FILES["vendor.github-workflows"]]
    steps = [line.strip() for text in texts for line in text.splitlines() if "uses:" in line]
    assert steps
    assert [step for step in steps if not PINNED.fullmatch(step)] == []
    assert len({tuple(re.split("[@#]", step)) for step in steps}) == len({step.partition("@")[0] for step in steps})
    assert "package-ecosystem: github-actions" in FILES["vendor.dependabot"][0].read_text("utf-8")
