"""WebSocket stubs on the wire: what RFC 6455 forbids is refused as it says there, and each fault is what it says."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from liveserver_testcase import WebSocketFault
from tests.integration.stub.test_websocket import WebSocketTest, frame, handshake
from tests.support import HANG


class FrameTest(WebSocketTest):
    """A client that sends what it likes."""

    def dial(self, path: str = "/feed") -> socket.socket:
        """Open a WebSocket, and read the answer to the handshake."""
        client = self.connect()
        client.settimeout(HANG)
        client.sendall(handshake(path))
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += client.recv(1)
        self.assertTrue(data.startswith(b"HTTP/1.1 101 Switching Protocols\r\n"), data)
        self.assertIn(b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", data)
        return client

    def read_to_end(self, client: socket.socket) -> bytes:
        """All that comes until the connection ends."""
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while more := client.recv(4096):
                data += more
        return data


class StrictTest(FrameTest):
    """As Autobahn's test suite has them, numbers of its cases in brackets."""

    def test_violations(self) -> None:
        """Each is answered with the close code of the RFC, and fails the test with the reason."""
        for name, data, code, reason in (
            ("reserved bit 1 [3.1]", frame(1, b"a", reserved=4), 1002, "reserved bits must be 0"),
            ("reserved bit 2 [3.2]", frame(1, b"a", reserved=2), 1002, "reserved bits must be 0"),
            ("reserved bit 3 [3.3]", frame(1, b"a", reserved=1), 1002, "reserved bits must be 0"),
            ("reserved bits of a ping [3.6]", frame(9, reserved=6), 1002, "reserved bits must be 0"),
            ("reserved opcode [4.1]", frame(3), 1002, "invalid opcode"),
            ("reserved control opcode [4.2]", frame(11), 1002, "invalid opcode"),
            ("fragmented ping [5.1]", frame(9, fin=False), 1002, "fragmented control frame"),
            ("fragmented pong [5.2]", frame(10, fin=False), 1002, "fragmented control frame"),
            ("fragmented close", frame(8, fin=False), 1002, "fragmented control frame"),
            ("ping of 126 bytes [2.5]", frame(9, bytes(126)), 1002, "control frame too long"),
            ("close of 126 bytes [7.3.6]", frame(8, b"\x03\xe8" + b"*" * 124), 1002, "control frame too long"),
            ("continuation of nothing [5.9]", frame(0, b"a"), 1002, "unexpected continuation frame"),
            ("text within a text [5.18]", frame(1, b"a", fin=False) + frame(1, b"b"), 1002, "expected a continuation"),
            ("close within a text", frame(1, b"a", fin=False) + frame(8), 1002, "incomplete fragmented message"),
            ("no mask", frame(1, b"a", mask=False), 1002, "incorrect masking"),
            ("bad UTF-8 [6.3]", frame(1, b"\xce\xba\xed\xa0\x80edited"), 1007, "a text that is no UTF-8"),
            ("bad UTF-8 in pieces [6.4]", frame(1, b"\xc3", fin=False) + frame(0, b"\x28"), 1007, "that is no UTF-8"),
            ("bad UTF-8 in a reason [7.5.1]", frame(8, b"\x03\xe8\xed\xa0\x80"), 1007, "invalid continuation byte"),
            ("close of 1 byte [7.3.2]", frame(8, b"a"), 1002, "close frame too short"),
            *((f"code {code} [7.9]", frame(8, code.to_bytes(2, "big")), 1002, "invalid status code")
              for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)),
            ("too large", b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), 1009, "exceeds limit of"),
        ):  # fmt: skip
            with self.subTest(name):
                self.begin("shop.test_frames")
                feed = self.stub.on_websocket("/feed")
                client = self.dial()
                client.sendall(data)
                answer = self.read_to_end(client)
                start = answer.rfind(b"\x88")
                self.assertEqual(code, int.from_bytes(answer[start + 2 : start + 4], "big"), answer)
                self.assertFalse(feed.connection(HANG).is_open)
                report = self.report()
                self.assertIn("the WebSocket GET /feed: the client has broken the protocol: ", report)
                self.assertIn(reason, report)

    def test_what_is_allowed(self) -> None:
        """Control frames within a message, empty frames, and a close frame without a code."""
        feed = self.stub.expect_websocket("/feed").receive("κόσμε").receive("").receive(b"")
        client = self.dial()
        text = "κόσμε".encode()
        client.sendall(
            frame(1, text[:3], fin=False) + frame(9, b"p" * 125) + frame(0, fin=False) + frame(10, b"unasked")
            + frame(0, text[3:]) + frame(1) + frame(2, fin=False) + frame(0) + frame(8)
        )  # fmt: skip
        self.assertEqual(b"\x8a\x7d" + b"p" * 125 + b"\x88\x00", self.read_to_end(client))
        self.assertEqual(1005, feed.connections[0].wait_closed(HANG))
        self.stub.verify()

    def test_byte_by_byte(self) -> None:
        """Frames may come in pieces of any size."""
        self.stub.expect_websocket("/feed").receive("a" * 300)
        client = self.dial()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in frame(1, b"a" * 300) + frame(8, b"\x03\xe8"):
            client.sendall(bytes([octet]))
        self.assertEqual(b"\x88\x02\x03\xe8", self.read_to_end(client))
        self.stub.verify()

    def test_a_client_that_leaves(self) -> None:
        """One that leaves without a close frame, also in the middle of a frame, has code 1006, and is no violation."""
        for data in (b"", frame(1, b"hello")[:5], frame(1, b"a", fin=False)):
            with self.subTest(data=data):
                self.begin("shop.test_leaving")
                feed = self.stub.on_websocket("/feed")
                client = self.dial()
                client.sendall(data)
                client.close()
                self.assertEqual(1006, feed.connection(HANG).wait_closed(HANG))
                self.assertEqual("", self.report())

    def test_a_client_that_does_not_answer_the_close_frame(self) -> None:
        """What it sends after the stub's close frame is passed over."""
        feed = self.stub.expect_websocket("/feed").close(4000)
        client = self.dial()
        self.assertEqual(b"\x88\x02\x0f\xa0", client.recv(100))
        client.sendall(frame(1, b"late"))
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b"", self.read_to_end(client))
        self.assertEqual(1006, feed.connections[0].wait_closed(HANG))
        self.stub.verify()


