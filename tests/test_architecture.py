"""The house rules that a machine can see, held against the package's source.

Packages are layers, and no module takes part in an import cycle.  One module imports each third-party library,
so that replacing one is work in one place.  Each rule is a function from source text to findings; `TheCheckers`
shows on small made-up sources that every rule can find something.
"""

from __future__ import annotations

import ast
import asyncio
import fnmatch
import graphlib
import importlib
import inspect
import re
import sys
import unittest
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiosmtpd.smtp

PACKAGE = "liveserver_testcase"
ROOT = Path(__file__).resolve().parent.parent

# Packages are the layers: each imports only from those named behind it.  Imports for types alone are free.
LAYERS: Mapping[str, Sequence[str]] = {
    "errors": (),
    "core": ("errors",),
    "process": ("errors", "core"),
    "web": ("errors", "core", "process"),
    "mail": ("errors", "core", "process"),
    "stub": ("errors", "core", "process", "web"),
    "cases": ("errors", "core", "process", "web", "mail", "stub"),
    "__init__": ("errors", "core", "process", "web", "mail", "stub", "cases"),
}


@dataclass(frozen=True)
class Owners:
    """Which modules may import a library: shell patterns, and how many of them at most."""

    within: tuple[str, ...]
    at_most: int


LIBRARIES: Mapping[str, Owners] = {
    "aiosmtpd": Owners(("mail.protocol",), 1),
    "brotli": Owners(("stub.parsing",), 1),
    "brotlicffi": Owners(("stub.parsing",), 1),
    "django": Owners(("cases.django_databases",), 1),
    "requests": Owners(("web.session",), 1),
    "trustme": Owners(("core.tls",), 1),
    "uvicorn": Owners(("web.uvicorn_config",), 1),
    "werkzeug": Owners(("web.*", "stub.*"), 99),
}

# Modules that every type checker brings and a user's machine may lack.
TYPE_ONLY = ("_typeshed", "typing_extensions")


@dataclass(frozen=True)
class Import:
    """One imported module, with its line; ``name`` is absolute and dotted."""

    name: str
    line: int
    for_types: bool


def package_sources() -> dict[str, str]:
    """Every module of the package, by its dotted name inside it (``core.server``, ``core.__init__``)."""
    directory = ROOT / PACKAGE
    return {
        ".".join(path.relative_to(directory).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(directory.rglob("*.py"))
    }


def imports_of(module: str, source: str) -> Iterator[Import]:
    """Every import in the source, wherever it stands: lazy ones and those for types count too."""
    tree = ast.parse(source)
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test).endswith("TYPE_CHECKING")
        for statement in branch.body
        for node in ast.walk(statement)
    }
    # the package a relative import starts from: a module's own room, or the room itself for its __init__
    home = [PACKAGE, *module.split(".")[:-1]]
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__") and node.args:
            argument = node.args[0]
            text = argument.value if isinstance(argument, ast.Constant) else None
            if not isinstance(text, str):
                names = ["<computed>"]
            else:
                dots = len(text) - len(text.lstrip("."))
                base = home[: len(home) - dots + 1] if dots else []
                names = [".".join([*base, text.lstrip(".")])]
        for name in names:
            yield Import(name, node.lineno, id(node) in for_types)


def called(call: ast.Call) -> str:
    """The last part of what is called: ``join`` for ``thread.join()``."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def own_module(name: str, modules: Mapping[str, str]) -> str:
    """The module that an absolute dotted name lies in: ``core.server`` for its class ``Server``."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in modules:
        if ".".join([*parts, "__init__"]) in modules:
            return ".".join([*parts, "__init__"])
        parts.pop()
    return ".".join(parts) or "__init__"


def check_layers(modules: Mapping[str, str], layers: Mapping[str, Sequence[str]]) -> list[str]:
    """Imports from a package that is not behind the module's own, and cycles of modules at run time."""
    findings = []
    graph: dict[str, set[str]] = {}
    for module, source in modules.items():
        package = module.partition(".")[0]
        if package not in layers:
            findings.append(f"{module}: {package} has no line in LAYERS")
        for found in imports_of(module, source):
            if found.name == "<computed>" and module != "__init__":
                findings.append(f"{module}:{found.line}: imports a computed name, which no one can check")
            if found.name.split(".")[0] != PACKAGE or found.for_types:
                continue
            other = own_module(found.name, modules)
            graph.setdefault(module, set()).add(other)
            target = other.partition(".")[0]
            if target not in (package, *layers.get(package, ())):
                findings.append(f"{module}:{found.line}: imports {other}; {package} may not import from {target}")
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        findings.append(f"import cycle: {' -> '.join(reversed(error.args[1]))}")
    return findings


