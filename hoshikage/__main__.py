"""`python -m hoshikage` is the `hoshikage` command."""

import sys

from hoshikage.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
