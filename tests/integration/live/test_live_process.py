"""LiveServerTestCase in process mode: the same tests, and what is different about another process."""

from __future__ import annotations

from tests.integration.live import apart
from tests.integration.running import run_case
from tests.support import NoLeaks


class InAProcess(NoLeaks):
    """What a test gets."""

    maxDiff = None

    def test_everything(self) -> None:
        """Other servers, environment, requests, errors, output and a restart."""
        run_case(apart.Everything).assert_passed(3)

    def test_there(self) -> None:
        """An import string is loaded there, and the context of a request is entered there; TLS is trusted here."""
        run_case(apart.Named, apart.Surrounded).assert_passed(2)

    def test_error(self) -> None:
        """What the application raises fails the test, with its traceback from there."""
        report = run_case(apart.Failing).report
        self.assertIn(
            'File "apps.py", line N, in _boom\n    raise RuntimeError("kaboom")\nRuntimeError: kaboom', report
        )
        self.assertTrue(
            report.endswith("AssertionError: the application raised an error:\n  GET /boom: RuntimeError: kaboom"),
            report,
        )

    def test_death(self) -> None:
        """A process that dies fails its test and every one after it, with its end and the last of its output."""
        outcome = run_case(apart.Dying)
        self.assertEqual({"run": 2, "failures": 2}, outcome.summary, outcome.printed)
        first, second = outcome.reports()
        died = r"the server at http://127\.0\.0\.1:PORT died: its process \(pid \d+\) ended with exit code 3"
        self.assertRegex(first, rf"AssertionError: {died}\. The last of its output:\ngoodbye$")
        self.assertRegex(second, rf"AssertionError: {died}; what it had printed is in the first report of it$")
        self.assertNotIn("ServerDied", second)

    def test_app_that_cannot_be_made(self) -> None:
        """What create_app() raises there is the cause of the class's error here."""
        outcome = run_case(apart.Unready)
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary, outcome.printed)
        self.assertIn('in create_app\n    raise LookupError("no configuration")', outcome.report)
        self.assertIn("Unready.create_app() raised LookupError: no configuration", outcome.report)

    def test_what_is_not_there(self) -> None:
        """An application that scripts the stub from there is told what it can use."""
        report = run_case(apart.Curious).report
        self.assertIn(
            "stub.on was asked for in the live server's own process, which knows only where stub is: "
            "create_app() can use url, ",
            report,
        )
