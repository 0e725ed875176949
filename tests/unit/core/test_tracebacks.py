"""Stacks as text, folded, and what is said of work that was cut."""

from __future__ import annotations

import os
import textwrap
import unittest

from liveserver_testcase.core.tracebacks import Unfinished, describe_all, fold_stack
from tests.support import NoLeaks, run_python

LIBRARY = os.path.dirname(os.__file__)


def entry(file: str, code: str = "code()") -> str:
    """An entry of a stack."""
    return f'  File "{file}", line 7, in function\n    {code}\n'


class FoldTest(unittest.TestCase):
    """What is folded, and what is not."""

    def test_row(self) -> None:
        """A row of entries of installed packages and of Python becomes one line that names them."""
        row = [
            "/venv/lib/site-packages/starlette/routing.py",
            "/venv/lib/site-packages/starlette/routing.py",
            "/usr/lib/python3/dist-packages/anyio/to_thread.py",
            f"{LIBRARY}/threading.py",
        ]
        stack = entry("shop.py", "first()") + "".join(map(entry, row)) + entry("shop.py", "last()")
        wanted = """\
              File "shop.py", line 7, in function
                first()
              … 4 frames of starlette, anyio, Python
              File "shop.py", line 7, in function
                last()
            """
        self.assertEqual(textwrap.dedent(wanted), textwrap.dedent(fold_stack(stack)))

    def test_what_stays(self) -> None:
        """Two in a row stay, and the last entry, whoever's it is, for it is what is waited for; and any other text."""
        short = "".join(map(entry, ["shop.py", f"{LIBRARY}/queue.py", f"{LIBRARY}/queue.py", "shop.py"]))
        for text in (short, "", "nothing to see", "a\nb\n"):
            self.assertEqual(text.rstrip(), fold_stack(text).rstrip())
        stack = "".join(map(entry, [f"{LIBRARY}/a.py"] * 3 + [f"{LIBRARY}/queue.py"]))
        self.assertEqual(f"  … 3 frames of Python\n{entry(f'{LIBRARY}/queue.py')}", fold_stack(stack))

    def test_several_stacks(self) -> None:
        """Each of several stacks is folded by itself, and what stands between them stays."""
        one = "".join(map(entry, [f"{LIBRARY}/a.py"] * 4))
        folded = f"  … 3 frames of Python\n{entry(f'{LIBRARY}/a.py')}"
        self.assertEqual(f"{folded}in thread 'x':\n{folded}", fold_stack(f"{one}in thread 'x':\n{one}"))


SLOW = Unfinished("GET /slow", "127.0.0.1:50004", 2.04, "live-server 127.0.0.1:49213", "")
STACK = '  File "app.py", line 7, in view\n    wait()\n'
DEEP = Unfinished("a mail", "[::1]:50005", 0.0, "smtp-server [::1]:49214", STACK)


class TheWords(NoLeaks):
    """The text of one piece and of several."""

    def test_pieces(self) -> None:
        """What, from whom, how old, in which thread, and its stack if it has one; several are counted."""
        slow = "GET /slow from 127.0.0.1:50004, 2.0 s old, in thread 'live-server 127.0.0.1:49213'"
        deep = (
            "a mail from [::1]:50005, 0.0 s old, in thread 'smtp-server [::1]:49214', which was at\n" + STACK.rstrip()
        )
        self.assertEqual((slow, deep), (str(SLOW), str(DEEP)))
        self.assertEqual(slow, describe_all([SLOW]))
        self.assertEqual(f"2 pieces of work:\n{slow}\n{deep}", describe_all([SLOW, DEEP]))


class EndingThreadTest(unittest.TestCase):
    """A thread that ends while its stack is read."""

    def test_a_garbage_collection_may_end_the_thread(self) -> None:
        """The interpreter goes on: it reads no frame whose memory is gone."""
        done = run_python(
            """
            import gc, threading
            from liveserver_testcase.core.tracebacks import loop_stack, stack_of_thread

            def deep(depth):
                if depth:
                    return deep(depth - 1)
                begun.set()
                go.wait(20)

            def end_the_thread(phase, _info):
                global left
                left -= 1
                if phase == "start" and left == 0:
                    go.set()
                    thread.join(20)

            gc.callbacks.append(end_the_thread)
            for read in (stack_of_thread, loop_stack):
                for collection in range(1, 100, 5):
                    begun, go, left = threading.Event(), threading.Event(), -1
                    thread = threading.Thread(target=deep, args=(300,), daemon=True)
                    thread.start()
                    begun.wait(20)
                    left = collection
                    before = gc.get_threshold()
                    gc.set_threshold(1)
                    read(thread.ident)
                    gc.set_threshold(*before)
                    left = -1
                    go.set()
                    thread.join(20)
            """,
            options=(),
        )
        self.assertEqual(0, done.returncode, done.stderr)
