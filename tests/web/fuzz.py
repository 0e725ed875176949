"""Requests that are nearly right, by the thousand: the server must read them as `oracle` does, or not at all.

``python -m tests.web.fuzz --count 100000 --seed 1`` prints every violation with what is needed to see it again.

A connection is served in the caller's thread from one end of a socket pair, with all of the client's bytes waiting at
the other, cut into random pieces: what is found depends on the seed alone.
"""

from __future__ import annotations

import argparse
import io
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from liveserver_testcase.web.wsgi import WSGIServer
from tests.web.oracle import Reading, Request, read_strictly
from tests.web.wire import Answer, read_answer

__all__ = ["Fuzzer", "mutate"]

DRAINED = 256 * 1024
"""Bytes of a body that nobody reads that the server reads to keep the connection."""

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


class _Pieces(socket.socket):
    """A socket from which little comes at once."""

    random_: random.Random | None = None

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At most so many bytes."""
        if self.random_ is not None:
            size = min(size, self.random_.choice((1, 2, 7, 100, 65536)))
        return super().recv(size, flags)


class Violation(Exception):
    """The server did not do as the oracle says."""


class Fuzzer:
    """A server, and what its application was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, Any], bytes | None]] = []
        self.way = 0
        self.server = WSGIServer(self.app, header_timeout=60.0, body_timeout=60.0)
        self.server.start()
        self._never = threading.Event()

    def close(self) -> None:
        """Stop the server."""
        self.server.stop()

    def app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Read the body in one of several ways, and answer with it."""
        stream = environ["wsgi.input"]
        self.calls.append((environ, None))
        if self.way == 0:
            body = None
        elif self.way == 1:
            body = stream.read()
        elif self.way == 2:
            body = b"".join(stream)
        else:
            body = b"".join(iter(lambda: stream.read(3), b""))
        self.calls[-1] = (environ, body)
        start_response("200 OK", [("X-Call", str(len(self.calls)))])
        answer = [b"<", body or b"", b">"]
        # in HTTP/1.0 only the end of the connection could end an iterator's body
        return answer if len(self.calls) % 2 or environ["SERVER_PROTOCOL"] == "HTTP/1.0" else iter(answer)

    def run(self, data: bytes, random_: random.Random) -> None:
        """Serve one connection.

        Raises:
            Violation: Something is not as it must be.
        """
        self.calls.clear()
        self.server.journal.clear()
        self.way = random_.randrange(4)
        theirs, ours = socket.socketpair()
        with theirs, _Pieces(fileno=ours.detach()) as sock:
            sock.random_ = random_ if random_.randrange(2) else None
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)
            connection = self.server._connect(sock, ("127.0.0.1", 1), 0, self._never)
            connection.serve()
            connection.close()
            theirs.settimeout(10.0)
            received = b""
            while more := theirs.recv(1 << 20):
                received += more
        self.check(self.as_far_as_served(read_strictly(data)), received)

    # -- what must be true -----------------------------------------------------------------------------------------

    def as_far_as_served(self, reading: Reading) -> Reading:
        """The reading, up to a body that the application has left alone and that nobody else reads either."""
        for index, request in enumerate(reading.requests):
            has_body = request.body != b"" or request.get_all(b"transfer-encoding")
            may_wait = request.version == b"HTTP/1.1" and request.get_all(b"expect")  # for 100 Continue
            is_long = any(int(length) > DRAINED for length in request.get_all(b"content-length"))
            if self.way == 0 and has_body and (may_wait or is_long or request.is_last()):
                request.body = b""
                return Reading(reading.requests[: index + 1], "closed")
        return reading

    def check(self, reading: Reading, received: bytes) -> None:
        """Hold calls, answers and records against the strict reading."""
        answers = self.read_answers(received)
        self.hold(len(reading.requests), len(self.calls), "calls of the application")
        for request, (environ, body) in zip(reading.requests, self.calls, strict=True):
            self.check_call(request, environ, body)
        good = [request for request in reading.requests if request.body is not None or self.way == 0]
        fine = [answer for answer in answers if answer.status == 200]
        self.hold(len(good), len(fine), "good answers")
        for request, answer in zip(good, fine, strict=True):
            if request.method != b"HEAD":
                self.hold(b"<%b>" % ((request.body or b"") if self.way else b""), answer.body, "an answer")
        refusals = [answer.status for answer in answers if answer.status != 200]
        exchanges = self.server.journal.entries()
        refused = [exchange.refused for exchange in exchanges if exchange.refused]
        cut = [exchange.aborted for exchange in exchanges if exchange.aborted]
        self.hold([], [exchange.errors for exchange in exchanges if exchange.errors], "errors of the application")
        if reading.end == "closed":
            self.hold(([], []), (refusals, refused), "refusals")
        elif reading.end == "refused":
            self.hold(1, len(refused), "recorded refusals")
            answered = self.way == 0 and len(good) > 0 and good[-1].body is None
            self.hold(0 if answered else 1, len(refusals), "refusals")
        else:
            self.hold(1, len(refused) + len(cut), "records of a request that was cut short")
            self.hold(True, len(refusals) <= len(refused), "refusals")
        self.hold([], [status for status in refusals if status not in (400, 414, 417, 431, 501, 505)], "statuses")

    def check_call(self, request: Request, environ: dict[str, Any], body: bytes | None) -> None:
        """Hold one call of the application against the request."""
        variables = {
            "REQUEST_METHOD": request.method,
            "REQUEST_URI": request.target,
            "SERVER_PROTOCOL": request.version,
        }
        for name, value in request.headers:
            key = "HTTP_" + name.decode().upper().replace("-", "_")
            if key in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
                key = key[5:]
            if b"_" not in name:
                joint = b"; " if key == "HTTP_COOKIE" else b","
                variables[key] = variables[key] + joint + value if key in variables else value
        if not request.target.startswith(b"/") and request.target != b"*":
            variables["HTTP_HOST"] = request.target.split(b"/")[2].split(b"?")[0]
        told = {
            key: value.encode("latin-1")
            for key, value in environ.items()
            if key in variables or key[:5] == "HTTP_" or key[:8] == "CONTENT_"
        }
        self.hold(variables, told, "the environ")
        if self.way:
            self.hold(request.body, body, "the body")

    def read_answers(self, received: bytes) -> list[Answer]:
        """The final responses, each framed as it should be."""
        stream, answers = io.BytesIO(received), []
        # the last exchange may be a refused one, of which there is no request in the reading
        methods = [exchange.method for exchange in self.server.journal.entries()]
        while stream.tell() < len(received):
            method = methods[len(answers)] if len(answers) < len(methods) else "GET"
            try:
                answer = read_answer(stream.read, method)
            except (EOFError, AssertionError, ValueError) as error:
                raise Violation(f"a malformed answer: {error!r} in {received!r}") from error
            if answer.status != 100:
                answers.append(answer)
        return answers

    def hold(self, wanted: object, found: object, what: str) -> None:
        """Raise unless both are the same."""
        if wanted != found:
            raise Violation(f"{what}: wanted {wanted!r}, found {found!r}")


def fuzz(count: int, seed: int) -> Iterator[tuple[int, bytes, Exception]]:
    """Every violation among so many connections, with its number and bytes."""
    fuzzer = Fuzzer()
    try:
        for number in range(count):
            random_ = random.Random(f"{seed} {number}")
            data = mutate(random_)
            try:
                fuzzer.run(data, random_)
            except Exception as error:
                yield number, data, error
    finally:
        fuzzer.close()


def main(arguments: list[str]) -> int:
    """Fuzz from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.web.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop-after", type=int, default=10, help="violations")
    options = parser.parse_args(arguments)
    began, found = time.perf_counter(), 0
    for number, data, error in fuzz(options.count, options.seed):
        found += 1
        print(f"#{number} of seed {options.seed}: {type(error).__name__}: {error}\n  {data!r}")
        if found >= options.stop_after:
            break
    print(f"{options.count} connections, seed {options.seed}: {found} violations, {time.perf_counter() - began:.1f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
