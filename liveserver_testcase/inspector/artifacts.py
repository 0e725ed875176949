"""The folder of a failure: a report to open, the traffic as HAR, the mails, a screenshot."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.text import count, describe_error
from ..mail.message import Attachment, ReceivedEmail
from ..web.har import HarEntry, write_har
from .feed import Item, Source, find_sources
from .views import MAIL_POLICY, MOST_TEXT, as_data_url, make_har_entry, mask_text, view_mail, view_request

__all__ = ["write_folder"]

_LONGEST_NAME = 120  # letters of a folder's name; file systems take 255 bytes, and all of a path has a limit on Windows
_MOST_ITEMS = 300  # requests and mails that a report shows; a browser takes a second for them
_LARGEST_FILE = 100_000  # bytes of an attachment that a report has in itself
_ROOM = 2_000_000  # bytes of all bodies that are written, the latest first: to mask a million takes about a second
_POLICY = f"{MAIL_POLICY}; base-uri 'none'; form-action 'none'"  # a frame inherits it


def write_folder(
    root: str,
    name: str,
    *,
    failures: Sequence[tuple[str, str]],
    servers: Sequence[tuple[str, object]],
    outputs: Sequence[tuple[str, str]],
    screenshot: bytes | None,
) -> tuple[str, list[str]]:
    """Write the folder of a failure; one that is there from an earlier run is replaced.

    Args:
        root: Where it is made.
        name: The id of the test or class.
        failures: The id of each test or subtest that has failed, and its traceback.
        servers: Names and servers of the class, of which those are passed over that nothing can be shown of.
        outputs: Names of servers, and what each has logged and printed.
        screenshot: A picture of the browser.

    Returns:
        The path of the folder, and what could not be written, and why.

    Raises:
        OSError: There can be no folder.
    """
    os.makedirs(root, exist_ok=True)
    folder = os.path.join(root, _name_folder(name))
    made = tempfile.mkdtemp(prefix=".", dir=root)  # it is given its name when it is whole
    trouble = []
    try:
        os.chmod(made, 0o755)  # a later step of a CI job may be another user's
        items = find_items(find_sources(servers))

        def write(part: str, step: Callable[..., object], *arguments: Any) -> None:
            try:
                step(Path(made) / part, items, *arguments)
            except ImportError:
                trouble.append(f"there is no {part}: pip install 'liveserver-testcase[inspector]'")
            except Exception as error:
                trouble.append(f"there is no {part}: {describe_error(error)}")

        write("traffic.har", _write_traffic)
        write("mail", _write_mails)
        if screenshot:
            write("screenshot.png", lambda path, _items: path.write_bytes(screenshot))
        write("report.html", _write_report, name, failures, outputs, screenshot)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return folder, trouble


def _name_folder(name: str) -> str:
    """The name with what every file system takes; where that is not all of it, with a hash that no other name has."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._")
    if plain == name and len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[:_LONGEST_NAME]}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def find_items(sources: Sequence[Source]) -> list[Item]:
    """Return what servers were sent in the test that is over, in the order in which it came."""
    journals = [(source, source.server.journal) for source in sources]
    found = [(source, entry) for source, journal in journals for entry in journal.entries(journal.window)]
    found.sort(key=lambda each: each[1].arrived)  # on the monotonic clock, which no test turns
    return [Item(number, source, entry, 0) for number, (source, entry) in enumerate(found, 1)]


def _write_traffic(path: Path, items: Sequence[Item]) -> None:
    entries, room = [], _ROOM
    for item in reversed(items):
        entry = make_har_entry(item)
        if entry is None:
            continue
        size = _size_of(entry)
        if size > room:
            note = f"the bodies, of {size:,} bytes, are left out"
            entry = replace(entry, request_body=b"", response_body=None, comment=entry.comment or note)
        else:
            room -= size
        entries.append(entry)
    write_har(path, entries)


def _size_of(entry: HarEntry) -> int:
    return len(entry.request_body) + len(entry.response_body or b"")


def _write_mails(path: Path, items: Sequence[Item]) -> None:
    for item in items:
        if isinstance(item.entry, ReceivedEmail):
            path.mkdir(exist_ok=True)
            item.entry.save(path)


def _write_report(
    path: Path,
    items: Sequence[Item],
    name: str,
    failures: Sequence[tuple[str, str]],
    outputs: Sequence[tuple[str, str]],
    screenshot: bytes | None,
) -> None:
    from .pages import load_templates, read_asset

    shown: list[Item] = []
    room = _ROOM
    for item in reversed(items[-_MOST_ITEMS:]):
        entry = make_har_entry(item)
        room -= min(_size_of(entry), MOST_TEXT) if entry is not None else 0
        if room < 0:
            break
        shown.insert(0, item)
    began = items[0].entry.arrived if items else 0.0
    timeline = []
    for item in shown:
        is_mail = isinstance(item.entry, ReceivedEmail)
        view = view_mail(item, _locate, secrets=False) if is_mail else view_request(item, secrets=False)
        timeline.append((item.entry.arrived - began, view))
    template = load_templates().get_template("report.html")
    page = template.render(
        name=name,
        policy=_POLICY,
        style=read_asset("inspector.css"),
        failures=[(test, mask_text(text)) for test, text in failures],
        timeline=timeline,
        left_out=count(len(items) - len(shown), "earlier one") if len(items) > len(shown) else "",
        outputs=[(server.removesuffix("_server"), mask_text(text)) for server, text in outputs if text],
        screenshot=as_data_url("image/png", screenshot) if screenshot else "",
        base="",
    )
    path.write_text(page, encoding="utf-8", errors="replace")


def _locate(_number: int, file: Attachment) -> str:
    """The URL of an attachment; of a large one there is none, as the mail has it."""
    return as_data_url("application/octet-stream", file.content) if len(file.content) <= _LARGEST_FILE else ""