def check_libraries(modules: Mapping[str, str], libraries: Mapping[str, Owners]) -> list[str]:
    """Third-party imports outside the library's owners, and libraries that nobody has agreed to."""
    findings = []
    importers: dict[str, set[str]] = {}
    for module, source in modules.items():
        for found in imports_of(module, source):
            library = found.name.split(".")[0]
            if library in sys.stdlib_module_names or library in (PACKAGE, "<computed>"):
                continue
            if library in TYPE_ONLY:
                if not found.for_types:
                    findings.append(f"{module}:{found.line}: imports {library} outside `if TYPE_CHECKING:`")
            elif library not in libraries:
                findings.append(f"{module}:{found.line}: imports {library}, which is no dependency")
            elif not any(fnmatch.fnmatchcase(module, pattern) for pattern in libraries[library].within):
                wanted = " or ".join(libraries[library].within)
                findings.append(f"{module}:{found.line}: imports {library}, which only {wanted} may")
            else:
                importers.setdefault(library, set()).add(module)
    for library, users in importers.items():
        if len(users) > libraries[library].at_most:
            findings.append(
                f"{library}: imported by {', '.join(sorted(users))}; {libraries[library].at_most} importer is the limit"
            )
    return findings


def check_sleep(source: str) -> list[str]:
    """`time.sleep` in any spelling: a sleeping thread hears no stop; wait on an event or a condition."""
    tree = ast.parse(source)
    clocks = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "time"
    }
    return [
        f"{node.lineno}: time.sleep"
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "sleep"
            and isinstance(node.value, ast.Name)
            and node.value.id in clocks
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and any(alias.name == "sleep" for alias in node.names)
        )
    ]


def check_bare_except(source: str) -> list[str]:
    """``except:`` without a class: say `BaseException` where it is meant."""
    return [
        f"{node.lineno}: except without a class"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]


def check_assert(source: str) -> list[str]:
    """``assert``: it vanishes under ``-O``, and misuse has an exception of its own."""
    return [f"{node.lineno}: assert" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def check_print(source: str) -> list[str]:
    """``print()``: a library logs, and leaves the terminal to the runner."""
    return [
        f"{node.lineno}: print()"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def check_unbounded_waits(source: str) -> list[str]:
    """``join()``, ``wait()`` and ``wait_for(predicate)`` of threads without a limit: nothing hangs.

    What a coroutine awaits is left out: the end of its loop cancels it.
    """
    tree = ast.parse(source)
    awaited = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Await) for inner in ast.walk(node.value)}
    position = {"join": 0, "wait": 0, "wait_for": 1}  # where the limit stands among the arguments
    findings = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or id(node) in awaited:
            continue
        name = node.func.attr
        if name not in position:
            continue
        limits: list[ast.expr] = [
            *node.args[position[name] :],
            *(keyword.value for keyword in node.keywords if keyword.arg in ("timeout", None)),
        ]
        if all(isinstance(limit, ast.Constant) and limit.value is None for limit in limits):
            findings.append(f"{node.lineno}: .{name}() without a limit")
    return findings


def check_docstrings(source: str, namespace: Mapping[str, object]) -> list[str]:
    """Public modules, classes, functions and methods without a docstring; overloads and setters need none.

    Nor does a method whose base class documents it, which is why the imported module's namespace is needed.
    """
    tree = ast.parse(source)
    findings = [] if ast.get_docstring(tree) else ["1: the module has no docstring"]
    rooms: list[tuple[str, object, ast.Module | ast.ClassDef]] = [("", None, tree)]
    while rooms:
        prefix, owner, room = rooms.pop()
        for node in room.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("_") or any(is_repeat(mark) for mark in node.decorator_list):
                continue
            if not ast.get_docstring(node) and not is_documented_above(owner, node.name):
                findings.append(f"{node.lineno}: {prefix}{node.name} has no docstring")
            if isinstance(node, ast.ClassDef):
                found = vars(owner).get(node.name) if owner else namespace.get(node.name)
                rooms.append((f"{prefix}{node.name}.", found, node))
    return findings


