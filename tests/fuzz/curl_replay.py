"""Random requests, each sent again by the command that `RecordedRequest.curl` gives.

``python -m tests.fuzz.curl_replay 10000 [seed]`` runs as many as are wanted, and prints each that arrives differently.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from liveserver_testcase.stub.request import RecordedRequest
from liveserver_testcase.stub.server import HTTPStub
from tests.support import HANG

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "LIST", "M-SEARCH", "!#$%&'*+-.^_`|~")
VISIBLE = "".join(map(chr, range(0x21, 0x7F))).replace("#", "")
PATHS = (
    "/", "//", "/a b", "/items/{x}", "/items/[1-3]", "/a/../b", "/./a", "/a/..", "/%2e%2E/a", "/a%2Fb", "/caf%E9",
    "/{a,b}?x={y}", "/?", "/?a=[0-9]&b={}", "/?q=a/../b", "/??", "/a;b=c", "/~ann/@x:y", "/\\", "/'\"`$(x)", "/%",
    "/*", "/!x", "/?!1",
)  # fmt: skip
HOSTS = ("api.example.com", "api.example.com:8080", "127.0.0.1", "[::1]:80", "LOCALHOST", "")
NAMES = (
    "X-A", "x_b", "Accept", "accept", "User-Agent", "Cookie", "Authorization", "Content-Type", "Accept-Encoding",
    "Referer", "Range", "If-None-Match", "X-Forwarded-Host", "!#$%&'*+-.^_`|~", "Origin", "TE", "Upgrade", "Date",
)  # fmt: skip
VALUES = (
    b"", b"1", b"*/*", b"a, b", b"it's", b'"quoted"', b"\\back\\slash", b"$HOME `id` $(id) !1", b"@file", b"a;b",
    b"x:y", b";", b"a;", b"gr\xc3\xbcn", b"gr\xfcn", b"a\tb", b"\x80\xff", b"Basic YW5uOnNlY3JldA==", b"\xe2\x80\xae",
    b"{}[]",
)  # fmt: skip
BODIES = (
    b"", b"", b"a=1&b=2", b'{"a": "it\'s"}', b"@file", b"<", b"one\ntwo\r\n", b"\n", b"\\n", b"a\0b", b"\xff\xfe",
    b"gr\xc3\xbcn", b"\xe2\x80\xae", b"'", b"%s$x!!",
)  # fmt: skip


class Arrived(NamedTuple):
    """What the stub was sent."""

    method: str
    target: str
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


def make_requests(seed: int, host: str) -> Iterator[bytes]:
    """Requests as bytes, without end: any method, target, headers and body that the stub accepts.

    Args:
        seed: What makes them the same again.
        host: The stub's own address, as some of them name it.
    """
    chance = random.Random(seed)
    while True:
        yield _make_request(chance, host)


def _make_request(chance: random.Random, host: str) -> bytes:
    method = chance.choice(METHODS)
    version = "1.0" if chance.random() < 0.1 else "1.1"
    lines = [f"{method} {_make_target(chance, method)} HTTP/{version}".encode()]
    hosts = [host, host, *HOSTS]
    if version == "1.1" or chance.random() < 0.5:
        lines.append(f"Host: {chance.choice(hosts)}".encode())
    for name in chance.sample(NAMES, chance.randrange(6)):
        for _ in range(2 if chance.random() < 0.1 and name != "Content-Type" else 1):
            value = chance.choice(VALUES)
            if chance.random() < 0.3:
                value = bytes(chance.choice(range(0x20, 0x7F)) for _ in range(chance.randrange(20))).strip()
            lines.append(name.encode() + b": " + value)
    if chance.random() < 0.3:
        lines.append(b"Connection: " + chance.choice([b"close", b"keep-alive", b"Keep-Alive, X"]))
    body = chance.choice(BODIES)
    if chance.random() < 0.1:
        body = chance.choice([b"a", b"\xff", b"\n"]) * chance.choice([1999, 2001, 70_000])
    framed = body
    if body or chance.random() < 0.3:
        if version == "1.1" and chance.random() < 0.2:
            lines.append(b"Transfer-Encoding: chunked")
            framed = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        else:
            lines.append(b"Content-Length: %d" % len(body))
        if version == "1.1" and body and chance.random() < 0.1:
            lines.append(b"Expect: 100-continue")
    chance.shuffle(rest := lines[1:])
    return b"\r\n".join([lines[0], *rest, b"", b""]) + framed


def _make_target(chance: random.Random, method: str) -> str:
    if method == "OPTIONS" and chance.random() < 0.3:
        return "*"
    path = chance.choice(PATHS).replace(" ", "%20")
    if chance.random() < 0.4:
        path = "/" + "".join(chance.choice(VISIBLE) for _ in range(chance.randrange(12)))
    return f"http://api.example.com{path}" if chance.random() < 0.1 else path


def describe(request: RecordedRequest) -> Arrived:
    """What is compared of a request: all of it, but for the order of its headers."""
    head = request.head
    return Arrived(head.method, head.target, head.version, sorted(request.header_lines), request.body)


class Replayer:
    """Sends requests to a stub, and each again by curl."""

    def __init__(self, stub: HTTPStub) -> None:
        self.stub = stub

    def replay(self, sent: bytes) -> tuple[Arrived, Arrived | str, str]:
        """What arrived of a request at first, and of the command, or why that sent nothing; and the command."""
        self.stub.begin("replay")
        self.stub.on(None, None).reply(200, b"ok")
        self._send(sent)
        (first,) = self._wait(1)
        command = first.curl(secrets=True)
        text = command.replace("curl ", f"curl -q -sS -m {HANG} -o /dev/null ", 1)
        done = subprocess.run(
            ["bash", "-c", text], input=first.body, capture_output=True, check=False, timeout=2 * HANG
        )
        requests = self._wait(2) if done.returncode in (0, 28, 63) else self.stub.requests
        if len(requests) != 2:
            return describe(first), f"{len(requests) - 1} requests: {done.stderr.decode(errors='replace')}", command
        return describe(first), describe(requests[1]), command

    def _send(self, sent: bytes) -> None:
        with socket.create_connection(self.stub.address, HANG) as client:
            client.sendall(sent)
            received = b""
            while b" 200 OK" not in received and (more := client.recv(1000)):
                received += more

    def _wait(self, number: int) -> list[RecordedRequest]:
        self.stub.wait_until_idle(HANG)
        return list(self.stub.requests)[:number] if len(self.stub.requests) >= number else []


def main(number: int, seed: int) -> int:
    """Replay so many, and say which arrived differently."""
    wrong = 0
    with HTTPStub() as stub:
        replayer = Replayer(stub)
        for index, sent in zip(range(number), make_requests(seed, f"{stub.host}:{stub.port}"), strict=False):
            first, second, command = replayer.replay(sent)
            if first != second:
                wrong += 1
                print(f"#{index} {command[:2000]}\n  sent    {first}\n  arrived {second}")
    print(f"{number:,} requests with seed {seed}: {wrong:,} arrived differently")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
