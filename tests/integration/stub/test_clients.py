"""Real clients against the stub: what works with each, and what each makes of every fault."""

from __future__ import annotations

import shutil
import unittest
from typing import Any

from liveserver_testcase import RecordedRequest, Reply
from tests.integration.stub.client_table import OUTAGES, ROWS, observe, read_table, spoil
from tests.integration.stub.clients import CLIENTS, Wish
from tests.integration.stub.support import StubTest
from tests.support import HANG

_WITHOUT = () if shutil.which("curl") else ("curl",)
_NAMES = [name for name in CLIENTS if name not in _WITHOUT]


def cut(request: RecordedRequest) -> Reply:
    """Send a body that came in chunks back in chunks."""
    chunks = [request.body[:4], request.body[4:]] if request.chunk_sizes else []
    return Reply(chunks=chunks, trailers={"X-Sum": "1"})


def expect(request: RecordedRequest) -> str:
    """Tell what the client has waited for."""
    return request.headers.get("Expect", "nothing")


class EachClientTest(StubTest):
    """What every client can do."""

    def test_each(self) -> None:
        """Keep a connection, send and take chunks, trust `ca_file`, wait for a 100, take megabytes as a whole."""
        replies, large = (Reply(200, b"one"), Reply(200, b"two"), Reply(404, json={})), bytes(range(256)) * 8192
        every = frozenset(_NAMES)
        rows: tuple[tuple[str, Any, dict[str, Any], list[tuple[int, bytes]], frozenset[str]], ...] = (
            ("one connection", lambda on: on.reply_sequence(*replies), {},
             [(200, b"one"), (200, b"two"), (404, b"{}")], every),
            ("chunks", lambda on: on.reply_with(cut), {"body": [b"one", b"two", b"three"]}, [(200, b"onetwothree")],
             every),
            ("100-continue", lambda on: on.reply_with(expect), {"body": b"a", "expects": True},
             [(200, b"100-continue")], every & {"aiohttp", "curl"}),
            # the output of curl is cut at line ends here, and aiohttp warns of large bodies
            ("megabytes", lambda on: on.reply_with(lambda request: request.body), {"body": large}, [(200, large)],
             every - {"aiohttp", "curl"}),
        )  # fmt: skip
        for stub in (self.stub, self.make_stub(tls=True)):
            for what, script, options, wanted, names in rows:
                for name in sorted(names):
                    with self.subTest(what, client=name, stub=stub):
                        stub.begin(name)
                        script(stub.on())
                        urls = [stub.url_for(f"/{place}") for place in range(len(wanted))]
                        self.assertEqual(wanted, CLIENTS[name](Wish(urls, ca_file=stub.ca_file, **options)))
                        places = [request.exchange_index for request in stub.requests]
                        self.assertEqual(list(range(len(wanted))), places)


class FaultTest(unittest.TestCase):
    """What each client makes of every fault stands in the documentation."""

    maxDiff = None

    def test_the_table_is_complete(self) -> None:
        """A row for every fault at every place, a column for every client."""
        table = read_table()
        self.assertEqual([*OUTAGES, *ROWS], list(table))
        for row, cells in table.items():
            self.assertEqual((row, list(CLIENTS)), (row, [client for client, cell in cells.items() if cell]))

    def test_what_it_says_is_what_happens(self) -> None:
        """Each client sees what the table says it does; in one try of three, for resets run races.

        Where the stub stalls a slow client may not have connected within its time limit; each try has a longer one.
        """
        table = read_table()
        for row in table:
            for client in _NAMES:
                with self.subTest(row=row, client=client):
                    seen: list[str] = []
                    for patience in (0.15, 1.0, HANG):
                        with spoil(row, patience) as wish:
                            seen.append(observe(client, wish))
                        if seen[-1] in table[row][client]:
                            break
                    self.assertIn(seen[-1], table[row][client], seen)
