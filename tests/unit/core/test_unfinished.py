"""What is said of work that was cut, letter by letter."""

from __future__ import annotations

from liveserver_testcase.core.tracebacks import Unfinished, describe_all
from tests.support import NoLeaks

SLOW = Unfinished("GET /slow", "127.0.0.1:50004", 2.04, "live-server 127.0.0.1:49213", "")
STACK = '  File "app.py", line 7, in view\n    wait()\n'
DEEP = Unfinished("a mail", "[::1]:50005", 0.0, "smtp-server [::1]:49214", STACK)


class TheWords(NoLeaks):
    """The text of one piece and of several."""

    def test_one_piece(self) -> None:
        """What, from whom, how old, in which thread."""
        self.assertEqual(
            "GET /slow from 127.0.0.1:50004, 2.0 s old, in thread 'live-server 127.0.0.1:49213'", str(SLOW)
        )
        self.assertEqual(str(SLOW), describe_all([SLOW]))

    def test_a_stack(self) -> None:
        """The stack of the thread follows on lines of its own, without an empty one at its end."""
        self.assertEqual(
            "a mail from [::1]:50005, 0.0 s old, in thread 'smtp-server [::1]:49214', which was at\n"
            '  File "app.py", line 7, in view\n    wait()',
            str(DEEP),
        )

    def test_several_pieces(self) -> None:
        """Several are counted, and each has lines of its own."""
        self.assertEqual(f"2 pieces of work:\n{SLOW}\n{DEEP}", describe_all([SLOW, DEEP]))
