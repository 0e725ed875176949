"""How long a live server lasts, under each runner, in a project with packages."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

from tests.support import HANG, NoLeaks

ROOT = Path(__file__).resolve().parents[3]

BASE = textwrap.dedent(
    """
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
)

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
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "base.py").write_text(BASE)
            for name in ("shop/test_a", "shop/test_b", "shop/cart/test_c", "bank/test_d"):
                path = Path(directory, f"{name}.py")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name("__init__.py").touch()
                path.write_text(TESTS)
            for command in (
                ["unittest", "discover", "-t", ".", "-s", "."],
                ["pytest", "-q", "-s", "-p", "no:cacheprovider"],
                ["nose2"],
            ):
                with self.subTest(command=command):
                    done = subprocess.run(
                        [sys.executable, "-X", "dev", "-W", "error", "-m", *command],
                        cwd=directory,
                        env={
                            "PATH": "/usr/bin:/bin",
                            "PYTHONPATH": f"{ROOT}:{directory}",
                            "HYPOTHESIS_NO_PLUGINS": "1",
                        },
                        capture_output=True,
                        text=True,
                        timeout=6 * HANG,
                        check=False,
                    )
                    self.assertEqual(0, done.returncode, done.stdout + done.stderr)
                    self.check_servers(done.stdout)

    def check_servers(self, output: str) -> None:
        """Look at which applications were made, and at the ports that the tests found."""
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
