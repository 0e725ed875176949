"""The pages, and how their code is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.rst"
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
EXAMPLES = DOCS / "examples"
PAGES = [page for page in [README, *DOCS.rglob("*.rst")] if "_build" not in page.parts]

# What differs from run to run, from machine to machine and from Python to Python, and what the pages have for it.
SAME = {
    r"127\.0\.0\.1:\d+": "127.0.0.1:49213",
    r"in \d+\.\d+s": "in 0.010s",
    r"\d+ ms": "1 ms",
    r'File "[^"]*/': 'File "',
    r"(?m)^ +[~^][ ~^]*\n": "",  # the marks below the lines of a traceback
    r"EHLO \S+": "EHLO laptop",
    r"size=\d+": "size=725",
    r"code=\d+": "code=560941",
    "MAIL from:": "MAIL FROM:",  # smtplib before Python 3.12
    "RCPT to:": "RCPT TO:",
}


def run(*arguments: str, folder: Path, code: int, **variables: str) -> str:
    """Run Python in ``folder``; return its output, with what differs each time made the same."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    if done.returncode != code:
        raise AssertionError(f"{arguments} ended with {done.returncode}:\n{output}")
    for pattern, text in SAME.items():
        output = re.sub(pattern, text, output)
    return output
