# What one does in this clone, by name. `just` lists it. Each line can be typed without just, too.

set windows-shell := ["powershell.exe", "-NoLogo", "-Command"]

python := if os_family() == "windows" { ".venv/Scripts/python.exe" } else { ".venv/bin/python" }

# list what there is
default:
    @just --list

# linters and the tests that need no library and no process (a minute)
test *arguments:
    python3 scripts/test.py {{ arguments }}

# linters and the full lane, with real libraries (needs npm and cc)
full *arguments:
    python3 scripts/test.py --full {{ arguments }}

# what must be green before a change lands: every libllama, the full lane, some clients, the page, the first chat
release:
    .ci/run

# format, and mend what can be mended
mend:
    {{ python }} -m ruff check --fix .
    {{ python }} -m ruff format .

# types alone
types:
    {{ python }} -m mypy

# the documents as a site, in build/site
docs:
    {{ python }} -m pip install --quiet --editable '.[docs]'
    {{ python }} -m mkdocs build --strict

# the documents as a site that follows the files, at http://127.0.0.1:8000
docs-serve:
    {{ python }} -m mkdocs serve

# record what the program says, before a change that should change nothing
freeze folder="build/freeze":
    {{ python }} scripts/freeze.py record {{ folder }}

# compare with that record
thaw folder="build/freeze":
    {{ python }} scripts/freeze.py compare {{ folder }}

# what python -m build makes, in dist
package:
    {{ python }} -m pip install --quiet build
    {{ python }} -m build
