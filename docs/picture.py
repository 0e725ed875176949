"""Run the README's first example with a misspelt parameter, and write its report as text and as a picture."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

DOCS = Path(__file__).parent
SOURCE = DOCS / "examples" / "start" / "test_stub.py"
TEXT = DOCS / "examples" / "start" / "report.txt"
PICTURE = DOCS / "report.svg"

# The first that a line begins with, after its spaces, gives its colour.
COLOURS = {
    "$": "#8b949e",
    "AssertionError": "#ff7b72",
    "- ": "#ff7b72",
    "+ ": "#7ee787",
    "FAIL": "#ff7b72",
    "ok": "#7ee787",
}
LINE_HEIGHT = 20
CHARACTER = 8.43  # the width of one at 14 px in the usual monospaced fonts


def run_example() -> str:
    """Return what the failing test prints from its error on, with the same port each time."""
    with tempfile.TemporaryDirectory() as folder:
        code = SOURCE.read_text(encoding="utf-8").replace('params={"city"', 'params={"town"')
        Path(folder, SOURCE.name).write_text(code, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "unittest", SOURCE.stem],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(DOCS.parent)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    report = done.stderr[done.stderr.index("AssertionError") :].partition("\n---")[0]
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:49213", report).strip() + "\n"


def draw(report: str) -> str:
    """Return an SVG of the report in a terminal."""
    lines = ["$ python -m unittest", *report.splitlines()]
    width = round(max(map(len, lines)) * CHARACTER) + 40
    height = len(lines) * LINE_HEIGHT + 40
    texts = []
    for number, line in enumerate(lines):
        start = line.lstrip()
        colour = next((COLOURS[each] for each in COLOURS if start.startswith(each)), "#e6edf3")
        y = 34 + number * LINE_HEIGHT
        texts.append(f'<text x="20" y="{y}" fill="{colour}" xml:space="preserve">{escape(line, quote=False)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14">\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>\n' + "\n".join(texts) + "\n</svg>\n"
    )


def main() -> int:
    """Write both files; with ``--check`` name those that differ and return 1."""
    report = run_example()
    wanted = {TEXT: report, PICTURE: draw(report)}
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in differing:
        print(path.relative_to(DOCS.parent))
        if "--check" not in sys.argv:
            path.write_text(wanted[path], encoding="utf-8")
    return int(bool(differing) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
