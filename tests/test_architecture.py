"""House rules that no linter holds: packages are layers, one module imports each library, and nothing waits for ever.

``pyproject.toml`` has the rules that ruff knows: no ``assert``, ``print()`` or bare ``except``, and docstrings.
"""

from __future__ import annotations

import ast
import asyncio
import graphlib
import importlib
import inspect
import re
import sys
import unittest
from collections.abc import Iterator

import aiosmtpd.smtp

import liveserver_testcase as package
from tests.support import ROOT

PACKAGE = package.__name__

# Packages are the layers: each imports only from those named behind it.  Imports for types alone are free.
LAYERS = {
    "errors": "",
    "core": "errors",
    "process": "errors core",
    "web": "errors core process",
    "mail": "errors core process",
    "stub": "errors core process web",
    "inspector": "errors core process web mail stub",
    "cases": "errors core process web mail stub inspector",
    "__init__": "errors core process web mail stub cases",
    "__main__": "inspector",
    "pytest_plugin": "errors core process web mail stub cases",
}

# Replacing a library is work in one module; werkzeug is the base of two packages.
LIBRARIES = {
    "aiosmtpd": "mail.protocol",
    "brotli": "web.content_coding",
    "brotlicffi": "web.content_coding",
    "django": "cases.django_databases",
    "jinja2": "inspector.pages",
    "jsonschema": "web.openapi",
    "openapi_core": "web.openapi",
    "pytest": "pytest_plugin",
    "requests": "web.session",
    "trustme": "core.tls",
    "uvicorn": "web.uvicorn_config",
    "websockets": "stub.websocket_channel",
    "werkzeug": "web stub inspector",
}

SOURCES = {
    ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
}


def imports_of(module: str, source: str, *, for_types: bool = False) -> Iterator[str]:
    """The absolute names of what the source imports, lazily too: those for types alone, or all others."""
    tree = ast.parse(source)
    type_checking = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test).endswith("TYPE_CHECKING")
        for statement in branch.body
        for node in ast.walk(statement)
    }
    own_package = [PACKAGE, *module.split(".")[:-1]]
    for node in ast.walk(tree):
        if (id(node) in type_checking) is not for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = own_package[: len(own_package) - node.level + 1] if node.level else []
            stem = [*base, *([node.module] if node.module else [])]
            yield from (".".join([*stem, alias.name]) for alias in node.names)


