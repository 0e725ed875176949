"""Hosts that are written into the code under test: the stub answers for them as the proxy of the process."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import httpx
import requests
import trustme
from websockets.sync.client import connect

from liveserver_testcase import Fault, HTTPStub, HTTPStubTestCase, LiveServerTestCase, ServerStartError, UsageError
from liveserver_testcase.core.tls import Certificates
from tests.integration.apps import answer, make_app
from tests.integration.running import make_case, run_case
from tests.integration.stub.support import receive
from tests.support import HANG, NoClassLeaks, NoLeaks

HOSTS = ["api.shop.example", "*.cloud.example"]
API = "https://api.shop.example/v1/price"
PLAIN = "http://api.shop.example/v1/price"


def get_with_requests(url: str, _: HTTPStub) -> str:
    """Get with requests as it is."""
    return requests.get(url, timeout=HANG).text


def get_with_urllib(url: str, _: HTTPStub) -> str:
    """Get with an opener that looks at the environment now, which the shared one may have done long ago."""
    with urllib.request.build_opener().open(url, timeout=HANG) as response:
        return str(response.read().decode())


def get_with_httpx(url: str, _: HTTPStub) -> str:
    """Get with httpx as it is."""
    return httpx.get(url, timeout=HANG).text


def get_with_aiohttp(url: str, stub: HTTPStub) -> str:
    """Get with aiohttp, which looks at no variable unless it is told, and made its context when it was imported."""

    async def get() -> str:
        async with aiohttp.ClientSession(trust_env=True) as session:
            async with session.get(url, ssl=stub.client_context() or True) as response:
                return await response.text()

    return asyncio.run(get())


def get_with_curl(url: str, _: HTTPStub, *options: str) -> str:
    """Get with curl as it is, which is a child of this process."""
    command = ["curl", "--silent", "--show-error", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def get_with_node(url: str, _: HTTPStub) -> str:
    """Get with Node.js as it is."""
    script = f"fetch({url!r}).then(r => r.text()).then(t => process.stdout.write(t))"
    return subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=60, check=True).stdout


def node_takes_proxies() -> bool:
    """Return True if there is a Node.js that looks at proxy variables: from version 24 on, and 22.21."""
    if not shutil.which("node"):
        return False
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    major, minor = map(int, version.removeprefix("v").split(".")[:2])
    return (major, minor) >= (22, 21) and major != 23


CLIENTS: dict[str, Callable[[str, HTTPStub], str]] = {
    "requests": get_with_requests, "urllib": get_with_urllib, "httpx": get_with_httpx, "aiohttp": get_with_aiohttp,
    "curl": get_with_curl, "node": get_with_node,
    # some clients ask for a tunnel whatever they speak
    "curl in a tunnel": lambda url, stub: get_with_curl(url, stub, "--proxytunnel"),
}  # fmt: skip


class ClientsTest(HTTPStubTestCase, NoClassLeaks):
    """Clients that were not made here, none of which is given another URL."""

    stub_hosts = HOSTS

    def test_each_client_gets_the_stubs_answer(self) -> None:
        """Over TLS and without it; the scheme tells the two apart."""
        self.stub.on("GET", API).reply(text="5 EUR")
        self.stub.on("GET", PLAIN).reply(text="6 EUR")
        for name, get in CLIENTS.items():
            if not (node_takes_proxies() if name == "node" else shutil.which("curl") or "curl" not in name):
                continue
            with self.subTest(client=name):
                self.assertEqual(("5 EUR", "6 EUR"), (get(API, self.stub), get(PLAIN, self.stub)))

    def test_the_host_is_a_criterion(self) -> None:
        """Requests for two hosts come to one stub, which tells them apart; those to itself come on the short way."""
        self.stub.on("GET", "/own").reply(text="direct")
        self.assertEqual("direct", requests.get(self.stub.url_for("/own"), timeout=HANG).text)
        self.stub.expect("GET", "/a", host="eu.cloud.example").reply(text="Europe")
        self.stub.expect("GET", "/a", host="us.cloud.example").reply(text="America")
        answers = [requests.get(f"https://{zone}.cloud.example/a", timeout=HANG).text for zone in ("us", "eu")]
        self.assertEqual(["America", "Europe"], answers)
        self.assertRequested("GET", "https://eu.cloud.example/a", times=1)
        self.assertRequested("GET", host="*.cloud.example", times=2)
        self.assertRequested("GET", host="*.eu.cloud.example", times=0)

    def test_a_request_says_where_it_went(self) -> None:
        """As werkzeug has it, in a report, and in a HAR file."""
        self.stub.on().reply()
        requests.post(f"{API}?currency=EUR", data={"amount": "5"}, timeout=HANG)
        request = self.stub.last_request
        self.assertEqual(
            (f"{API}?currency=EUR", "api.shop.example", "https", "/v1/price", True),
            (request.url, request.host, request.scheme, request.path, request.is_secure),
        )
        self.assertEqual("api.shop.example", request.tls and request.tls.server_name)
        self.assertEqual(f"POST {API}?currency=EUR (8 bytes of application/x-www-form-urlencoded)", request.describe())
        with tempfile.TemporaryDirectory() as folder:
            self.stub.save_har(Path(folder, "shop.har"))
            self.assertIn(f'"url": "{API}?currency=EUR"', Path(folder, "shop.har").read_text(encoding="utf-8"))

    def test_a_tunnel_is_used_again(self) -> None:
        """A session keeps its connection; the CONNECT is no request of the test's."""
        self.stub.on().reply()
        with requests.Session() as session:
            for _ in range(2):
                session.get(API, timeout=HANG)
        first, second = self.stub.requests
        self.assertEqual((first.connection_index, 0), (second.connection_index, first.exchange_index))
        self.assertEqual(1, second.exchange_index)
        self.assertEqual(["CONNECT", "GET", "GET"], [exchange.method for exchange in self.stub.exchanges])

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_the_command_of_a_report_sends_it_again(self) -> None:
        """It goes through the stub, too."""
        self.stub.on().reply(text="5 EUR")
        for url in (API, PLAIN):
            requests.get(url, timeout=HANG)
            with self.subTest(url=url):
                command = self.stub.last_request.curl()
                again = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=True)
                self.assertEqual("5 EUR", again.stdout)
                first, second = self.stub.requests[-2:]
                self.assertEqual(first.url, second.url)

    def test_a_program_in_another_process(self) -> None:
        """A child has the variables, also if its environment is made by hand."""
        self.stub.expect("GET", API, times=2).reply(text="5 EUR")
        script = f"import requests; print(requests.get({API!r}, timeout=10).text)"
        for environ in (None, self.stub.proxy_environ()):
            done = subprocess.run(
                [sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=True
            )
            self.assertEqual("5 EUR\n", done.stdout)

    def test_a_certificate_that_is_wrong(self) -> None:
        """The faults of certificates are those of the hosts."""
        self.stub.on().reply()
        for fault in (Fault.EXPIRED_CERT, Fault.WRONG_HOST_CERT, Fault.UNTRUSTED_CERT, Fault.TLS_HANDSHAKE):
            with self.subTest(fault=fault), self.stub.on_connect(fault, times=1):
                with self.assertRaises(requests.exceptions.SSLError):
                    requests.get(API, timeout=HANG)
        self.stub.reset()


class WebSocketsTest(HTTPStubTestCase, NoClassLeaks):
    """WebSockets of hosts that are written into the code."""

    stub_hosts = HOSTS

    def test_websockets(self) -> None:
        """A client of WebSockets asks for a tunnel, whether it speaks TLS in it or not."""
        for scheme in ("wss", "ws"):
            with self.subTest(scheme=scheme):
                self.stub.expect_websocket(f"{scheme}://api.shop.example/feed").send("price?").receive("5 EUR")
                with connect(f"{scheme}://api.shop.example/feed", open_timeout=HANG) as client:
                    self.assertEqual("price?", client.recv(HANG))
                    client.send("5 EUR")


class ClientsProcessTest(ClientsTest):
    """The same with a stub in a process of its own."""

    stub_mode = "process"


def ask_for_the_price(environ: Any, start: Any) -> Any:
    """An application that asks the API."""
    return answer(start, requests.get(API, timeout=HANG).text)


class LiveTest(LiveServerTestCase, HTTPStubTestCase, NoClassLeaks):
    """An application that calls hosts which are written into it."""

    stub_hosts = HOSTS

    @classmethod
    def create_app(cls) -> Any:
        """The one above."""
        return ask_for_the_price

    def test_the_application_calls_the_stub(self) -> None:
        """The live server itself is reached without the proxy."""
        self.stub.expect("GET", API).reply(text="5 EUR")
        self.assertEqual("5 EUR", requests.get(self.live_url("/price"), timeout=HANG).text)
        self.assertEqual(1, len(self.stub.requests))


class LiveProcessTest(LiveTest):
    """So it does in a process of its own."""

    live_mode = "process"


def run_test(test: Callable[[Any], object], **members: Any) -> str:
    """The report of a test of its own."""
    members = {"stub_hosts": HOSTS, **members}
    return run_case(make_case(HTTPStubTestCase, test=test, **members)).report


class UpstreamTest(NoLeaks):
    """A stub with hosts may pass requests on to a real server."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        authority = trustme.CA()
        leaf, key = str(self.folder / "leaf.pem"), str(self.folder / "key.pem")
        issued = authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(leaf)
        issued.private_key_pem.write_to_path(key)
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        self.upstream = HTTPStub(tls=(leaf, key))
        self.upstream.start()
        self.addCleanup(self.upstream.stop)
        patch = mock.patch.dict(os.environ, SSL_CERT_FILE=str(self.folder / "ca.pem"), LIVESERVER_RECORD="1")
        patch.start()
        self.addCleanup(patch.stop)

    def test_forward_to(self) -> None:
        """Whom the process trusts without the stub is trusted there."""
        self.upstream.expect("GET", "/real/v1/price").reply(text="5 EUR")
        with HTTPStub(hosts=HOSTS) as stub, stub.as_proxy():
            stub.on("GET", API).forward_to(f"{self.upstream.url}/real")
            self.assertEqual("5 EUR", requests.get(API, timeout=HANG).text)
            stub.verify()

    def test_record(self) -> None:
        """What is recorded can be replayed for the host that is written into the code."""
        self.upstream.expect("GET", "/v1/price", query={"in": "EUR"}).reply(json={"next": f"{self.upstream.url}/v2"})
        file = self.folder / "shop.har"
        for _ in range(2):  # recorded, and replayed
            with HTTPStub(hosts=HOSTS) as stub, stub.as_proxy():
                stub.record(self.upstream.url, file)
                answer = requests.get(f"{API}?in=EUR", timeout=HANG).json()
                self.assertEqual({"next": "https://api.shop.example/v2"}, answer)
                stub.verify()
            os.environ["LIVESERVER_RECORD"] = ""
        self.assertEqual(1, len(self.upstream.requests))


class ReportsTest(NoLeaks):
    """What fails a test, and what its report says."""

    maxDiff = None

    def test_a_host_that_is_not_stubbed(self) -> None:
        """Over TLS the tunnel is refused, and the client's own message says why."""

        def test(case: Any) -> None:
            with case.assertRaisesRegex(requests.ConnectionError, "501 api.other.example is none of the stub's hosts"):
                requests.get("https://api.other.example/v1", timeout=HANG)

        report = run_test(test)
        self.assertIn(
            "AssertionError: #1: CONNECT api.other.example:443 was refused, since 'api.other.example' is none of the "
            "stub's hosts; nothing reached the network\n"
            "  they are 'api.shop.example', '*.cloud.example': add 'api.other.example', or where it may be refused "
            "write\n"
            "  with stub.allow_unmatched(host='api.other.example'): …\n",
            report,
        )

    def test_what_nothing_answers(self) -> None:
        """The report names the host, and what to write; another URL in a query is no host that is asked for."""
        for scripted, url, headers, texts in (
            (None, "http://cloud.example/v1", {}, ["#1: GET http://cloud.example/v1 was refused, since 'cloud.exam"]),
            (None, f"http://api.other.example/?next={API}", {}, ["was refused, since 'api.other.example' is none"]),
            (  # a tunnel is for the host that its requests name
                None, API, {"Host": "api.other.example"},
                ["GET https://api.other.example/v1/price was refused, since 'api.other.example'"],
            ),
            (API, "https://eu.cloud.example/v1/price", {},
             ["    FAIL host: wanted 'api.shop.example', got 'eu.cloud.example'"]),
            ("", f"{API}?currency=EUR", {},
             [f"#1: nothing answers GET {API}?currency=EUR: no expectation is written\n",
              f"write stub.on('GET', '{API}').reply(…)",
              "send it again: curl --noproxy '' --proxy http://127.0.0.1:PORT --proxytunnel --insecure"]),
        ):  # fmt: skip

            def test(case: Any, scripted: str | None = scripted, url: str = url, headers: Any = headers) -> None:
                if scripted != "":
                    case.stub.on("GET", scripted).reply(text="anything")
                case.assertEqual(501, requests.get(url, headers=headers, timeout=HANG).status_code)

            with self.subTest(url=url):
                report = run_test(test)
                for text in texts:
                    self.assertIn(text, report)

    def test_what_may_be_asked_for(self) -> None:
        """A host that is asked for in vain can be allowed, and a query may have any URL."""

        def test(case: Any) -> None:
            with case.stub.allow_unmatched(host="api.other.example"), case.assertRaises(requests.ConnectionError):
                requests.get("https://api.other.example/v1", timeout=HANG)
            case.stub.expect("GET", API).reply(204)
            requests.get(f"{API}?next=https://api.other.example/", timeout=HANG)

        case = make_case(HTTPStubTestCase, test=test, stub_hosts=HOSTS)
        self.assertEqual({"run": 1}, run_case(case).summary)

    def test_a_client_that_does_not_trust_the_stub(self) -> None:
        """It is named by its host, and the report says what it lacks."""

        def test(case: Any) -> None:
            import certifi

            case.stub.expect("GET", API).reply()
            with case.assertRaises(requests.exceptions.SSLError):
                requests.get(API, verify=certifi.where(), timeout=HANG)

        report = run_test(test)
        self.assertIn(
            "GET '/v1/price' scheme=https host='api.shop.example' was expected exactly once, and never", report
        )
        self.assertIn("  CONNECT api.shop.example:443: the TLS handshake failed: ", report)
        self.assertIn(
            "a client does not trust the stub: give it stub.ca_file, or a context of stub.client_context()", report
        )


class EnvironmentTest(NoLeaks):
    """The variables of the process."""

    def setUp(self) -> None:
        super().setUp()
        corporate = {"HTTPS_PROXY": "http://10.0.0.1:3128", "no_proxy": ".cloud.example,*", "SSL_CERT_FILE": "/a/b.pem"}
        patch = mock.patch.dict(os.environ, corporate)
        patch.start()
        self.addCleanup(patch.stop)
        self.before = dict(os.environ)

    def test_while_the_class_runs(self) -> None:
        """Every client finds the stub; what was said of proxies is put aside, to the last exception."""
        seen: dict[str, str] = {}

        def test(case: Any) -> None:
            seen.update(os.environ)
            os.environ["AWS_CA_BUNDLE"] = "theirs"  # what somebody sets meanwhile
            seen["url"], seen["ca"] = case.stub.proxy_url, case.stub.ca_file

        self.assertEqual({"run": 1}, run_case(make_case(HTTPStubTestCase, test=test, stub_hosts=HOSTS)).summary)
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
            self.assertEqual(seen["url"], seen[name])
        for name in ("no_proxy", "NO_PROXY"):
            self.assertEqual("127.0.0.1,localhost,::1", seen[name])
        for name in (
            "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
        ):  # fmt: skip
            self.assertEqual(seen["ca"], seen[name])
        self.assertEqual({**self.before, "AWS_CA_BUNDLE": "theirs"}, dict(os.environ))

    def test_after_a_start_that_failed(self) -> None:
        """Whatever it was that failed."""

        def fail(cls: type) -> None:
            raise OSError("no")

        for members in (
            {"configure_stub": classmethod(lambda cls, stub: fail(cls))},
            {"create_app": classmethod(fail)},
            {"stub_host": "192.0.2.1"},
        ):
            with self.subTest(members=list(members)):
                case = make_case(LiveServerTestCase, HTTPStubTestCase, test=fail, stub_hosts=HOSTS, **members)
                self.assertEqual(1, run_case(case).summary["errors"])
                self.assertEqual(self.before, dict(os.environ))

    def test_a_server_at_another_address(self) -> None:
        """Every server of the class is direct."""
        try:
            with socket.create_server(("127.0.0.2", 0)):
                pass
        except OSError:
            self.skipTest("127.0.0.2 is no address of this machine")

        def test(case: Any) -> None:
            self.assertEqual("fine", requests.get(case.live_url("/"), timeout=HANG).text)

        bases = (LiveServerTestCase, HTTPStubTestCase)
        case = make_case(*bases, app=make_app(), live_host="127.0.0.2", test=test, stub_hosts=HOSTS)
        self.assertEqual({"run": 1}, run_case(case).summary)

    def test_a_stub_that_is_no_proxy(self) -> None:
        """Without hosts nothing changes, and nothing is made; for one run they can be set in the environment.

        There is one proxy for a process: the stub of the class, and no further one.
        """

        def plain(case: Any) -> None:
            self.assertEqual("http://10.0.0.1:3128", os.environ["HTTPS_PROXY"])
            self.assertEqual(((), None), (case.stub.hosts, case.stub.ca_file))

        def by_environment(case: Any) -> None:
            self.assertEqual(("a.example", "*.b.example"), case.stub.hosts)

        def further(case: Any) -> None:
            self.assertEqual(((), tuple(HOSTS)), (case.stubs["more"].hosts, case.stub.hosts))
            case.stubs["more"].on().reply(text="direct")
            self.assertEqual("direct", requests.get(case.stubs["more"].url, timeout=HANG).text)

        for test, variables, members in (
            (plain, {}, {}), (by_environment, {"STUBSERVER_HOSTS": "a.example, *.B.example"}, {}),
            (further, {}, {"stub_names": ("more",), "stub_hosts": HOSTS}),
        ):  # fmt: skip
            with self.subTest(test.__name__), mock.patch.dict(os.environ, variables):
                self.assertEqual({"run": 1}, run_case(make_case(HTTPStubTestCase, test=test, **members)).summary)


class AloneTest(NoLeaks):
    """A stub outside of a test class."""

    def test_two_at_once(self) -> None:
        """The process uses a stub within its block; the one whose block began last, whichever ends first."""
        before = dict(os.environ)
        with HTTPStub(hosts=["a.example"]) as first, HTTPStub(hosts=["b.example"]) as second:
            outer, inner = first.as_proxy(), second.as_proxy()
            outer.__enter__()
            inner.__enter__()
            self.assertEqual(second.proxy_url, os.environ["https_proxy"])
            outer.__exit__(None, None, None)
            self.assertEqual(second.proxy_url, os.environ["https_proxy"])
            inner.__exit__(None, None, None)
        self.assertEqual(before, dict(os.environ))

    def test_a_client_that_is_given_the_proxy(self) -> None:
        """No variable is needed."""
        with HTTPStub(hosts=HOSTS) as stub, requests.Session() as session:
            stub.on().reply(text="5 EUR")
            session.trust_env = False
            proxies = {"https": stub.proxy_url, "http": stub.proxy_url}
            answer = session.get(API, proxies=proxies, verify=stub.ca_file, timeout=HANG)
            self.assertEqual("5 EUR", answer.text)

    def test_hosts(self) -> None:
        """A star stands for what is below, and a port for no other; over TLS the certificate is for the address."""
        for host, url, is_covered in (
            ("a.example", "http://A.example/", True), ("A.example", "http://a.example:8080/", True),
            ("a.example", "http://b.a.example/", False), ("*.a.example", "http://c.b.a.example/", True),
            ("*.a.example", "http://a.example/", False), ("*.a.example", "http://ba.example/", False),
            ("a.example:8080", "http://a.example:8080/", True), ("a.example:80", "http://a.example/", True),
            ("a.example:8080", "http://a.example/", False), ("*", "http://whatever.example:1234/", True),
            ("10.1.2.3", "http://10.1.2.3/", True), ("[2001:db8::1]", "http://[2001:db8::1]/", True),
            ("*", "https://10.1.2.3/", True),
        ):  # fmt: skip
            with self.subTest(host=host, url=url), HTTPStub(hosts=[host]) as stub, stub.as_proxy():
                stub.on("GET", url).reply(204)
                self.assertEqual(204 if is_covered else 501, requests.get(url, timeout=HANG).status_code)

    def test_what_is_no_host(self) -> None:
        """It is refused where it is written; in a class the message names the attribute, or the variable."""
        name, here = "which is no host; wanted a name such as", "which is this machine"
        for hosts, text in (
            ("api.example.com", "hosts is 'api.example.com'; wanted several: ['api.example.com']"),
            (5, "hosts is 5; wanted a list such as ['api.example.com', '*.example.org']"),
            ([5], "hosts has 5; wanted a name such as 'api.example.com', or '*.example.com' for all below it"),
            (["https://a.example/v1"], "hosts has 'https://a.example/v1'; wanted the host alone: 'a.example', and"),
            (["a.example/v1"], "hosts has 'a.example/v1'; wanted the host alone: 'a.example', and the path where"),
            (["a.*.example"], "hosts has 'a.*.example'; a star stands only in front, for all that is below"),
            (["*example"], f"hosts has '*example', {name}"),
            ([""], f"hosts has '', {name}"),
            (["a b"], f"hosts has 'a b', {name}"),
            (["b\xfccher.example"], "hosts has 'b\xfccher.example'; wanted it as clients send it: 'xn--bcher-kva.exam"),
            (["localhost"], f"hosts has 'localhost', {here}: a request to it goes through no proxy"),
            (["127.0.0.1:80"], f"hosts has '127.0.0.1:80', {here}"),
            (["[::1]"], f"hosts has '[::1]', {here}"),
        ):
            with self.subTest(hosts=hosts):
                with self.assertRaises(UsageError) as caught:
                    HTTPStub(hosts=hosts)  # type: ignore[arg-type]
                self.assertIn(text, str(caught.exception))
        case = make_case(HTTPStubTestCase, test=lambda self: None, stub_hosts="api.example.com")
        self.assertIn("Case.stub_hosts is 'api.example.com'; wanted several: ['api", run_case(case).report)
        variable = "the environment variable STUBSERVER_HOSTS has 'http://b.example'; wanted the host alone: 'b.exam"
        with mock.patch.dict(os.environ, STUBSERVER_HOSTS="a.example,http://b.example"):
            self.assertIn(variable, run_case(make_case(HTTPStubTestCase, test=lambda self: None)).report)

    def test_what_is_missing(self) -> None:
        """Hosts, trustme; and one port cannot be both a proxy and a server that speaks TLS."""
        with HTTPStub() as stub:
            for call in (stub.as_proxy, stub.proxy_environ, lambda: stub.proxy_url):
                with self.assertRaisesRegex(UsageError, r"has none: write HTTPStub\(hosts=\['api.example.com'\]\)"):
                    call()
        with self.assertRaisesRegex(UsageError, "tls is True; wanted one of them: clients speak TLS to hosts, and not"):
            HTTPStub(hosts=HOSTS, tls=True)
        with mock.patch.dict(sys.modules, {"trustme": None}), mock.patch.object(Certificates, "_shared", None):
            with self.assertRaises(ServerStartError) as caught:
                HTTPStub(hosts=HOSTS)
        self.assertIn("a stub for the hosts 'api.shop.example', '*.cloud.example' shows", str(caught.exception))
        self.assertIn("Install liveserver-testcase[tls].", str(caught.exception))


class WireTest(NoLeaks):
    """Clients that do what a real one would not."""

    def setUp(self) -> None:
        super().setUp()
        self.stub = HTTPStub(hosts=[*HOSTS, "[2001:db8::1]"])
        self.stub.start()
        self.addCleanup(self.stub.stop)

    def connect(self, target: str = "api.shop.example:443", rest: bytes = b"") -> socket.socket:
        """A tunnel, or what becomes of it."""
        client = socket.create_connection(self.stub.address, HANG)
        self.addCleanup(client.close)
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + rest)
        return client

    def open_tunnel(self, target: str = "api.shop.example:443") -> socket.socket:
        """A tunnel in which nothing has been said."""
        client = self.connect(target)
        self.assertEqual(
            b"HTTP/1.1 200 Connection established\r\n\r\n", receive(client, lambda data: data.endswith(b"\r\n\r\n"))
        )
        return client

    def open_tls(self, host: str = "api.shop.example") -> ssl.SSLSocket:
        """A tunnel in which TLS is spoken."""
        context = self.stub.client_context()
        if context is None:
            raise AssertionError("the stub has no certificates")
        target = f"[{host}]:443" if ":" in host else f"{host}:443"
        client = context.wrap_socket(self.open_tunnel(target), server_hostname=host)
        self.addCleanup(client.close)
        return client

    def test_a_stop_ends_open_tunnels(self) -> None:
        """Those that wait for TLS, for a request, and for the next one; nothing is left, and nothing is warned of."""
        self.stub.on().reply(text="5 EUR")
        silent, unused, used = self.open_tunnel(), self.open_tls(), self.open_tls()
        half = self.open_tunnel()
        half.sendall(b"\x16\x03")
        used.sendall(b"GET / HTTP/1.1\r\nHost: api.shop.example\r\n\r\n")
        receive(used, lambda data: data.endswith(b"5 EUR"))

        self.stub.stop()

        for name, client in (
            ("it waits for TLS", silent),
            ("in the middle of a handshake", half),
            ("it waits for a request", unused),
            ("it waits for another request", used),
        ):
            with self.subTest(name):
                try:
                    self.assertEqual(b"", client.recv(1))
                except OSError:
                    pass  # a reset, or TLS that was not ended: it is over, too

    def test_an_ipv6_address(self) -> None:
        """It is in brackets on the wire, and without them in the certificate."""
        self.stub.on("GET", "https://[2001:db8::1]/").reply(text="5 EUR")
        client = self.open_tls("2001:db8::1")
        client.sendall(b"GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n")
        receive(client, lambda data: data.endswith(b"5 EUR"))

    def test_a_tunnel_that_nobody_uses(self) -> None:
        """A client may change its mind, as browsers do: nothing is held against the test."""
        self.open_tunnel().close()
        self.open_tls().close()
        self.stub.wait_until_idle(HANG)
        self.assertEqual("", self.stub.failure_report())

    def test_what_is_refused(self) -> None:
        """Bytes before the tunnel is open, what is neither TLS nor HTTP in it, a tunnel in a tunnel or to nowhere."""
        connect = b"CONNECT api.shop.example:443 HTTP/1.1\r\nHost: api.shop.example:443\r\n\r\n"
        unreadable = "could not be read: something that is not an HTTP request"
        for name, opener, data, status, report in (
            ("too early", lambda: self.connect(rest=b"\x16\x03\x01"), b"", b"HTTP/1.1 400 Bad Request",
             "could not be read"),
            ("neither TLS nor HTTP", self.open_tunnel, b"\x00\x01\x02\r\n\r\n", b"400", unreadable),
            ("a tunnel in a tunnel", self.open_tls, connect, b"501", "nothing answers CONNECT api.shop.example:443"),
            ("no port", lambda: self.connect("api.shop.example"), b"", b"400", "could not be read"),
            ("a path", lambda: self.connect("/"), b"", b"400", "could not be read"),
            ("a URL", lambda: self.connect("http://api.shop.example/"), b"", b"400", "could not be read"),
        ):  # fmt: skip
            with self.subTest(name):
                self.stub.begin(f"shop.test {name}")  # else the report has the rows before, too
                client = opener()
                client.sendall(data)
                receive(client, lambda data: status in data)  # noqa: B023
                self.stub.wait_until_idle(HANG)
                self.assertIn(report, self.stub.failure_report())

    def test_a_name_that_cannot_be_certified(self) -> None:
        """Such names occur without TLS only; the client is refused before it speaks TLS."""
        with HTTPStub(hosts=["*"]) as stub:
            client = socket.create_connection(stub.address, HANG)
            self.addCleanup(client.close)
            client.sendall(b"CONNECT my_service:443 HTTP/1.1\r\nHost: my_service:443\r\n\r\n")
            self.assertIn(b"HTTP/1.1 500", receive(client, lambda data: b"\r\n\r\n" in data))
            self.assertIn(
                "CONNECT my_service:443 could not be answered: UsageError: no certificate can be made for 'my_service'",
                stub.failure_report(),
            )

    def test_a_tunnel_stays(self) -> None:
        """Whatever the client's version says of connections, or the stub; old clients ask without a Host."""
        client = socket.create_connection(self.stub.address, HANG)
        self.addCleanup(client.close)
        client.sendall(b"CONNECT api.shop.example:80 HTTP/1.0\r\n\r\n")
        receive(client, lambda data: data.endswith(b"\r\n\r\n"))
        self.stub.on("GET", "http://api.shop.example/").reply(text="6 EUR")
        client.sendall(b"GET / HTTP/1.0\r\nHost: api.shop.example\r\n\r\n")
        receive(client, lambda data: data.endswith(b"6 EUR"))
        with HTTPStub(hosts=HOSTS, keep_alive=False) as stub, stub.as_proxy():
            stub.on().reply(text="5 EUR")
            self.assertEqual("5 EUR", requests.get(API, timeout=HANG).text)