def is_documented_above(owner: object, name: str) -> bool:
    """Whether a base of the class has a docstring for that name."""
    bases = owner.__mro__[1:] if isinstance(owner, type) else ()
    return any(name in vars(base) and vars(base)[name].__doc__ for base in bases)


def is_repeat(decorator: ast.expr) -> bool:
    """Whether the decorator marks a definition whose docstring stands at another one of the same name."""
    return ast.unparse(decorator).rpartition(".")[2] in ("overload", "setter", "deleter")


class TheHouse(unittest.TestCase):
    """What is true of the package as it is."""

    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        cls.modules = package_sources()

    def assert_clean(self, findings: Sequence[str]) -> None:
        if findings:
            self.fail("\n" + "\n".join(findings))

    def assert_each_clean(self, check) -> None:
        self.assert_clean(
            [f"{module}:{finding}" for module, source in self.modules.items() for finding in check(source)]
        )

    def test_packages_are_layers(self) -> None:
        """A package imports only from the packages behind it, and no module takes part in a cycle."""
        self.assert_clean(check_layers(self.modules, LAYERS))

    def test_one_importer_a_library(self) -> None:
        """Each third-party library is imported by its owners only, and no other library is used."""
        self.assert_clean(check_libraries(self.modules, LIBRARIES))

    def test_no_private_attribute_of_aiosmtpd(self) -> None:
        """What aiosmtpd and asyncio keep to themselves is neither read nor set by the protocol that builds on them."""
        source = inspect.getsource(aiosmtpd.smtp) + inspect.getsource(asyncio.streams)
        theirs = set(re.findall(r"self\.(_[a-z]\w*)", source))
        theirs |= {name for name in dir(aiosmtpd.smtp.SMTP) if name.startswith("_") and not name.endswith("__")}
        ours = set(re.findall(r"self\.(_[a-z]\w*)", self.modules["mail.protocol"]))
        ours |= set(
            re.findall(r"protocol\.(_[a-z]\w*)", self.modules["mail.engine"] + self.modules["mail.fault_injection"])
        )
        self.assertGreater(len(ours), 20)
        self.assertEqual(set(), ours & theirs)

    def test_public_names(self) -> None:
        """What the package loads at run time is what it imports for type checkers, and every name exists."""
        package = importlib.import_module(PACKAGE)
        typed = {found.name for found in imports_of("__init__", self.modules["__init__"]) if found.for_types}
        self.assertEqual(typed, {f"{PACKAGE}.{module}.{name}" for name, module in package._MODULES.items()})
        self.assert_clean([name for name in package.__all__ if not hasattr(package, name)])

    def test_no_sleep(self) -> None:
        """Nothing in the package sleeps."""
        self.assert_each_clean(check_sleep)

    def test_no_bare_except(self) -> None:
        """Every ``except`` says what it catches."""
        self.assert_each_clean(check_bare_except)

    def test_no_assert(self) -> None:
        """Nothing in the package depends on ``assert``."""
        self.assert_each_clean(check_assert)

    def test_no_print(self) -> None:
        """Nothing in the package prints."""
        self.assert_each_clean(check_print)

    def test_no_unbounded_wait(self) -> None:
        """Every wait for a thread has a limit."""
        self.assert_each_clean(check_unbounded_waits)

    def test_docstrings(self) -> None:
        """Everything public has a docstring."""
        findings = []
        for module, source in self.modules.items():
            name = PACKAGE if module == "__init__" else f"{PACKAGE}.{module.removesuffix('.__init__')}"
            namespace = vars(importlib.import_module(name))
            findings += [f"{module}:{finding}" for finding in check_docstrings(source, namespace)]
        self.assert_clean(findings)


