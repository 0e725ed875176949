"""Requests that are nearly right, by the thousand: the server must read them as `oracle` does, or not at all.

``python -m tests.fuzz.http --server stub --count 100000 --seed 1`` prints every violation with what is needed to see it
again.

A connection is served in the caller's thread from one end of a socket pair, with all of the client's bytes waiting at
the other, cut into random pieces: what is found depends on the seed alone.
"""

from __future__ import annotations

import abc
import argparse
import asyncio
import io
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from liveserver_testcase import HTTPStub, RecordedRequest, Reply
from liveserver_testcase.web.asgi import ASGIServer
from liveserver_testcase.web.http_server import HTTPServer
from liveserver_testcase.web.wsgi import WSGIServer
from tests.fuzz.mutations import mutate
from tests.fuzz.oracle import Reading, Request, read_strictly
from tests.integration.web.wire import Answer, read_answer

__all__ = ["FUZZERS", "Fuzzer", "Violation", "fuzz"]

DRAINED = 256 * 1024
"""Bytes of a body that nobody reads that the server reads to keep the connection."""


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


class Fuzzer(abc.ABC):
    """A server, and what its application was called with.

    Attributes:
        calls: The environ and the body of each call; None for a body that was not read to its end.
        way: In which of four ways the application reads the body; 0 for not at all.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, Any], bytes | None]] = []
        self.way = 0
        self.server = self.make_server(header_timeout=60.0, body_timeout=60.0)
        self.server.start()
        self._never = threading.Event()

    def close(self) -> None:
        """Stop the server."""
        self.server.stop()

    @abc.abstractmethod
    def make_server(self, **options: Any) -> HTTPServer:
        """A server that answers with the body of the request between angle brackets."""

    @abc.abstractmethod
    def called_with(self, reading: Reading) -> list[Request]:
        """The requests that the application is called with."""

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
            engine = getattr(self.server, "_engine", self.server)  # of a stub; any other server is its own
            connection = engine._connect(sock, ("127.0.0.1", 1), 0, self._never)
            while connection.serve():  # the client has sent all, and its end
                pass
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
        called_with = self.called_with(reading)
        self.hold(len(called_with), len(self.calls), "calls of the application")
        for request, (environ, body) in zip(called_with, self.calls, strict=True):
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
        found = {
            key: value.encode("latin-1")
            for key, value in environ.items()
            if key in variables or key[:5] == "HTTP_" or key[:8] == "CONTENT_"
        }
        self.hold(variables, found, "the environ")
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


class WSGIFuzzer(Fuzzer):
    """A WSGI application."""

    def make_server(self, **options: Any) -> HTTPServer:
        return WSGIServer(self.app, **options)

    def called_with(self, reading: Reading) -> list[Request]:
        return reading.requests

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
        start_response("200 OK", [("X-Calls", str(len(self.calls)))])
        answer = [b"<", body or b"", b">"]
        # in HTTP/1.0 only the end of the connection could end an iterator's body
        return answer if len(self.calls) % 2 or environ["SERVER_PROTOCOL"] == "HTTP/1.0" else iter(answer)


class StubFuzzer(Fuzzer):
    """A stub, whose function looks at all that a request has."""

    def make_server(self, **options: Any) -> HTTPServer:
        stub = HTTPStub(**options)
        stub.on("POST", "/none", json={"a": 1}, headers={"X-None": "1"}, query={"a": "b"}, cookies={"a": "c"}).reply(
            204
        )
        stub.on("PUT", form={"a": "b"}, headers={"X-None": "1"}).reply(204)
        stub.on().reply_with(self.answer)
        return stub

    def called_with(self, reading: Reading) -> list[Request]:
        return [request for request in reading.requests if request.body is not None]

    def as_far_as_served(self, reading: Reading) -> Reading:
        """A stub reads every body."""
        self.way = 1
        return reading

    def answer(self, request: RecordedRequest) -> Reply:
        """Read the request, and answer with its body."""
        self.calls.append((request.make_environ(), request.body))
        _ = request.args, request.cookies, request.form, request.files, request.url, request.path, request.authorization
        _ = request.get_json(force=True, silent=True), request.describe(), request.curl(), repr(request)
        for criteria in ({"json": {"a": 1}}, {"form": {"a": "b"}}, {"text": "a"}):
            request.difference("POST", "/none", query={"a": "b"}, cookies={"a": "c"}, **criteria)  # type: ignore[arg-type]
        return Reply(200, b"<%b>" % request.body)


class _Transport(asyncio.Transport):
    """A connection of an event loop that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sock = socket.socket()  # unconnected: nobody reads or writes it
        self.received = bytearray()
        self.is_paused = self.is_closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        address = ("127.0.0.1", 1)
        return {"socket": self.sock, "peername": address, "sockname": address}.get(name, default)

    def write(self, data: Any) -> None:
        self.received += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_closed = True  # the client is not asked to read and to leave

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def is_reading(self) -> bool:
        return not self.is_paused

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def get_write_buffer_size(self) -> int:
        return 0


