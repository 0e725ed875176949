"""How Sphinx builds the documentation: ``make docs``; every warning is an error there."""

from __future__ import annotations

import builtins
import os
import re
import sys
import unittest
from typing import Any

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase, __version__
from liveserver_testcase.cases.class_server import instance_property

project = "liveserver_testcase"
author = "liveserver_testcase contributors"
project_copyright = f"2026, {author}"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]

# Inventories come over the network, and a build must pass without one: they are only loaded where pages are published.
if os.environ.get("READTHEDOCS") or os.environ.get("INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "flask": ("https://flask.palletsprojects.com/en/stable", None),
        "requests": ("https://requests.readthedocs.io/en/latest", None),
        "trustme": ("https://trustme.readthedocs.io/en/latest", None),
        "werkzeug": ("https://werkzeug.palletsprojects.com/en/stable", None),
    }

exclude_patterns = ["_build"]
highlight_language = "python"

# `Name` in single backquotes is a link where the name is documented once, and plain text where it is not: docstrings
# also speak of what is private.
default_role = "any"

suppress_warnings = ["ref.any"]

# Annotations may name what others document (Python's library, and the libraries that we stand on), and types of ours
# that are not public.
_LIBRARIES = ["flask", "requests", "trustme", "werkzeug"]
_FOREIGN = [*dir(builtins), *sys.stdlib_module_names, *_LIBRARIES]
nitpick_ignore_regex = [
    ("py:.*|any", rf"({'|'.join(map(re.escape, _FOREIGN))})(\..+)?"),
    ("py:class", r"liveserver_testcase\.(core|web|stub|mail|cases)\..+"),  # a type of ours that is not public
    ("py:class", r"liveserver_testcase\.([a-z_]+\.)+[A-Z]"),  # a TypeVar: one letter, documented nowhere
    ("py:class", r"_?[A-Z]\w*"),  # an alias or a typed dictionary, known to type checkers alone
]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Source"]

html_theme = "furo"
html_title = "liveserver_testcase"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]


# autodoc reads a property from its class, where these raise an error
instance_property.__get__ = property.__get__


def _check_names(app: Any, env: Any) -> None:
    """Warn of a public name of a test class that has got no entry in the reference."""
    from sphinx.util.logging import getLogger

    entries = {name.rpartition(".")[2] for name in env.get_domain("py").objects}
    for case in (LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
        for name in sorted({each for each in dir(case) if not each.startswith("_")} - {*dir(unittest.TestCase)}):
            if name not in entries:
                getLogger(__name__).warning("%s.%s has no entry in the reference", case.__name__, name)


def _public_name(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Find ``liveserver_testcase.stub.reply.Reply`` where it is documented: as ``liveserver_testcase.Reply``.

    Annotations name the module that defines a class, and readers import it from the package.
    """
    import liveserver_testcase

    target = str(node.get("reftarget", ""))
    name = target.rpartition(".")[2]
    if not target.startswith("liveserver_testcase.") or name not in liveserver_testcase.__all__:
        return None
    python = env.get_domain("py")
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", f"liveserver_testcase.{name}", node, contnode)


def _text_first(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep Napoleon from reading a type into a property's first line that has a colon: ``type: text``.

    With an empty comment before it, it is no longer the first; the sections after it are read as ever.
    """
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def setup(app: Any) -> None:
    app.connect("env-check-consistency", _check_names)
    app.connect("missing-reference", _public_name)
    app.connect("autodoc-process-docstring", _text_first, priority=400)  # Napoleon has 500
