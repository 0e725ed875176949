"""What comes to several servers, in one order: requests and mails, new or changed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..core.journal import Journal
from ..mail.message import ReceivedEmail
from ..mail.server import SMTPServer
from ..stub.server import HTTPStub
from ..web.live import LiveServer
from ..web.records import RequestRecord

__all__ = ["Feed", "Item", "Kind", "Source", "find_sources"]

Kind: TypeAlias = Literal["live", "stub", "smtp"]

_MOST = 20_000  # items that are kept; two journals at their default limit


@dataclass(frozen=True)
class Source:
    """A server that is looked at, and runs."""

    name: str  # what people call it, such as stub
    server: LiveServer | HTTPStub | SMTPServer

    @property
    def kind(self) -> Kind:
        """Which kind of server it is."""
        if isinstance(self.server, LiveServer):
            return "live"
        return "stub" if isinstance(self.server, HTTPStub) else "smtp"

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.url


def find_sources(servers: Iterable[tuple[str, object]]) -> list[Source]:
    """Return those servers of a test class, by their names in it, of which there is something to show."""
    return [
        Source(name.removesuffix("_server"), server)
        for name, server in servers
        if isinstance(server, LiveServer | HTTPStub | SMTPServer)
    ]


@dataclass(eq=False)
class Item:
    """A request or a mail."""

    number: int  # among all, from 1
    source: Source
    entry: RequestRecord | ReceivedEmail
    version: int  # of the feed, when it was added or changed last


class Feed:
    """Follows the journals of servers, to which nobody else may have subscribed."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self._changed = threading.Condition()  # guards what follows
        self._items: dict[int, Item] = {}  # by number, oldest first
        self._known: dict[int, Item] = {}  # by the identity of their entries
        self._open: dict[int, Item] = {}  # by number, requests that are being served
        self._order: dict[int, Item] = {}  # by number, the one that has changed last is last
        self._version = 0
        self._last_number = 0
        self._is_closed = False
        self._following = contextlib.ExitStack()
        for source in sources:
            journal: Journal[Any] = source.server.journal
            for entry in journal.entries():
                self._note(source, entry)
            journal.subscribe(lambda entry, source=source: self._note(source, entry))  # type: ignore[misc]
            self._following.enter_context(journal.followed())

    def close(self) -> None:
        """Follow no longer, and end all waits."""
        self._following.close()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _note(self, source: Source, entry: RequestRecord | ReceivedEmail | None) -> None:
        with self._changed:
            if entry is None:  # some of those that are not over may have changed
                for item in [*self._open.values()]:
                    if item.source is source:
                        self._touch(item)
            elif (known := self._known.get(id(entry))) is not None:
                self._touch(known)
            else:
                self._last_number += 1
                item = self._items[self._last_number] = Item(self._last_number, source, entry, 0)
                self._known[id(entry)] = item
                if isinstance(entry, RequestRecord):
                    self._open[item.number] = item
                self._touch(item)
                if len(self._items) > _MOST:
                    oldest = self._items.pop(next(iter(self._items)))
                    self._order.pop(oldest.number)
                    self._known.pop(id(oldest.entry))
                    self._open.pop(oldest.number, None)
            self._changed.notify_all()

    def _touch(self, item: Item) -> None:
        self._version += 1
        item.version = self._version
        self._order.pop(item.number, None)
        self._order[item.number] = item
        if isinstance(item.entry, RequestRecord) and item.entry.is_over:
            self._open.pop(item.number, None)

    def get(self, number: int) -> Item | None:
        """Return an item by its number; None if there is none, or not any more."""
        return self._items.get(number)

    def find(self, version: int) -> tuple[int, list[Item]]:
        """Return what is new or has changed since ``version``, in that order, and the version that it is now."""
        with self._changed:
            found = []
            for item in reversed(self._order.values()):
                if item.version <= version:
                    break
                found.append(item)
            return self._version, found[::-1]

    def wait(self, version: int, timeout: float) -> bool:
        """Wait for something newer than ``version``; returns False once the feed is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > version or self._is_closed, timeout)
            return not self._is_closed