def own_module(name: str) -> str:
    """The module that an absolute name of ours lies in: ``core.server`` for its class ``Server``."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in SOURCES:
        if ".".join([*parts, "__init__"]) in SOURCES:
            return ".".join([*parts, "__init__"])
        parts.pop()
    return ".".join(parts) or "__init__"


def find_sleeps(source: str) -> list[str]:
    """`time.sleep`: a thread that sleeps cannot be stopped; wait on an event or a condition."""
    return [
        f"{node.lineno}: sleep"
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep")
        or (isinstance(node, ast.ImportFrom) and node.module == "time" and "sleep" in ast.unparse(node))
    ]


def find_unbounded_waits(source: str) -> list[str]:
    """``join()``, ``wait()`` and ``wait_for(predicate)`` without a limit; the end of its loop ends what is awaited."""
    tree = ast.parse(source)
    awaited = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Await) for inner in ast.walk(node.value)}
    position = {"join": 0, "wait": 0, "wait_for": 1}  # where the limit stands among the arguments
    findings = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or id(node) in awaited:
            continue
        if node.func.attr in position:
            limits = [
                *node.args[position[node.func.attr] :],
                *(keyword.value for keyword in node.keywords if keyword.arg in ("timeout", None)),
            ]
            if all(isinstance(limit, ast.Constant) and limit.value is None for limit in limits):
                findings.append(f"{node.lineno}: .{node.func.attr}() without a limit")
    return findings


class ArchitectureTest(unittest.TestCase):
    """What is true of the package as it is."""

    maxDiff = None

    def test_packages_are_layers(self) -> None:
        """A package imports only from the packages behind it, and no module takes part in a cycle."""
        graph = {
            module: {own_module(name) for name in imports_of(module, source) if name.split(".")[0] == PACKAGE}
            for module, source in SOURCES.items()
        }
        for module, others in graph.items():
            layer = module.partition(".")[0]
            found = {other for other in others if other.partition(".")[0] not in (layer, *LAYERS[layer].split())}
            with self.subTest(module=module):
                self.assertEqual(set(), found)
        tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the modules

    def test_one_importer_a_library(self) -> None:
        """Each third-party library is imported by its owner, and no other library is used."""
        for module, source in SOURCES.items():
            for library in {name.split(".")[0] for name in imports_of(module, source)} - {PACKAGE}:
                if library not in sys.stdlib_module_names:
                    with self.subTest(module=module, library=library):
                        owners = LIBRARIES.get(library, "").split()
                        self.assertTrue({module, module.partition(".")[0]} & set(owners), "another module owns it")

    def test_no_private_attribute_of_aiosmtpd(self) -> None:
        """What aiosmtpd and asyncio keep to themselves is neither read nor set by the protocol that builds on them."""
        source = inspect.getsource(aiosmtpd.smtp) + inspect.getsource(asyncio.streams)
        theirs = set(re.findall(r"self\.(_[a-z]\w*)", source))
        theirs |= {name for name in dir(aiosmtpd.smtp.SMTP) if name.startswith("_") and not name.endswith("__")}
        ours = set(re.findall(r"self\.(_[a-z]\w*)", SOURCES["mail.protocol"]))
        others = "".join(source for module, source in SOURCES.items() if module.startswith("mail."))
        ours |= set(re.findall(r"protocol\.(_[a-z]\w*)", others))
        self.assertGreater(len(ours), 20)
        self.assertEqual(set(), ours & theirs)

    def test_public_names(self) -> None:
        """What the package loads at run time is what it imports for type checkers, and every name exists."""
        typed = set(imports_of("__init__", SOURCES["__init__"], for_types=True))
        self.assertEqual(typed, {f"{PACKAGE}.{module}.{name}" for name, module in package._MODULES.items()})
        self.assertEqual([], [name for name in package.__all__ if not hasattr(package, name)])

    def test_docstrings(self) -> None:
        """Each public method has a docstring or inherits one; ruff holds those of functions and classes."""
        for module in SOURCES:
            loaded = importlib.import_module(f"{PACKAGE}.{module}".removesuffix(".__init__"))
            for name, found in inspect.getmembers(loaded, inspect.isclass):
                if name.startswith("_") or found.__module__ != loaded.__name__:
                    continue
                members = [member for member in inspect.getmembers(found, inspect.isfunction) if member[0][0] != "_"]
                ours = [member for member, function in members if function.__module__.startswith(PACKAGE)]
                with self.subTest(module=module, name=name):
                    self.assertEqual([], [member for member in ours if not inspect.getdoc(getattr(found, member))])

    def test_nothing_waits_for_ever(self) -> None:
        """Nothing in the package sleeps, and every wait for a thread has a limit."""
        for module, source in SOURCES.items():
            with self.subTest(module=module):
                self.assertEqual([], [*find_sleeps(source), *find_unbounded_waits(source)])

    def test_each_wait_is_found(self) -> None:
        """The two rules find what they are for, and pass over what has a limit or is awaited."""
        for source, count in (
            ("time.sleep(1)\npause = time.sleep\nfrom time import monotonic, sleep", 3),
            ("asyncio.sleep(1)\nself.sleep(1)\ntime.monotonic()", 0),
            ("thread.join()\nthread.join(None)\nevent.wait(timeout=None)\ncondition.wait_for(lambda: done, None)", 4),
            ("thread.join(2.0)\nevent.wait(timeout=limit)\n', '.join(names)\nevent.wait(**options)", 0),
            ("async def f():\n    await event.wait()\n    await asyncio.wait_for(event.wait(), 1)", 0),
        ):
            with self.subTest(source=source):
                self.assertEqual(count, len(find_sleeps(source) + find_unbounded_waits(source)))
