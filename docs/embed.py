"""Write the tested examples into the pages: ``make pages``.

Code hosts and package indexes do not render ``literalinclude``, so the code stands in the pages themselves.  A comment
before each block names its source below ``docs/examples``, and the definitions that are shown; none is the whole file::

    .. example: flask_app/test_notes.py NotesTest.setUp NotesTest.test_a_page

``A..B`` is everything from the definition ``A`` to the one before ``B``.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
EXAMPLES = DOCS / "examples"
LANGUAGES = {".py": "python", ".txt": "text"}

# The mark, and the block that follows it where one is there already.
MARK = re.compile(
    r"^(?P<indent> *)\.\. example: (?P<path>\S+)(?P<names>(?: \S+)*)\n"
    r"(?:\n(?P=indent)\.\. code-block:: \w+\n(?:(?P=indent) +\S.*\n|\n)*)?\n*",
    re.MULTILINE,
)


def find_pages() -> Iterator[Path]:
    """Yield the README and each page."""
    yield DOCS.parent / "README.rst"
    yield from (page for page in sorted(DOCS.rglob("*.rst")) if "_build" not in page.parts)


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def find_lines(source: str, name: str) -> tuple[int, int]:
    """Return the first line of a definition, with its decorators and counted from 0, and the line after its last."""
    body: list[ast.stmt] = ast.parse(source).body
    for part in name.split("."):
        for node in body:
            if part in (getattr(node, "name", None), *_assigned(node)):
                break
        else:
            raise LookupError(f"{name} is not defined")
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        body = getattr(node, "body", [])
    return first - 1, node.end_lineno or first


def cut(source: str, name: str) -> str:
    """Return the text of one definition, or of everything from one to another."""
    start, _, stop = name.partition("..")
    first, last = find_lines(source, start)
    if stop:
        last, _ = find_lines(source, stop)
    return textwrap.dedent("\n".join(source.splitlines()[first:last])).strip()


def fill(text: str) -> str:
    """Return a page with each block as its source has it now."""

    def replace(found: re.Match[str]) -> str:
        path = EXAMPLES / found["path"]
        source = path.read_text(encoding="utf-8")
        names = found["names"].split()
        between = "\n\n\n" if all("." not in name for name in names) else "\n\n"
        code = between.join(cut(source, name) for name in names) if names else source.strip()
        block = f".. code-block:: {LANGUAGES[path.suffix]}\n\n{textwrap.indent(code, '    ')}\n"
        mark = found[0].partition("\n")[0]
        return f"{mark}\n\n{textwrap.indent(block, found['indent'])}\n"

    return MARK.sub(replace, text).rstrip("\n") + "\n"


def main() -> int:
    """Rewrite the pages whose blocks differ from their sources; with ``--check`` name them and return 1."""
    differing = [
        page for page in find_pages() if fill(page.read_text(encoding="utf-8")) != page.read_text(encoding="utf-8")
    ]
    for page in differing:
        print(page.relative_to(DOCS.parent))
        if "--check" not in sys.argv:
            page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
    return int(bool(differing) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
