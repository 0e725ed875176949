"""What users install: the wheel and the sdist are built from a copy of the tree, and looked into."""

from __future__ import annotations

import email
import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from email.message import Message
from pathlib import Path

from liveserver_testcase import __version__

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "liveserver_testcase"

# never part of a distribution; left out of the copy so that it is small and no stale build can help
NOT_COPIED = (".git", ".venv*", "_build", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")

# bounds each child process: a build takes about two seconds
BUILD_TIMEOUT = 120


def lacking() -> str:
    """What this Python lacks to build without isolation, or an empty string."""
    for name, least in (("build", 1), ("setuptools", 77)):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return f"{name} is not installed; the extra `test` brings it"
        if int(installed.split(".")[0]) < least:
            return f"{name} {installed} is older than {least}; the extra `test` brings a newer one"
    return ""


def run(*command: str, cwd: Path) -> str:
    """What the command prints; if it fails, so does the test, with everything that it said."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=BUILD_TIMEOUT, check=False
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}"
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{said}")
    return done.stdout


def required(metadata: Message, extra: str | None = None) -> set[str]:
    """The names that the distribution requires by itself, or for an extra, without their versions."""
    names = set()
    for line in metadata.get_all("Requires-Dist", []):
        requirement, _, marker = str(line).partition(";")
        of_extra = "extra ==" in marker
        if (not of_extra and extra is None) or (of_extra and marker.rstrip().endswith(f'extra == "{extra}"')):
            names.add("".join(c if c.isalnum() or c in "-_" else " " for c in requirement).split()[0].lower())
    return names


@unittest.skipIf(lacking(), lacking())
class TheDistributions(unittest.TestCase):
    """The wheel is built from the sdist, so whatever the sdist lacks, the wheel would lack too."""

    @classmethod
    def setUpClass(cls) -> None:
        directory = tempfile.TemporaryDirectory(prefix="liveserver-packaging-")
        cls.addClassCleanup(directory.cleanup)
        cls.work = Path(directory.name).resolve()
        cls.tree = cls.work / "tree"
        shutil.copytree(ROOT, cls.tree, ignore=shutil.ignore_patterns(*NOT_COPIED))
        dist = cls.work / "dist"
        run(sys.executable, "-m", "build", "-n", "-o", str(dist), str(cls.tree), cwd=cls.work)
        (wheel,) = dist.glob("*.whl")
        (sdist,) = dist.glob("*.tar.gz")
        cls.wheel_file, cls.sdist_file = wheel, sdist
        cls.wheel = zipfile.ZipFile(wheel)
        cls.addClassCleanup(cls.wheel.close)
        cls.wheel_names = set(cls.wheel.namelist())
        with tarfile.open(sdist) as archive:
            cls.sdist_names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
        (metadata,) = (name for name in cls.wheel_names if name.endswith(".dist-info/METADATA"))
        cls.metadata = email.message_from_bytes(cls.wheel.read(metadata))

    def sources(self, directory: str, pattern: str) -> set[str]:
        """The files of the tree below a directory, as an archive names them."""
        return {path.relative_to(self.tree).as_posix() for path in (self.tree / directory).rglob(pattern)}

    def package_files(self) -> set[str]:
        """The files of the package."""
        page = self.sources(f"{PACKAGE}/inspector", "*.html") | self.sources(f"{PACKAGE}/inspector/static", "*.*")
        return self.sources(PACKAGE, "*.py") | page | {f"{PACKAGE}/py.typed"}

    def test_the_wheel_holds_the_package_and_nothing_else(self) -> None:
        """Modules, the files of the inspector's page and ``py.typed`` are in it, and the licence, word by word."""
        self.assertEqual(f"liveserver_testcase-{__version__}-py3-none-any.whl", self.wheel_file.name)
        held = {name for name in self.wheel_names if ".dist-info/" not in name}
        self.assertEqual(self.package_files(), held)
        (name,) = (name for name in self.wheel_names if name.rpartition("/")[2] == "LICENSE")
        self.assertEqual((self.tree / "LICENSE").read_bytes(), self.wheel.read(name))

    def test_the_wheel_works_by_itself(self) -> None:
        """Unpacked somewhere else, the wheel imports without a warning and gives every public name."""
        site = self.work / "site"
        self.wheel.extractall(site)
        code = (
            f"import sys; sys.path.insert(0, {str(site)!r})\n"
            f"import {PACKAGE} as package\n"
            "for name in package.__all__: getattr(package, name)\n"
            "print(package.__file__)\n"
        )
        origin = run(sys.executable, "-W", "error", "-c", code, cwd=self.work).strip()
        self.assertEqual(str(site / PACKAGE / "__init__.py"), origin)

    def test_the_sdist_holds_what_a_packager_needs(self) -> None:
        """Package, tests, docs and benchmarks, and the files at the top, are in it; nothing compiled or built is."""
        self.assertEqual(f"liveserver_testcase-{__version__}.tar.gz", self.sdist_file.name)
        wanted = self.package_files()
        for folder, other in (("tests", "*.txt"), ("docs", "*.rst"), ("benchmarks", "*.rst")):
            wanted |= self.sources(folder, "*.py") | self.sources(folder, other)
        wanted |= {"setup.py", "pyproject.toml", "Makefile", "LICENSE", "README.rst", "CHANGES.rst"}
        self.assertEqual(set(), wanted - self.sdist_names)
        others = self.sdist_names - self.package_files()
        self.assertEqual([], [name for name in others if name.endswith((".pyc", ".html")) or "_build/" in name])

    def test_the_metadata_names_the_project(self) -> None:
        """Name, version, licence and Python versions are what the documentation says; the description is the README."""
        changes = (self.tree / "CHANGES.rst").read_text(encoding="utf-8").splitlines()
        self.assertEqual(__version__, changes[3].split()[0], "the first version on the page of changes")
        fields = {
            "Name": "liveserver-testcase",
            "Version": __version__,
            "License-Expression": "MIT",
            "Requires-Python": ">=3.10",
            "Description-Content-Type": "text/x-rst",
        }
        self.assertEqual(fields, {name: self.metadata[name] for name in fields})
        versions = (f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15))
        self.assertLessEqual({"Typing :: Typed", *versions}, set(self.metadata.get_all("Classifier", [])))
        (name,) = (name for name in self.wheel_names if name.endswith(".dist-info/METADATA"))
        readme = (self.tree / "README.rst").read_text(encoding="utf-8").strip()
        self.assertIn(readme, self.wheel.read(name).decode())

    def test_the_requirements(self) -> None:
        """Three libraries come with it; each extra for users brings what its features need, ``all`` all of it."""
        extras = {
            "inspector": {"jinja2"},
            "asgi": {"uvicorn", "httptools", "websockets"},
            "tls": {"trustme"},
            "openapi": {"openapi-core"},
            "websocket": {"websockets"},
        }
        for extra, wanted in {None: {"werkzeug", "aiosmtpd", "requests"}, **extras}.items():
            with self.subTest(extra=extra):
                self.assertEqual(wanted, required(self.metadata, extra))
        requirements = {str(line).partition(";")[0].strip() for line in self.metadata.get_all("Requires-Dist", [])}
        self.assertIn("liveserver-testcase[asgi,inspector,openapi,tls,websocket]", requirements)
        others = {"all", "test", "test-sdks", "docs", "lint", "bench"}
        self.assertEqual({*extras, *others}, set(self.metadata.get_all("Provides-Extra", [])))
