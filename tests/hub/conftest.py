"""The command line in an empty home, as the commands' own tests have it."""

from tests.cli.conftest import cli, registry, work

__all__ = ["cli", "registry", "work"]