class TheCheckers(unittest.TestCase):
    """Each rule finds what it is for, and passes over what it is not for."""

    def imported(self, module: str, source: str) -> list[str]:
        return [found.name for found in imports_of(module, source)]

    def test_a_relative_import_is_resolved_from_its_room(self) -> None:
        """One dot is the module's own room, two are the package."""
        source = "from .listener import bind\nfrom ..errors import UsageError\nfrom .. import errors\n"
        self.assertEqual(
            [f"{PACKAGE}.core.listener.bind", f"{PACKAGE}.errors.UsageError", f"{PACKAGE}.errors"],
            self.imported("core.server", source),
        )

    def test_a_relative_import_in_an_init_is_resolved_from_that_package(self) -> None:
        """One dot in ``__init__`` is the package that it opens."""
        self.assertEqual([f"{PACKAGE}.errors.UsageError"], self.imported("__init__", "from .errors import UsageError"))
        self.assertEqual([f"{PACKAGE}.core.tls"], self.imported("core.__init__", "from . import tls"))

    def test_an_import_in_a_function_counts(self) -> None:
        """A lazy import is an import."""
        self.assertEqual(["trustme"], self.imported("core.tls", "def make():\n    import trustme\n"))

    def test_an_import_by_name_counts(self) -> None:
        """`importlib.import_module` with a literal, absolute or relative, is an import."""
        source = "importlib.import_module('uvicorn')\nimport_module('..errors', __package__)\n__import__('re')"
        self.assertEqual(["uvicorn", f"{PACKAGE}.errors", "re"], self.imported("web.asgi", source))

    def test_an_import_for_types_is_known(self) -> None:
        """What stands under ``if TYPE_CHECKING:`` is marked, its ``else`` is not."""
        source = "if typing.TYPE_CHECKING:\n    from _typeshed import wsgi\nelse:\n    import json\nimport socket"
        self.assertEqual(
            {"_typeshed.wsgi": True, "json": False, "socket": False},
            {found.name: found.for_types for found in imports_of("web.wsgi", source)},
        )

    def test_a_package_without_a_layer_is_found(self) -> None:
        """A new package needs a line in the table."""
        self.assertEqual(["new.a: new has no line in LAYERS"], check_layers({"new.a": ""}, {}))

    def test_an_import_from_a_package_in_front_is_found(self) -> None:
        """Lazy imports count, those for types do not."""
        modules = {
            "core.a": "def f():\n    from ..web.b import B",
            "core.c": "if TYPE_CHECKING:\n    from ..web.b import B",
            "web.b": "from ..core import a",
        }
        self.assertEqual(
            ["core.a:2: imports web.b; core may not import from web", "import cycle: core.a -> web.b -> core.a"],
            check_layers(modules, {"core": (), "web": ("core",)}),
        )

    def test_a_cycle_is_found(self) -> None:
        """Two modules of one package do not import each other."""
        modules = {"core.a": "from .b import B", "core.b": "from . import a"}
        self.assertEqual(["import cycle: core.a -> core.b -> core.a"], check_layers(modules, {"core": ()}))

    def test_a_computed_import_is_found(self) -> None:
        """Only the package's own ``__init__`` may import by a computed name."""
        modules = {"a.b": "import_module(name)", "__init__": "import_module(name)"}
        self.assertEqual(
            ["a.b:1: imports a computed name, which no one can check"],
            check_layers(modules, {"a": (), "__init__": ()}),
        )

    def test_a_library_outside_its_owner_is_found(self) -> None:
        """A library that belongs to one module is not imported by another."""
        self.assertEqual(
            ["web.wsgi:1: imports requests, which only web.session may"],
            check_libraries({"web.session": "import requests", "web.wsgi": "import requests.adapters"}, LIBRARIES),
        )

    def test_a_second_importer_is_found(self) -> None:
        """Two files of a room do not share a library that has one importer."""
        self.assertEqual(
            ["trustme: imported by core.server, core.tls; 1 importer is the limit"],
            check_libraries(
                dict.fromkeys(("core.server", "core.tls"), "import trustme"), {"trustme": Owners(("core.*",), 1)}
            ),
        )

    def test_an_unknown_library_is_found(self) -> None:
        """A library that is no dependency is not imported."""
        self.assertEqual(
            ["errors:1: imports attrs, which is no dependency"],
            check_libraries({"errors": "import attrs"}, LIBRARIES),
        )

    def test_a_module_for_types_only_is_found_at_run_time(self) -> None:
        """``_typeshed`` exists for type checkers only."""
        self.assertEqual(
            ["a:1: imports _typeshed outside `if TYPE_CHECKING:`"],
            check_libraries({"a": "import _typeshed", "b": "if TYPE_CHECKING:\n    import _typeshed"}, LIBRARIES),
        )

    def test_the_standard_library_is_free(self) -> None:
        """Python's own modules need no owner."""
        self.assertEqual([], check_libraries({"a": "import socket\nfrom os import path"}, LIBRARIES))

    def test_sleep_is_found(self) -> None:
        """`time.sleep` is found under each name that an import can give it, called or not."""
        for source in (
            "import time\ntime.sleep(1)",
            "import time as t\npause = t.sleep",
            "from time import monotonic, sleep",
            "from time import sleep as pause",
        ):
            with self.subTest(source=source):
                self.assertEqual(1, len(check_sleep(source)))

    def test_another_sleep_is_passed_over(self) -> None:
        """A coroutine may sleep, and so may an object of ours."""
        self.assertEqual([], check_sleep("import time\ntime.monotonic()\nasyncio.sleep(1)\nself.sleep(1)"))

    def test_a_bare_except_is_found(self) -> None:
        """``except:`` is found, ``except BaseException:`` is not."""
        self.assertEqual(["2: except without a class"], check_bare_except("try: pass\nexcept: pass"))
        self.assertEqual([], check_bare_except("try: pass\nexcept BaseException: pass"))

    def test_an_assert_is_found(self) -> None:
        """``assert`` is found, a method whose name begins with it is not."""
        self.assertEqual(["1: assert"], check_assert("assert x\nself.assertTrue(x)"))

    def test_a_print_is_found(self) -> None:
        """``print()`` is found, a method of that name is not."""
        self.assertEqual(["1: print()"], check_print("print('x')\nprinter.print('x')"))

    def test_an_unbounded_wait_is_found(self) -> None:
        """A wait for threads without a limit, or with the limit `None`, is found."""
        for source in (
            "thread.join()",
            "thread.join(None)",
            "event.wait()",
            "event.wait(timeout=None)",
            "condition.wait_for(lambda: done)",
            "condition.wait_for(lambda: done, None)",
        ):
            with self.subTest(source=source):
                self.assertEqual(1, len(check_unbounded_waits(source)))

    def test_a_bounded_wait_is_passed_over(self) -> None:
        """A limit by place or by name is seen; joining strings and awaiting are something else."""
        for source in (
            "thread.join(2.0)",
            "thread.join(timeout=limit)",
            "event.wait(limit)",
            "condition.wait_for(lambda: done, 1.0)",
            "condition.wait_for(lambda: done, timeout=limit)",
            "event.wait(**options)",
            "', '.join(names)",
            "async def f():\n    await event.wait()",
            "async def f():\n    await asyncio.wait_for(event.wait(), 1)",
        ):
            with self.subTest(source=source):
                self.assertEqual([], check_unbounded_waits(source))

    def test_a_missing_docstring_is_found(self) -> None:
        """Module, class, method and function are each named when they have no docstring."""
        source = "class A:\n    def b(self): ...\n    async def c(self): ...\ndef d(): ...\n"
        self.assertEqual(
            [
                "1: the module has no docstring",
                "1: A has no docstring",
                "4: d has no docstring",
                "2: A.b has no docstring",
                "3: A.c has no docstring",
            ],
            check_docstrings(source, {}),
        )

    def test_what_needs_no_docstring_is_passed_over(self) -> None:
        """Private things, what is inside them, nested functions, overloads and setters need no docstring."""
        source = (
            '"""Module."""\n'
            "class _Private:\n    def method(self): ...\n"
            "def _helper(): ...\n"
            'def public():\n    """Do."""\n    def nested(): ...\n'
            'class A:\n    """A."""\n'
            "    @typing.overload\n    def b(self): ...\n"
            '    @property\n    def c(self):\n        """C."""\n'
            "    @c.setter\n    def c(self, value): ...\n"
            "    def __repr__(self): ...\n"
        )
        self.assertEqual([], check_docstrings(source, {}))

    def test_an_override_needs_no_docstring_of_its_own(self) -> None:
        """A method inherits the docstring of the base class that documents it; a new method needs its own."""
        source = (
            '"""Module."""\n'
            'class Base:\n    """Base."""\n'
            '    def told(self):\n        """Told."""\n'
            "    def _untold(self): ...\n"
            'class Heir(Base):\n    """Heir."""\n'
            "    def told(self): ...\n    def new(self): ...\n"
        )
        namespace: dict[str, object] = {}
        exec(source, namespace)
        self.assertEqual(["10: Heir.new has no docstring"], check_docstrings(source, namespace))


if __name__ == "__main__":
    unittest.main()
