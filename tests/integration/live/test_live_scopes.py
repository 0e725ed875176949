"""How long a live server lasts, under each runner, in a project with packages."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict

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
                    self.check_servers(run_files(folder, *command, files=files))

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
