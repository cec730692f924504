"""`python -m hoshikage` is the `hoshikage` command."""

import gc
import sys

from hoshikage.sleeper import start


def main() -> int:
    """Runs the command; what is a server's start and was seen before needs none of the rest for its first answer."""
    start.begin()
    gc.disable()  # while all that is made stays; `cli.main` has it on again
    from hoshikage.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
