"""What an application is told of a request."""

from __future__ import annotations

import logging
import unittest
from typing import Any

from tests.contracts.base import has_ipv6
from tests.integration.web.wire import GET, WireTestCase, get, hello, post


class EnvironCase(WireTestCase):
    """Keeps the environ of each request."""

    def setUp(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer, and keep the environ."""
        self.seen.append(dict(environ))
        return hello(environ, start_response)  # type: ignore[return-value]

    def environ(self, request: bytes, **options: Any) -> dict[str, Any]:
        """The environ that a request makes."""
        self.seen.clear()
        answer = self.ask(self.app, request, **options)
        self.assertEqual(200, answer.status, answer.body)
        return self.seen[0]


class Targets(EnvironCase):
    """Path and query, from every form of target."""

    def test_targets(self) -> None:
        """Path, query and host of a target are those of RFC 9112, and the target itself stays as it came."""
        table = [
            ("/", "/", "", "a"),
            ("/a/b?c=d&e", "/a/b", "c=d&e", "a"),
            ("/a?b?c", "/a", "b?c", "a"),
            ("/?", "/", "", "a"),
            ("//evil.example/x", "//evil.example/x", "", "a"),
            ("/a;b=c", "/a;b=c", "", "a"),
            ("/%41%2f%25?%41", "/A/%", "%41", "a"),
            ("/%C3%A4", "/\xc3\xa4", "", "a"),
            ("/%zz%", "/%zz%", "", "a"),
            ('/"<>\\^`{|}', '/"<>\\^`{|}', "", "a"),
            ("http://b:80/c?d", "/c", "d", "b:80"),
            ("http://b", "/", "", "b"),
            ("HTTPS://B/", "/", "", "B"),
            ("http://b?c/d", "/", "c/d", "b"),
            ("http://[::1]:8/x", "/x", "", "[::1]:8"),
        ]
        for target, path, query, host in table:
            with self.subTest(target=target):
                environ = self.environ(get(target))
                self.assertEqual(
                    (path, query, host, target, target),
                    tuple(environ[key] for key in ("PATH_INFO", "QUERY_STRING", "HTTP_HOST", "REQUEST_URI", "RAW_URI")),
                )

    def test_other_forms(self) -> None:
        """``OPTIONS *`` asks about the server as a whole: an empty path; a whole URL makes up for a missing Host."""
        environ = self.environ(get("*", method="OPTIONS"))
        found = tuple(environ[key] for key in ("REQUEST_METHOD", "PATH_INFO", "REQUEST_URI"))
        self.assertEqual(("OPTIONS", "", "*"), found)
        self.assertEqual("b", self.environ(b"GET http://b/c HTTP/1.0\r\n\r\n")["HTTP_HOST"])


class Headers(EnvironCase):
    """Headers, as CGI names them."""

    def test_names(self) -> None:
        """A header becomes a variable; Content-Type and Content-Length have names of their own."""
        environ = self.environ(post(b"ab", "X-A-b: 1", "content-type: text/x", "x-EMPTY:", "A: \t b  c \t"))
        for key, value in {
            "HTTP_X_A_B": "1",
            "CONTENT_TYPE": "text/x",
            "CONTENT_LENGTH": "2",
            "HTTP_X_EMPTY": "",
            "HTTP_A": "b  c",
        }.items():
            self.assertEqual(value, environ[key], key)
        self.assertNotIn("HTTP_CONTENT_TYPE", environ)
        self.assertNotIn("HTTP_CONTENT_LENGTH", environ)

    def test_what_could_be_misread(self) -> None:
        """Repeated headers are joined, a name with an underscore is left out, bytes beyond ASCII are Latin-1."""
        environ = self.environ(get("/", "X: 1", "x: 2", "X: ", "Cookie: a=1", "cookie: b=2", "Y: \xe4\xff"))
        self.assertEqual(("1,2,", "a=1; b=2"), (environ["HTTP_X"], environ["HTTP_COOKIE"]))
        self.assertEqual("\xe4\xff", environ["HTTP_Y"])
        environ = self.environ(get("/", "X_Forwarded_For: evil", "X-Forwarded-For: good", "Content_Length: 5"))
        self.assertEqual("good", environ["HTTP_X_FORWARDED_FOR"])
        self.assertNotIn("evil", environ.values())
        self.assertNotIn("CONTENT_LENGTH", environ)

    def test_raw_headers(self) -> None:
        """While it is served, an exchange has its headers as they were sent."""
        found: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            found.extend(environ["liveserver.exchange"].head.headers)
            return hello(environ, start_response)

        self.ask(app, get("/", "X-b: 1 ", "x_C:\t2", "X-B: 3"))
        self.assertEqual([(b"Host", b"a"), (b"X-b", b"1"), (b"x_C", b"2"), (b"X-B", b"3")], found)

    def test_not_shared(self) -> None:
        """What an application does to an environ does not show in the next one, of an identical request."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            self.seen.append(dict(environ))
            environ["PATH_INFO"] = environ["HTTP_HOST"] = environ["SERVER_NAME"] = "/changed"
            return hello(environ, start_response)

        client = self.connect(self.serve(app))
        for _ in range(2):
            client.ask(GET)
        different = {key for key in self.seen[0] if self.seen[0][key] != self.seen[1][key]}
        self.assertEqual({"wsgi.input", "liveserver.exchange"}, different - {"wsgi.errors"})


class Surroundings(EnvironCase):
    """Server and client."""

    def test_addresses(self) -> None:
        """Server and client are there with address and port."""
        server = self.serve(self.app)
        client = self.connect(server)
        client.ask(GET)
        environ, (host, port) = self.seen[0], client.sock.getsockname()
        self.assertEqual(("127.0.0.1", str(server.port)), (environ["SERVER_NAME"], environ["SERVER_PORT"]))
        self.assertEqual((host, str(port)), (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]))
        self.assertEqual(f"{host}:{port}", self.exchange(server).peer)

    @unittest.skipUnless(has_ipv6(), "this machine has no IPv6")
    def test_ipv6(self) -> None:
        """A client's IPv6 address has no brackets, a server's has them, since it is for URLs."""
        server = self.serve(self.app, host="::1")
        self.connect(server).ask(GET)
        self.assertEqual(("::1", "[::1]"), (self.seen[0]["REMOTE_ADDR"], self.seen[0]["SERVER_NAME"]))
        self.assertTrue(self.exchange(server).peer.startswith("[::1]:"))

    def test_server(self) -> None:
        """The protocol is the request's, the scheme the server's, which has many threads and one process."""
        for version in ("1.0", "1.1"):
            environ = self.environ(get(version=version))
            self.assertEqual((f"HTTP/{version}", ""), (environ["SERVER_PROTOCOL"], environ["SCRIPT_NAME"]))
            names = ("url_scheme", "version", "multithread", "multiprocess", "run_once")
            self.assertEqual(["http", (1, 0), True, False, False], [environ[f"wsgi.{name}"] for name in names])

    def test_errors(self) -> None:
        """What an application writes to ``wsgi.errors`` is logged, a line a record."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            environ["wsgi.errors"].write("one\n\ntwo")
            environ["wsgi.errors"].writelines(["three\n"])
            environ["wsgi.errors"].flush()
            return hello(environ, start_response)

        with self.assertLogs("liveserver_testcase.web", logging.ERROR) as logs:
            self.ask(app)
        self.assertEqual(["one", "two", "three"], [record.getMessage() for record in logs.records])