def _plain(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers without what is not handed on, without the space that httptools keeps, and in the case that h11 gives."""
    pairs = [(name.lower(), value.rstrip(b" \t")) for name, value in headers]
    return [
        (name, value.lower() if name == b"transfer-encoding" else value) for name, value in pairs if name != b"upgrade"
    ]


class ASGIFuzzer(Fuzzer):
    """An ASGI application, before one of uvicorn's parsers: a protocol is given the bytes on the server's loop."""

    parser = "httptools"
    server: ASGIServer  # type: ignore[assignment]

    def make_server(self, **options: Any) -> Any:
        del options["body_timeout"]
        return ASGIServer(self.answer, options={"http": self.parser, "lifespan": "off"}, **options)

    def called_with(self, reading: Reading) -> list[Request]:
        return reading.requests

    def run(self, data: bytes, random_: random.Random) -> None:
        """See `Fuzzer.run`."""
        self.calls.clear()
        self.server.journal.clear()
        self.server.take_errors()
        self.way = random_.randrange(1, 4)
        sizes = (1, 2, 7, 100, 65536) if random_.randrange(2) else (65536,)
        assert self.server._run is not None and self.server._run.loop is not None
        served = asyncio.run_coroutine_threadsafe(self.serve(data, random_, sizes), self.server._run.loop)
        received = served.result(60.0)
        self.check(self.as_far_as_served(read_strictly(data)), received)

    def as_far_as_served(self, reading: Reading) -> Reading:
        """The reading, up to a request in HTTP/1.0: uvicorn keeps no such connection."""
        for index, request in enumerate(reading.requests):
            if request.version == b"HTTP/1.0" and request.body is not None:
                return Reading(reading.requests[: index + 1], "closed")
        return reading

    async def serve(self, data: bytes, random_: random.Random, sizes: tuple[int, ...]) -> bytes:
        """Serve one connection; what was written on it."""
        protocol: Any = self.server._make_protocol()
        transport = _Transport()
        with transport.sock:
            protocol.connection_made(transport)
            while data and not transport.is_closed:
                size = random_.choice(sizes)
                protocol.data_received(data[:size])
                data = data[size:]
                for _ in range(random_.choice((0, 0, 1, 5))):
                    await asyncio.sleep(0)
            connection = protocol._connection
            await self.settle(lambda: not connection.is_busy)
            protocol.connection_lost(None)
            await self.settle(lambda: not connection.cycles)
        return bytes(transport.received)

    async def settle(self, is_settled: Callable[[], bool]) -> None:
        """Let the loop go on until nothing is being done."""
        turns = 0
        while turns < 5 or not is_settled():
            turns += 1
            if turns > 10_000:
                raise Violation("hangs")
            await asyncio.sleep(0)

    def check_call(self, request: Request, environ: dict[str, Any], body: bytes | None) -> None:
        """Hold one call of the application against the request."""
        self.hold(_plain(request.headers), _plain(environ["headers"]), "the headers")
        self.hold(request.method, environ["method"].encode(), "the method")
        self.hold(request.version, b"HTTP/" + environ["http_version"].encode(), "the version")
        if request.target.startswith(b"/"):
            path, _, query = request.target.partition(b"?")
            self.hold((path, query), (environ["raw_path"], environ["query_string"]), "the target")
        self.hold(request.body, body, "the body")

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the body, and answer with it in one of several ways."""
        index = len(self.calls)
        self.calls.append((scope, None))
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
            if self.way == 3:
                await asyncio.sleep(0)
        self.calls[index] = (scope, body)
        answer = b"<%b>" % body
        headers = [] if self.way == 2 else [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in (b"<", body) if self.way == 2 else ():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b">" if self.way == 2 else answer})


class H11Fuzzer(ASGIFuzzer):
    """The same before the other parser."""

    parser = "h11"


FUZZERS: dict[str, type[Fuzzer]] = {
    "wsgi": WSGIFuzzer,
    "stub": StubFuzzer,
    "asgi-httptools": ASGIFuzzer,
    "asgi-h11": H11Fuzzer,
}


def fuzz(count: int, seed: int, server: str = "wsgi") -> Iterator[tuple[int, bytes, Exception]]:
    """Every violation among so many connections to one of `FUZZERS`, with its number and bytes."""
    fuzzer = FUZZERS[server]()
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
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.http", description=__doc__)
    parser.add_argument("--server", choices=FUZZERS, default="wsgi")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop-after", type=int, default=10, help="violations")
    options = parser.parse_args(arguments)
    began, found = time.perf_counter(), 0
    for number, data, error in fuzz(options.count, options.seed, options.server):
        found += 1
        print(f"#{number} of seed {options.seed}: {type(error).__name__}: {error}\n  {data!r}")
        if found >= options.stop_after:
            break
    print(f"{options.count} connections, seed {options.seed}: {found} violations, {time.perf_counter() - began:.1f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
