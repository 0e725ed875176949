"""The parser of heads, by itself."""

from __future__ import annotations

import unittest

from liveserver_testcase.web import request_head as module
from liveserver_testcase.web.request_head import BadRequest, HeadValidator, parse_head, split_target
from tests.integration.web.malformed import CHUNKS, FRAMING, HEADERS, OTHER_PROTOCOLS, REQUEST_LINES
from tests.integration.web.wire import GET, get, post


class Scanner(unittest.TestCase):
    """Where a head ends, and where it goes wrong."""

    def scan(self, *parts: bytes) -> tuple[int, str]:
        """The end, or what is wrong, of a head that comes in parts."""
        scanner, data = HeadValidator(), b""
        try:
            for part in parts:
                data += part
                scanner.scan(data)
        except BadRequest as refusal:
            return -1, refusal.reason
        return scanner.end, ""

    def test_end(self) -> None:
        """Wherever the head is cut, the end is at the same place, what follows is not looked at, and there is none
        while the head is not all there."""
        for cut in range(len(GET)):
            self.assertEqual((-1, ""), self.scan(GET[:cut]), cut)
            self.assertEqual((len(GET), ""), self.scan(GET[:cut], GET[cut:] + b"\0\n"), cut)

    def test_cuts(self) -> None:
        """What is wrong with a head does not depend on where it is cut."""
        for payload, _, reason in REQUEST_LINES + HEADERS:
            whole = self.scan(payload)
            for cut in range(len(payload)):
                self.assertEqual(whole, self.scan(payload[:cut], payload[cut:]), (payload, cut))
            if whole[0] < 0:
                self.assertEqual(reason, whole[1])

    def test_parser_agrees(self) -> None:
        """What the scanner finds wrong, the parser refuses for the same reason."""
        for payload, status, reason in REQUEST_LINES + HEADERS + FRAMING + OTHER_PROTOCOLS:
            if b"\r\n\r\n" in payload:
                with self.assertRaises(BadRequest) as caught:
                    parse_head(payload[: payload.index(b"\r\n\r\n") + 4])
                self.assertEqual((status, reason), (caught.exception.status, caught.exception.reason))


class Parser(unittest.TestCase):
    """What is made of a good head."""

    def test_bodies_are_not_looked_at(self) -> None:
        """The head of a request with a body, a malformed one too, is parsed without it."""
        self.assertEqual(4, parse_head(post(b"body")[:-4]).length)
        for payload, _, _ in CHUNKS:
            self.assertIsNone(parse_head(payload[: payload.index(b"\r\n\r\n") + 4]).length)

    def test_facts(self) -> None:
        """Method, target, version, length and connection are as the head says."""
        head = parse_head(get("/a?b", "Content-Length: 0012", "Expect: 100-Continue", method="PUT"))
        self.assertEqual(("PUT", "/a?b", "HTTP/1.1", 12, True, True), (
            head.method, head.target, head.version, head.length, head.keep_alive, head.expects_continue,
        ))  # fmt: skip
        head = parse_head(get(version="1.0"))
        self.assertEqual((0, False, False), (head.length, head.keep_alive, head.expects_continue))

    def test_methods(self) -> None:
        """Any token is a method, and upper and lower case differ.  Source: RFC 9110, 9.1 and 5.6.2."""
        plain = "GET HEAD POST PUT DELETE OPTIONS TRACE PATCH PROPFIND LOCK M-SEARCH"
        for method in f"{plain} FROB get GETX PRI LIST a !#$%&'*+-.^_`|~9".split():
            self.assertEqual(method, parse_head(get(method=method)).method)

    def test_memory(self) -> None:
        """A head that comes again is the same object; few are remembered, no long one, and none that was refused."""
        self.assertIs(parse_head(GET), parse_head(bytes(bytearray(GET))))
        for number in range(2000):
            head = parse_head(get(f"/{number}", f"X-Name-{number}: x"))
            self.assertEqual("x", head.variables[f"HTTP_X_NAME_{number}"])
        long = get("/" + "x" * 5000)
        self.assertIsNot(parse_head(long), parse_head(bytes(bytearray(long))))
        self.assertLessEqual(module._parse.cache_info().currsize, 256)
        self.assertLessEqual(module._find_key.cache_info().currsize, 1000)
        for _ in range(2):
            self.assertRaises(BadRequest, parse_head, b"GET / HTTP/1.1\r\n\r\n")


class Targets(unittest.TestCase):
    """The parts of a target."""

    def test_split(self) -> None:
        """A target has a path, a query and perhaps a host, whatever else it may look like."""
        for target, parts in {
            "/": ("/", "", None),
            "/a?b": ("/a", "b", None),
            "*": ("", "", None),
            "": ("", "", None),
            "http://a": ("/", "", "a"),
            "http://a?b": ("/", "b", "a"),
            "a:1": ("", "", None),
        }.items():
            self.assertEqual(parts, split_target(target), target)