class FaultTest(FrameTest):
    """Each fault, as bytes, and as a client that was not made here sees it."""

    def test_bytes(self) -> None:
        """What is sent is exactly what the fault is called, and then the connection ends when the client leaves."""
        for fault, start in (
            (WebSocketFault.GARBAGE, b"\x80\x81\x82"),
            (WebSocketFault.BAD_OPCODE, b"\x83\x00"),
            (WebSocketFault.RESERVED_BITS, b"\xf1\x01a"),
            (WebSocketFault.MASKED, b"\x81\x85\0\0\0\0hello"),
            (WebSocketFault.FRAGMENTED_PING, b"\x09\x00"),
            (WebSocketFault.LONG_PING, b"\x89\x7e\x00\x7e" + bytes(126)),
            (WebSocketFault.BAD_UTF8, b"\x81\x02\xc3\x28"),
            (WebSocketFault.BAD_CLOSE_CODE, b"\x88\x02\x03\xed"),
            (WebSocketFault.OVERSIZE, b"\x82\x7f\x40\0\0\0\0\0\0\0"),
            (WebSocketFault.HALF_FRAME, b"\x81\x0ahello"),
        ):
            with self.subTest(fault):
                self.begin("shop.test_fault")
                self.stub.expect_websocket("/feed").receive("go").fail(fault)
                client = self.dial()
                client.sendall(frame(1, b"go"))
                client.shutdown(socket.SHUT_WR)
                self.assertTrue(self.read_to_end(client).startswith(start))
                self.stub.verify()

    def test_stall(self) -> None:
        """A ping of the client stays unanswered, and the client gives up; a stop ends it, too."""
        feed = self.stub.expect_websocket("/feed", times=2).fail(WebSocketFault.STALL)
        options: dict[str, Any] = {"ping_interval": 0.01, "ping_timeout": 0.01, "close_timeout": 0.01}
        with connect(f"{self.stub.ws_url}/feed", **options) as client:
            with self.assertRaises(ConnectionClosed) as caught:
                client.recv(HANG)
        sent = caught.exception.sent
        self.assertEqual((1011, "keepalive ping timeout"), (sent.code, sent.reason) if sent is not None else None)
        self.assertEqual(1006, feed.connections[0].wait_closed(HANG))
        other = self.dial()
        self.stub.verify()
        self.stub.stop()
        self.assertEqual(b"", self.read_to_end(other))
