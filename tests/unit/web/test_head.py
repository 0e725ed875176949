"""What the parser of heads remembers; `tests.integration.web.test_every_engine` holds what it accepts."""

from __future__ import annotations

import unittest

from liveserver_testcase.web import request_head as module
from liveserver_testcase.web.request_head import BadRequest, parse_head
from tests.integration.web.wire import GET, get


class Parser(unittest.TestCase):
    """Heads that come again."""

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
