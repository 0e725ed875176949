"""Good requests, and changes that make them nearly good."""

from __future__ import annotations

import random

__all__ = ["GOOD", "mutate"]

GOOD = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a%20b?c=d&e HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET /k HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\n\r\n",
    b"GET http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    (
        b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\n"
        b"GET / HTTP/1.1\r\nHost: b\r\n\r\n!"
    ),
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    (
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'1\r\na\r\n00A;x=y\r\n0123456789\r\n2 ; q="z"\r\nbc\r\n0\r\n\r\n'
    ),
    (
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n"
        b"3\r\n0\r\n\r\n0;e\r\nX: 1\r\nY: 2\r\n\r\n"
    ),
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    (
        b"DELETE /x HTTP/1.1\r\nHost: a\r\nX-Y_Z: 1\r\nX_Y: 2\r\nUpgrade: h2c\r\n"
        b"Connection: Upgrade, HTTP2-Settings\r\n\r\n"
    ),
)
PIECES = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b"\0", b" ", b"\t", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xa0",
    b"\xff", b":", b";", b",",
    b"=", b'"', b"\\", b"#", b"%", b"/", b"?", b"@", b"_", b"-", b"+", b"0", b"1", b"5", b"a", b"F", b"g", b"0x",
    b"-1", b"+1", b"1_0", b"1e1",
    b"99999999999999999999", b"ffffffffffffffff", b"10000000000000000", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0",
    b" HTTP/1.1\r\n", b"GET ",
    b"chunked", b"identity", b"gzip, chunked", b"close", b"keep-alive", b"100-continue", b"http://", b"*", b"[", b"]",
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"\xe2\x80\xae", b"\xef\xbc\x95", b"\x1b[31m", b"CONNECT", b"get",
)  # fmt: skip
LINES = (
    b"Content-Length: 5", b"Content-Length: 4", b"Content-Length: 0", b"content-length: 6",
    b"Content-Length: 5, 5", b"Content-Length:",
    b"Content-Length : 5", b"Content_Length: 5", b"Transfer-Encoding: chunked", b"transfer-encoding: CHUNKED",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding:\tchunked\t", b"Transfer-Encoding : chunked",
    b"Transfer_Encoding: chunked",
    b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked;q=1", b"Host: b", b"Host:", b"Host: a b",
    b"Host: u@a", b"hOST: a",
    b"Expect: 100-continue", b"Expect: 200-ok", b"Connection: close", b"Connection: keep-alive",
    b"Connection: x, CLOSE ,y", b"Connection:",
    b"X: y", b" X: y", b"\tX: y", b"X", b": x", b"X: \xff", b"X:" + b" " * 300, b"Content-Type: a",
    b"Content-Type: b", b"X: " + b"y" * 2000,
)  # fmt: skip


def mutate(random_: random.Random) -> bytes:
    """One to four requests, and none to five changes of their bytes."""
    data = bytearray(b"".join(random_.choice(GOOD) for _ in range(random_.choice((1, 1, 1, 2, 2, 3, 4)))))
    for _ in range(random_.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        random_.choice(CHANGES)(data, random_)
    return bytes(data)


def _flip(data: bytearray, random_: random.Random) -> None:
    if data:
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)


def _replace(data: bytearray, random_: random.Random) -> None:
    if data:
        place = random_.randrange(len(data))
        data[place : place + 1] = random_.choice(PIECES)


def _insert(data: bytearray, random_: random.Random) -> None:
    place = random_.randint(0, len(data))
    data[place:place] = random_.choice(PIECES)


def _delete(data: bytearray, random_: random.Random) -> None:
    place = random_.randint(0, len(data))
    del data[place : place + random_.choice((1, 1, 2, 3, 10))]


def _duplicate(data: bytearray, random_: random.Random) -> None:
    place, length = random_.randint(0, len(data)), random_.choice((1, 2, 5, 20, 100))
    target = random_.randint(0, len(data))
    data[target:target] = data[place : place + length]


def _truncate(data: bytearray, random_: random.Random) -> None:
    del data[random_.randint(0, len(data)) :]


def _change_lines(data: bytearray, random_: random.Random) -> None:
    lines = bytes(data).split(b"\r\n")
    one, two = random_.randrange(len(lines)), random_.randrange(len(lines))
    how = random_.randrange(4)
    if how == 0:
        lines[one], lines[two] = lines[two], lines[one]
    elif how == 1:
        lines.insert(one, lines[two])
    elif how == 2:
        lines.insert(one, random_.choice(LINES))
    else:
        del lines[one]
    data[:] = b"\r\n".join(lines)


def _add_header(data: bytearray, random_: random.Random) -> None:
    """Put a header where one belongs."""
    places = [place for place in range(len(data)) if data[place : place + 11] == b" HTTP/1.1\r\n"]
    if places:
        place = random_.choice(places) + 11
        data[place:place] = random_.choice(LINES) + b"\r\n"


def _change_number(data: bytearray, random_: random.Random) -> None:
    places = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    if places:
        place = random_.choice(places)
        data[place : place + 1] = random_.choice((b"%d" % random_.randrange(20), b"+5", b"-0", b"00", b"", b"5 "))


def _change_end_of_line(data: bytearray, random_: random.Random) -> None:
    places = [place for place in range(len(data) - 1) if data[place : place + 2] == b"\r\n"]
    if places:
        place = random_.choice(places)
        data[place : place + 2] = random_.choice(
            (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b" \r\n", b"\r\n ", b"")
        )


CHANGES = (
    _flip, _replace, _insert, _delete, _duplicate, _truncate, _change_lines, _change_lines, _add_header, _add_header,
    _change_number, _change_end_of_line,
)  # fmt: skip
