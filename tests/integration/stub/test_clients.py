"""Real clients against the stub: what works with each, and what each makes of every fault."""

from __future__ import annotations

import shutil
import unittest

from liveserver_testcase import HTTPStub, Reply
from tests.integration.stub.client_table import OUTAGES, ROWS, observe, read_table, spoil
from tests.integration.stub.clients import CLIENTS, Wish
from tests.integration.stub.support import StubTest
from tests.support import HANG

_WITHOUT = () if shutil.which("curl") else ("curl",)
_NAMES = [name for name in CLIENTS if name not in _WITHOUT]


class EachClientTest(StubTest):
    """What every client can do."""

    def test_keep_alive(self) -> None:
        """Three requests on one connection."""
        for name in _NAMES:
            with self.subTest(client=name):
                self.begin(name)
                self.stub.on().reply_sequence(Reply(200, b"one"), Reply(200, b"two", delay=0.001), Reply(404, json={}))
                wish = Wish([self.stub.url_for(path) for path in ("/1", "/2", "/3")])
                self.assertEqual([(200, b"one"), (200, b"two"), (404, b"{}")], CLIENTS[name](wish))
                self.assertEqual([0, 1, 2], [request.exchange_index for request in self.stub.requests])

    def test_chunks_both_ways(self) -> None:
        """A body in chunks arrives, and one is sent back with trailers."""
        for name in _NAMES:
            with self.subTest(client=name):
                self.begin(name)
                self.stub.on("POST").reply_with(
                    lambda request: Reply(chunks=[request.body[:4], request.body[4:]], trailers={"X-Sum": "1"})
                )
                wish = Wish([self.stub.url_for("/")], [b"one", b"two", b"three"])
                self.assertEqual([(200, b"onetwothree")], CLIENTS[name](wish))
                self.assertTrue(self.stub.requests[0].chunk_sizes)

    def test_tls(self) -> None:
        """A client needs nothing but `ca_file`."""
        with HTTPStub(tls=True) as stub:
            stub.on().reply(200, b"secret")
            for name in _NAMES:
                with self.subTest(client=name):
                    self.assertEqual([(200, b"secret")], CLIENTS[name](Wish([stub.url_for("/")], ca_file=stub.ca_file)))

    def test_100_continue(self) -> None:
        """Those that can wait for it are told to go on, or get their answer instead."""
        for name in ("aiohttp", "curl"):
            if name in _WITHOUT:
                continue
            with self.subTest(client=name):
                self.begin(name)
                self.stub.on("POST").reply_with(lambda request: request.text)
                wish = Wish([self.stub.url_for("/")], b"body", expects=True)
                self.assertEqual([(200, b"body")], CLIENTS[name](wish))
                self.assertEqual("100-continue", self.stub.requests[0].headers["Expect"])

    def test_a_large_body_both_ways(self) -> None:
        """Megabytes arrive whole."""
        data = bytes(range(256)) * 8192
        for name in _NAMES:
            if name in ("curl", "aiohttp"):
                continue  # the output of one is cut at line ends here, the other warns of large bodies
            with self.subTest(client=name):
                self.begin(name)
                self.stub.on("POST").reply_with(lambda request: request.body)
                self.assertEqual([(200, data)], CLIENTS[name](Wish([self.stub.url_for("/")], data)))


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
