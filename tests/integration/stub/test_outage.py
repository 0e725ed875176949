"""What is done to a stub as a whole: it is gone, nobody gets through, its connections are cut."""

from __future__ import annotations

import socket
import sys
import unittest
import warnings

from liveserver_testcase import HTTPStub, ServerNotStarted, UsageError
from tests.integration.stub.support import GET, WireTest, get, receive
from tests.support import HANG


class RefusalTest(WireTest):
    """`HTTPStub.refuse_connections`."""

    def assert_refused(self) -> None:
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(self.stub.address, HANG)

    def test_inside_the_block(self) -> None:
        """Connections are refused, and served again afterwards, on the same port, which nobody else gets meanwhile."""
        self.stub.on().reply(200)
        port = self.stub.port
        with self.stub.refuse_connections() as outage, socket.socket() as other:
            self.assert_refused()
            self.assert_refused()
            with self.assertRaises(OSError):
                other.bind(self.stub.address)
                other.listen()
        outage.end()  # it is over, and no later call does anything
        self.assertEqual((200, port, True), (self.send().status, self.stub.port, outage.is_over))

    def test_open_connections_are_cut(self) -> None:
        """As by a crash, whatever they are at."""
        self.stub.on().reply(200, b"x")
        self.stub.on("GET", "/slow").reply(200, delay=60)
        idle, busy = self.dial(), self.dial()
        idle.sendall(GET)
        receive(idle, lambda data: data.endswith(b"x"))
        busy.sendall(get("/slow"))
        self.wait_for(lambda: len(self.stub.requests) == 2)
        with self.stub.refuse_connections():
            self.assertEqual((b"", b""), (idle.recv(100), busy.recv(100)))
            self.assertEqual((2, 2), (len(self.stub.requests), len(self.stub.expectations)))

    def test_it_ends_with_the_test(self) -> None:
        """The next one finds the stub in its place."""
        self.stub.refuse_connections()
        self.begin("shop.test_b")
        self.stub.on().reply(200)
        self.assertEqual(200, self.send().status)

    def test_a_stop_in_the_middle(self) -> None:
        """The stub stops, starts again, and the end of the outage does nothing to that."""
        outage = self.stub.refuse_connections()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.stub.stop()
        self.stub.start()
        outage.end()
        self.stub.on().reply(200)
        self.assertEqual(200, self.send().status)

    def test_what_cannot_be_reached(self) -> None:
        """Cannot be made so: a second time, or before the start."""
        with self.stub.refuse_connections(), self.assertRaises(UsageError) as caught:
            self.stub.blackhole()
        self.assertEqual(f"{self.stub!r} cannot be reached already; end() that first", str(caught.exception))
        for refuse in (HTTPStub().refuse_connections, HTTPStub().blackhole):
            with self.assertRaisesRegex(ServerNotStarted, r"is not running; call start\(\) before pause_accepting\(\)"):
                refuse()

    def test_ipv6_and_localhost(self) -> None:
        """Whatever it listens on is refused."""
        for host in ("::1", "localhost"):
            with self.subTest(host=host), HTTPStub(host) as stub:
                stub.on().reply(200)
                with stub.refuse_connections():
                    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                        with socket.socket(family) as client, self.assertRaises(ConnectionRefusedError):
                            client.connect((address, stub.port))
                self.assertEqual(200, self.send(stub=stub).status)


@unittest.skipUnless(sys.platform == "linux", "what a full queue does is another thing elsewhere")
class BlackholeTest(WireTest):
    """`HTTPStub.blackhole`."""

    def test_nothing_answers(self) -> None:
        """Connecting takes until the client has enough, not a connection's first byte."""
        self.stub.on().reply(200)
        with HTTPStub(keep_alive=False) as other:  # what is left of connections that the stub has ended is no hindrance
            other.on().reply(200)
            self.see(stub=other)
            other.blackhole()
        self.send()
        with self.stub.blackhole():
            for _ in range(3):
                with self.assertRaises(TimeoutError):
                    socket.create_connection(self.stub.address, 0.05)
        self.assertEqual(200, self.send().status)

    def test_a_stop_in_the_middle(self) -> None:
        """Nothing is left behind."""
        self.stub.blackhole()
        self.stub.stop()


class CutTest(WireTest):
    """`HTTPStub.close_connections`."""

    def open(self) -> socket.socket:
        """A connection that has been used."""
        self.stub.on().reply(200, b"x")
        client = self.dial()
        client.sendall(GET)
        receive(client, lambda data: data.endswith(b"x"))
        return client

    def test_every_connection_ends(self) -> None:
        """In good order, or so that what a client sends next is answered with a reset; who comes again is served."""
        clients = [self.open() for _ in range(3)]
        self.stub.close_connections()
        self.assertEqual(["FIN"] * 3, [self.look(client).end for client in clients])
        self.assertEqual(200, self.send().status)
        client = self.open()
        self.stub.close_connections(reset=True)
        end = self.look(client).end
        if end == "FIN":  # then the reset follows on its heels
            with self.assertRaises(ConnectionError):
                for _ in range(100):
                    client.sendall(GET)
        self.assertEqual(200, self.send().status)

    def test_a_request_in_flight(self) -> None:
        """Is cut, too, and says so."""
        self.stub.on().reply(200, delay=60)
        client = self.dial()
        client.sendall(GET)
        self.wait_for(lambda: self.stub.requests and self.stub.requests[0].is_paused)
        self.stub.close_connections()
        self.assertEqual((b"", "FIN"), self.look(client))
        self.stub.wait_until_idle(HANG)
        self.assertEqual(
            "the server cut the connection while it was kept waiting", self.stub.requests[0].exchange.aborted
        )
