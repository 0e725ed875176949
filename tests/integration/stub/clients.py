"""Real clients, each behind the same function: none of ours, and none that is told what to expect."""

from __future__ import annotations

import asyncio
import functools
import http.client
import ssl
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import httpx
import requests
import urllib3

__all__ = ["CLIENTS", "Wish"]


@dataclass(frozen=True)
class Wish:
    """What a client is to do: requests one after the other, on one connection if it can.

    Attributes:
        urls: Where.
        body: What to send; pieces are sent in chunks; None for a GET.
        ca_file: Whom to trust.
        timeout: Seconds.
        expects: Whether to wait for ``100 Continue``, where the client can.
    """

    urls: Sequence[str]
    body: bytes | list[bytes] | None = None
    ca_file: str | None = None
    timeout: float = 10.0
    expects: bool = False

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"

    @functools.cached_property  # a connection is kept for the context with which it was made
    def context(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None


Result = list[tuple[int, bytes]]


def use_http_client(wish: Wish) -> Result:
    """The standard library's."""
    parts = urlsplit(wish.urls[0])
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=wish.timeout)
    if wish.context is not None:
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=wish.timeout, context=wish.context)
    results = []
    try:
        for url in wish.urls:
            body = iter(wish.body) if isinstance(wish.body, list) else wish.body
            connection.request(wish.method, urlsplit(url).path, body)
            response = connection.getresponse()
            results.append((response.status, response.read()))
    finally:
        connection.close()
    return results


def use_urllib3(wish: Wish) -> Result:
    """Without its retries."""
    with urllib3.PoolManager(retries=False, timeout=wish.timeout, ca_certs=wish.ca_file) as pool:
        results = []
        for url in wish.urls:
            body = iter(wish.body) if isinstance(wish.body, list) else wish.body
            response = pool.request(wish.method, url, body=body)
            results.append((response.status, response.data))
        return results


def use_requests(wish: Wish) -> Result:
    """With a session."""
    with requests.Session() as session:
        session.trust_env = False
        results = []
        for url in wish.urls:
            body = iter(wish.body) if isinstance(wish.body, list) else wish.body
            response = session.request(wish.method, url, data=body, timeout=wish.timeout, verify=wish.ca_file or True)
            results.append((response.status_code, response.content))
        return results


def use_httpx(wish: Wish) -> Result:
    """With a client."""
    with httpx.Client(trust_env=False, timeout=wish.timeout, verify=wish.context or True) as client:
        results = []
        for url in wish.urls:
            body = iter(wish.body) if isinstance(wish.body, list) else wish.body
            response = client.request(wish.method, url, content=body)
            results.append((response.status_code, response.content))
        return results


def use_async_httpx(wish: Wish) -> Result:
    """The same on an event loop."""

    async def talk() -> Result:
        async with httpx.AsyncClient(trust_env=False, timeout=wish.timeout, verify=wish.context or True) as client:
            results = []
            for url in wish.urls:
                response = await client.request(wish.method, url, content=_each(wish.body))
                results.append((response.status_code, response.content))
            return results

    return asyncio.run(talk())


def use_aiohttp(wish: Wish) -> Result:
    """With a session."""

    async def talk() -> Result:
        timeout = aiohttp.ClientTimeout(total=wish.timeout)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            results = []
            for url in wish.urls:
                options = {"ssl": wish.context} if wish.context is not None else {}
                async with session.request(
                    wish.method, url, data=_each(wish.body), expect100=wish.expects, **options
                ) as response:
                    results.append((response.status, await response.read()))
            return results

    return asyncio.run(talk())


def _each(body: bytes | list[bytes] | None) -> object:
    if not isinstance(body, list):
        return body

    async def pieces() -> object:
        for piece in body:
            yield piece

    return pieces()


class CurlError(Exception):
    """The code that curl ended with."""


def use_curl(wish: Wish) -> Result:
    """The command."""
    mark = "\n%{http_code}\n"
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", str(wish.timeout), "-X", wish.method]
    command += ["-H", "Expect: 100-continue" if wish.expects else "Expect:"]
    if wish.ca_file:
        command += ["--cacert", wish.ca_file]
    data = b""
    if wish.body is not None:
        data = b"".join(wish.body) if isinstance(wish.body, list) else wish.body
        command += ["--data-binary", "@-"]
        if isinstance(wish.body, list):
            command += ["-H", "Transfer-Encoding: chunked"]
    done = subprocess.run([*command, "-w", mark, *wish.urls], input=data, capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise CurlError(f"exit {done.returncode}")
    *pieces, _ = done.stdout.split(b"\n")
    return [(int(code), body) for body, code in zip(pieces[::2], pieces[1::2], strict=True)]


CLIENTS: dict[str, Callable[[Wish], Result]] = {
    "http.client": use_http_client,
    "urllib3": use_urllib3,
    "requests": use_requests,
    "httpx": use_httpx,
    "httpx, async": use_async_httpx,
    "aiohttp": use_aiohttp,
    "curl": use_curl,
}
"""By the name under which the table in the documentation has them."""
