"""Tests memory that can be taken, from trees of files like the system's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoshikage.dispatch.headroom import available_memory

MIB = 2**20


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def machine(root: Path, mib: int) -> Path:
    return tree(root, {"proc/meminfo": f"MemTotal: 99999999 kB\nMemAvailable:   {mib * 1024} kB\n"})


def test_this_machine_has_some() -> None:
    assert available_memory() > 0


def test_without_groups_it_is_the_machines(tmp_path: Path) -> None:
    assert available_memory(machine(tmp_path, 500)) == 500 * MIB


def test_a_system_that_does_not_tell_has_none(tmp_path: Path) -> None:
    assert available_memory(tmp_path) == 0


@pytest.mark.parametrize("limit", ["memory.max", "memory.high"])
@pytest.mark.parametrize("group", ["a/b", "a"])
def test_the_narrowest_group_counts_less_what_can_be_reclaimed(group: str, limit: str, tmp_path: Path) -> None:
    machine(tmp_path, 500)
    tree(
        tmp_path,
        {
            "proc/self/cgroup": "1:cpu:/elsewhere\n0::/a/b\n",
            f"sys/fs/cgroup/{group}/{limit}": f"{100 * MIB}\n",
            f"sys/fs/cgroup/{group}/memory.current": f"{80 * MIB}\n",
            f"sys/fs/cgroup/{group}/memory.stat": f"anon {50 * MIB}\ninactive_file {30 * MIB}\n",
        },
    )
    assert available_memory(tmp_path) == 50 * MIB


def test_a_group_over_its_limit_has_none(tmp_path: Path) -> None:
    machine(tmp_path, 500)
    tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{MIB}\n",
            "sys/fs/cgroup/memory.current": f"{2 * MIB}\n",
        },
    )
    assert available_memory(tmp_path) == 0


def test_a_group_without_a_limit_leaves_the_machines(tmp_path: Path) -> None:
    machine(tmp_path, 500)
    tree(tmp_path, {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"})
    assert available_memory(tmp_path) == 500 * MIB
