"""``python -m liveserver_testcase``: servers by hand, to look at what they are sent."""

import sys

from .inspector.command_line import main

if __name__ == "__main__":
    sys.exit(main())
