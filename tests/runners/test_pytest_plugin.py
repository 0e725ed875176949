"""The fixtures of ``liveserver_testcase.pytest_plugin``, in a pytest of their own."""

from __future__ import annotations

import os
import re
import tempfile
import unittest

from tests.support import ROOT, run_files

PYTEST = ("pytest", "-p", "no:cacheprovider")
INI = "[pytest]"
CONFTEST = """
    import pytest

    pytest_plugins = ["liveserver_testcase.pytest_plugin"]

    @pytest.fixture
    def app():
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/boom":
                raise ValueError("it is broken")
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"welcome"]
        return app
"""


class PluginTest(unittest.TestCase):
    """What pytest says of a module that uses the fixtures."""

    def run_pytest(self, module: str, *options: str, conftest: str = CONFTEST, ini: str = INI, **modules: str) -> str:
        """Run a module; returns what was printed."""
        named = {f"{name}.py": text for name, text in {"conftest": conftest, "test_it": module, **modules}.items()}
        with tempfile.TemporaryDirectory() as folder:
            return run_files(folder, *PYTEST, "-ra", *options, files={"pytest.ini": ini, **named})

    def assert_outcome(self, output: str, **wanted: int) -> None:
        """Compare how many tests have passed, failed, and so on."""
        counts = re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed)", output.strip().rpartition("\n")[2])
        self.assertEqual({name: int(number) for number, name in counts}, wanted, output)

    def test_fixtures(self) -> None:
        """Each gives a running server; they can be used together."""
        output = self.run_pytest("""
            import smtplib
            import requests

            def test_stub(stub):
                stub.expect("GET", "/a").reply(json={"ok": True})
                assert requests.get(stub.url + "/a").json() == {"ok": True}

            def test_make_stub(make_stub, stub):
                payments, other = make_stub("payments", journal_limit=5), make_stub()
                payments.on().reply(201)
                assert requests.get(payments.url).status_code == 201
                assert len({payments.url, other.url, stub.url}) == 3

            def test_smtp(smtp):
                with smtplib.SMTP(*smtp.addr) as client:
                    client.sendmail("a@example.com", "b@example.com", b"Subject: Tea\\r\\n\\r\\n")
                assert smtp.outbox.last.subject == "Tea"

            def test_live(live, smtp, stub):
                assert requests.get(live.url_for("/")).text == "welcome"
                assert [record.status for record in live.requests] == [200]
        """)
        self.assert_outcome(output, passed=4)

    def test_the_example(self) -> None:
        """The example of the documentation passes."""
        folder = str(ROOT / "docs" / "examples" / "plugin")
        output = run_files(folder, *PYTEST, "-c", os.devnull, "--rootdir", folder, folder, files={})
        self.assert_outcome(output, passed=3)

    def test_the_failure_is_the_tests_own(self) -> None:
        """What servers hold against a test fails its call, with the report; a failure of its own has it as a note."""
        output = self.run_pytest("""
            import pytest, requests

            def test_unmatched(stub):
                requests.get(stub.url + "/nothing")

            def test_unmet(stub):
                stub.expect("GET", "/a").reply(200)

            def test_raising(live):
                requests.get(live.url_for("/boom"))

            def test_fails_by_itself(stub, live):
                requests.get(live.url_for("/"))
                assert requests.get(stub.url + "/x").status_code == 200

            def test_further(make_stub):
                requests.get(make_stub("payments").url)

            def test_skips(stub):
                requests.get(stub.url)
                pytest.skip("not today")

            @pytest.mark.xfail
            def test_expected_to_fail(stub):
                requests.get(stub.url)

            def test_after(stub, live):
                assert not stub.requests and not live.requests
        """)
        self.assert_outcome(output, failed=5, passed=1, skipped=1, xfailed=1)
        for text in (
            "nothing answers GET /nothing",
            "GET '/a'",
            "the application raised an error",
            "ValueError: it is broken",
            "assert 501 == 200",
            "nothing answers GET /x",
            "GET / -> 200",
            "payments",
        ):
            self.assertIn(text, output)

    def test_scopes(self) -> None:
        """A server lasts as long as its scope, with an application of that scope; every test is judged alone."""
        module = """
            import requests

            urls = set()

            class TestIt:
                def test_a(self, stub):
                    urls.add(stub.url)
                    stub.on("GET", "/a").reply(200)

                def test_b(self, stub):
                    urls.add(stub.url)
                    assert not stub.expectations

                def test_c(self):
                    assert len(urls) == NUMBER
        """
        for scope, number in (("session", 1), ("class", 1), ("function", 2)):
            with self.subTest(scope):
                output = self.run_pytest(module.replace("NUMBER", str(number)), ini=f"{INI}\nstub_scope = {scope}")
                self.assert_outcome(output, passed=3)
        output = self.run_pytest(module, ini=f"{INI}\nstub_scope = day")
        self.assertIn("stub_scope is 'day'; wanted one of function, class, module, package, session", output)
        of_session = CONFTEST.replace("@pytest.fixture", '@pytest.fixture(scope="session")')
        module = """
            urls = set()

            def test_a(live):
                urls.add(live.url)

            def test_b(live):
                assert urls == {live.url}
        """
        output = self.run_pytest(module, conftest=of_session, ini=f"{INI}\nlive_server_scope = session")
        self.assert_outcome(output, passed=2)

    def test_options(self) -> None:
        """The options of pytest-flask."""
        module = """
            import requests

            def test_it(live):
                assert EXPRESSION
        """
        for options, expression in (
            (["--live-server-host", "localhost"], 'live.host == "localhost"'),
            (["--live-server-wait", "3"], "live._server.start_timeout == 3"),
            (["--no-start-live-server"], "not live.is_running"),
            (["--no-live-server-clean-stop"], "live._server.stop_timeout == 0"),
            ([], "live.is_running and live._server.stop_timeout == 2"),
        ):
            with self.subTest(options):
                self.assert_outcome(self.run_pytest(module.replace("EXPRESSION", expression), *options), passed=1)

    def test_beside_pytest_flask(self) -> None:
        """Its options are read where it is there: one of the same name would be refused."""
        plugin = """
            def pytest_addoption(parser):
                group = parser.getgroup("flask")
                group.addoption("--live-server-host", default="localhost")
                group.addoption("--no-start-live-server", action="store_false", dest="start_live_server", default=True)
                parser.addini("live_server_scope", "scope", default="function")
        """
        module = """
            def test_it(live):
                assert live.host == "localhost" and not live.is_running
        """
        output = self.run_pytest(module, "-p", "pytest_flask", "--no-start-live-server", pytest_flask=plugin)
        self.assert_outcome(output, passed=1)

    def test_coroutines(self) -> None:
        """Tests that anyio runs are judged as any other."""
        module = """
            import anyio, pytest

            pytestmark = pytest.mark.anyio

            @pytest.fixture
            def anyio_backend():
                return "asyncio"

            async def test_passes(stub):
                stub.expect("GET", "/a").reply(200)
                async with await anyio.connect_tcp(stub.host, stub.port) as stream:
                    await stream.send(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
                    assert (await stream.receive()).startswith(b"HTTP/1.1 200")

            async def test_fails(stub):
                stub.expect("GET", "/a").reply(200)
        """
        self.assert_outcome(self.run_pytest(module), passed=1, failed=1)

    def test_mistakes(self) -> None:
        """A misspelt setting is named, and so is an application that is missing."""
        output = self.run_pytest("""
            def test_it(make_stub):
                make_stub(tlss=True)
        """)
        self.assertIn("make_stub() was given 'tlss', which is no setting of a stub", output)
        output = self.run_pytest(
            """
            def test_it(live):
                pass
            """,
            conftest='pytest_plugins = ["liveserver_testcase.pytest_plugin"]',
        )
        self.assertIn("fixture 'app' not found", output)
