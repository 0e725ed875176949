"""How long a live server lasts: for a test, a class, a module, a package or a run, and under each runner."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from typing import Any

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase
from tests.integration.apps import make_app
from tests.integration.running import is_refused, make_case, run_case, visit
from tests.support import NoLeaks, run_files

BASE = """
    from liveserver_testcase import LiveServerTestCase

    class Base(LiveServerTestCase):
        @classmethod
        def create_app(cls):
            url = cls.live_url()
            print(f"\\nMADE {cls.live_scope}", flush=True)

            def app(environ, start):
                start("200 OK", [])
                return [url.encode()]

            return app

        def check(self):
            self.assertEqual(self.live_url(), self.live.get("/").text)
            print(f"\\nSERVED {self.live_scope} {type(self).__module__} {self.live_server.port}", flush=True)
"""

TESTS = "from base import Base\n" + "".join(
    f"""
class {name}(Base):
    live_scope = "{scope}"
    test_1 = {second} = Base.check
"""
    for name, scope, second in (
        ("PackageTest", "package", "test_2"),
        ("OtherPackageTest", "package", "again"),
        ("FunctionTest", "function", "test_2"),
        ("SessionTest", "session", "again"),
    )
)


class ScopesTest(NoLeaks):
    """How long a server lasts."""

    def make_classes(self, scope: str, *modules: str) -> tuple[list[type[Any]], list[Any], list[str]]:
        """Classes, one for each module, the applications that are made for them, and the URLs of their tests."""
        made: list[Any] = []
        urls: list[str] = []

        class Base(LiveServerTestCase):
            live_scope = scope

            @classmethod
            def create_app(cls) -> Any:
                made.append(make_app())
                return made[-1]

            def visit(self) -> None:
                urls.append(self.live_url())
                self.assertEqual(200, self.live.get("/").status_code)

            def tearDown(self) -> None:
                self.assertLiveRequested("GET", "/", times=1)

        tests = {"test_1": Base.visit, "test_2": Base.visit}
        cases = [type(f"Case{n}", (Base,), {**tests, "__module__": module}) for n, module in enumerate(modules)]
        return cases, made, urls

    def test_who_shares_one(self) -> None:
        """Tests, classes, modules or packages share a server and its application, which end with them."""
        here, elsewhere = LiveServerTestCase.__module__, HTTPStubTestCase.__module__
        shop = ("shop.test_a", "shop.test_b", "shop.cart.test_c")  # a package goes on in packages of it
        for scope, modules, count in (
            ("test", (here, here), 4),
            ("function", (here, here), 4),
            ("class", (here, here), 2),
            ("module", (here, here, elsewhere), 2),
            ("package", (*shop, "shopping.test_d"), 3),
        ):
            with self.subTest(scope=scope):
                cases, made, urls = self.make_classes(scope, *modules)
                last, _, _ = self.make_classes("class", "other.test_e")  # the server of a package ends with it
                run_case(*cases, *last).assert_passed(2 * len(cases) + 2)
                self.assertEqual(count, len(made))
                self.assertLessEqual(len(set(urls)), count)
                self.assertTrue(all(is_refused(url) for url in urls))

    def test_session(self) -> None:
        """A whole run shares one, across modules; other settings make another."""
        cases, made, urls = self.make_classes("session", "shop.test_a", "bank.test_b", "bank.test_b")
        cases[2].live_stop_timeout = 1.0
        servers: list[Any] = []
        for case in cases:
            case.setUpClass = classmethod(
                lambda cls: (super(cls, cls).setUpClass(), servers.append(cls.live_server._server))
            )
        try:
            run_case(*cases).assert_passed(6)
            self.assertEqual((2, 2), (len(made), len(set(urls))))
            self.assertTrue(all(server.is_running for server in servers))
        finally:
            for server in servers:
                server.stop()

    def test_errors(self) -> None:
        """With a server a test, the errors are the test's too; one that cannot start fails its test."""
        members = {"test": visit("/boom"), "live_scope": "test"}
        self.assertIn(
            "GET /boom: RuntimeError: kaboom", run_case(make_case(LiveServerTestCase, app=make_app(), **members)).report
        )

        def fail(cls: Any) -> Any:
            raise ZeroDivisionError("no app today")

        report = run_case(make_case(LiveServerTestCase, create_app=classmethod(fail), **members)).report
        self.assertIn("Case.live_server is not there: it could not start: ", report)
        self.assertIn("Case.create_app() raised ZeroDivisionError: no app today", report)


class Runners(NoLeaks):
    """The same project under unittest, pytest and nose2."""

    def test_scopes(self) -> None:
        """A package's modules share a server, each test of scope ``function`` has its own, a run has one."""
        files = {"base.py": BASE}
        for name in ("shop/test_a", "shop/test_b", "shop/cart/test_c", "bank/test_d"):
            files |= {f"{name}.py": TESTS, f"{name.rpartition('/')[0]}/__init__.py": ""}
        with tempfile.TemporaryDirectory() as folder:
            for command in (
                ("unittest", "discover", "-t", ".", "-s", "."),
                ("pytest", "-q", "-s", "-p", "no:cacheprovider"),
                ("nose2",),
            ):
                with self.subTest(command=command):
                    self.check_servers(run_files(folder, *command, files=files, exit_code=0))

    def check_servers(self, output: str) -> None:
        """Look at which applications were made, and at the ports that the tests found."""
        self.assertNotRegex(output, "(?i)fail|error")
        made: list[str] = []
        ports: dict[tuple[str, str], list[str]] = defaultdict(list)
        for line in output.splitlines():
            if line.startswith("MADE"):
                made.append(line.split()[1])
            elif line.startswith("SERVED"):
                _, scope, module, port = line.split()
                ports[scope, module].append(port)
        self.assertEqual({"package": 3, "function": 8, "session": 1}, Counter(made), output)
        for module in ("shop.test_a", "shop.cart.test_c", "bank.test_d"):
            self.assertEqual((3, 1), (len(ports["package", module]), len(set(ports["package", module]))))
        self.assertEqual(ports["package", "shop.test_a"], ports["package", "shop.test_b"])
