"""``python -m hack.cluster COMMAND``; see README.md beside this file."""

import sys

if __name__ == "__main__":
    from hack.cluster.commands import main

    sys.exit(main())
