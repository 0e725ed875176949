"""HTTPStub: the scripted HTTP server that a test has in its hands."""

from __future__ import annotations

import contextlib
import copy
import os
import ssl
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from ..core.checks import check_seconds, check_switch, suggest_keywords
from ..core.proxies import TRUST_VARIABLES, Proxy, use_proxy
from ..core.text import quote
from ..core.tls import ClientAuth, ClientCertificate
from ..errors import UsageError
from ..web.http_server import HTTPServerFacade, Mode, check_mode
from ..web.records import Exchange
from .engine import StubEngine
from .expectation import Expectation, parse_times
from .faults import ConnectionFault, Fault, Outage
from .matching import CRITERIA, CriteriaKeywords, make_criteria
from .reply import Headers, Reply
from .report import explain_count, explain_script
from .request import RecordedRequest
from .responders import Chunked, Content, ServedContent
from .script import Script, check_text
from .waiting import Wait, in_coroutine, in_thread, note_block

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .hosts import StubbedHosts

__all__ = ["HTTPStub"]

__unittest = True


def _make_hosts(hosts: object, tls: object) -> StubbedHosts | None:
    if hosts is None or hosts == ():
        return None
    from .hosts import StubbedHosts, check_hosts  # most stubs have none

    patterns = check_hosts(hosts)
    if patterns and tls:
        raise UsageError(
            f"hosts is {quote(hosts)}, and tls is {quote(tls)}; wanted one of them: clients speak TLS to hosts, "
            "and not to their proxy; make a second stub for the other"
        )
    return StubbedHosts(patterns) if patterns else None


class HTTPStub(HTTPServerFacade[Exchange], Script):
    """A scripted HTTP server that plays somebody else's API.

    Say what it answers with `on` or `expect`, let the code under test call `url`, then look at `requests`::

        with HTTPStub() as stub:
            stub.expect("GET", "/status").reply(json={"ok": True})
            check_status(stub.url)
            stub.verify()

    Args:
        host: Where to listen: an address of this machine, or ``localhost`` for 127.0.0.1 and ::1 on one port.
        port: A TCP port; 0 lets the system choose at the first start, and later starts use the same.
        hosts: Hosts that it answers for as a proxy, such as ``["api.example.com", "*.example.org"]``: a name, or
            ``*.`` and a name for all below it, or ``*``, each with a port or without; see `as_proxy`.
        mode: ``thread``, or ``process`` for a process of its own, which is scripted while it runs, with what can be
            pickled.
        tls: True for a throw-away certificate, which is for whatever name a client asks for, ``(certfile, keyfile)``,
            or an ``ssl.SSLContext``.
        client_auth: Whether clients must show a certificate: ``"none"``, ``"request"`` or ``"require"``.
        keep_alive: Whether connections stay open after a response.
        body_limit: Bytes that are kept of a request's body; of one that is longer, the first.
        external_host: The host in its URLs, where clients know it by another name than the one it listens on.
        journal_limit: How many exchanges are kept.
        header_timeout: Seconds from the first byte of a request to the end of its head, and for a TLS handshake.
        body_timeout: Seconds without a byte of a body that is being read.
        start_timeout: Seconds that a start may take.
        stop_timeout: Seconds that requests in flight may take to end when it stops.

    Raises:
        UsageError: One of these is of the wrong kind.
        ServerStartError: What makes certificates is missing: install ``liveserver-testcase[tls]``.
    """

    __slots__ = ("__weakref__", "_engine")

    _engine: StubEngine

    @suggest_keywords
    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        hosts: Sequence[str] | None = None,
        mode: Mode = "thread",
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        client_auth: ClientAuth = "none",
        keep_alive: bool = True,
        body_limit: int = 64 * 1024 * 1024,
        external_host: str | None = None,
        journal_limit: int = 10_000,
        header_timeout: float = 10.0,
        body_timeout: float = 30.0,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        check_mode(mode)
        make_engine: Any = StubEngine
        if mode == "process":
            from .remote import RemoteStubEngine as make_engine  # with subprocess and pickle, which threads do without

        self._engine = make_engine(
            host,
            port=port,
            hosts=_make_hosts(hosts, tls),
            tls=tls,
            client_auth=client_auth,
            keep_alive=keep_alive,
            body_limit=body_limit,
            external_host=external_host,
            journal_limit=journal_limit,
            header_timeout=header_timeout,
            body_timeout=body_timeout,
            start_timeout=start_timeout,
            stop_timeout=stop_timeout,
        )
        self._engine.display_name = type(self).__name__
        super().__init__(self._engine.registry, self._engine.inspection)

    # -- life ------------------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget the expectations, requests and holds of the one before, and end its faults.

        What was written before the first test is there again, as it was then, in each.
        """
        check_text("name", name, may_be_empty=True)
        self._engine.end_disruptions()
        self._inspection.begin(name)

    def reset(self) -> None:
        """Forget the expectations, requests and problems of this test; what the class has written stays.

        Of a stub that is used alone, everything is forgotten.
        """
        self._inspection.reset()
        self.begin(self.journal.window.name)

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """``thread`` or ``process``."""
        return "process" if hasattr(self._engine, "pid") else "thread"

    @property
    def pid(self) -> int | None:
        """The id of the stub's process; None where there is none."""
        return getattr(self._engine, "pid", None)

    @property
    def output(self) -> str | None:
        """What the stub's process has printed since the test began; None in threads of this one."""
        return getattr(self._engine, "output", None)

    @property
    def keep_alive(self) -> bool:
        """Whether connections stay open after a response."""
        return self._engine.keep_alive

    @property
    def body_limit(self) -> int:
        """Bytes that are kept of a request's body."""
        return self._engine.body_limit

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """A client certificate, where the stub asks for one; None where it does not."""
        return self._engine.tls.client_certificate if self._engine.tls is not None else None

    def environ(self, *names: str, **paths: str) -> dict[str, str]:
        """Return the environment for a subprocess that calls the stub: its URL, certificate authority, and no proxy.

        Args:
            names: Variables that get the base URL.
            paths: Variables that get the URL of a path.

        Returns:
            The environment of this process with these in it.
        """
        for name in names:
            if not isinstance(name, str) or not name:
                raise UsageError(f"environ() was given {quote(name)}; wanted the name of a variable")
        environ = {**os.environ, **dict.fromkeys(names, self.url)}
        environ.update({name: self.url_for(path) for name, path in paths.items()})
        if self.ca_file is not None:
            environ.update(dict.fromkeys(TRUST_VARIABLES, self.ca_file))
        hosts = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", self.host]
        no_proxy = ",".join(dict.fromkeys(filter(None, ",".join(hosts).split(","))))
        return {**environ, "NO_PROXY": no_proxy, "no_proxy": no_proxy}

    # -- a proxy ---------------------------------------------------------------------------------------------------

    @property
    def ca_file(self) -> str | None:
        """The certificates to trust, as a path for ``verify=``; None without them, or with a context of your own."""
        return self._engine.hosts.certificates.ca_file if self._engine.hosts is not None else self._engine.ca_file

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts the stub's certificates and no other; None without TLS and hosts.

        Raises:
            UsageError: The stub's context was made by the user: only they know whom to trust.
        """
        hosts = self._engine.hosts
        return hosts.certificates.client_context() if hosts is not None else self._engine.client_context()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that it answers for as a proxy; empty for a stub that is none."""
        return self._engine.hosts.patterns if self._engine.hosts is not None else ()

    @property
    def proxy_url(self) -> str:
        """The URL of the proxy that it is, for a client that is given one by hand.

        Raises:
            UsageError: It has no hosts.
            ServerNotStarted: The port was left to the system, which chooses at the first start.
        """
        return self._make_proxy("proxy_url").url

    def proxy_environ(self) -> dict[str, str]:
        """Return the environment for a subprocess whose requests are to come to the stub, as to a proxy.

        Returns:
            The environment of this process, with the variables for proxies and certificate authorities set.

        Raises:
            UsageError: See `proxy_url`.
        """
        return {**os.environ, **self._make_proxy("proxy_environ()").make_variables()}

    @note_block("stub.as_proxy")
    def as_proxy(self) -> contextlib.AbstractContextManager[None]:
        """Have this process, and the children that it starts, use the stub as their proxy, for a ``with`` block.

        Requests to its `hosts` are the stub's; one to any other host is refused, and held against the test.  Loopback
        addresses stay direct.  In the end the environment is what it was.

        Raises:
            UsageError: See `proxy_url`.
        """
        return use_proxy(self._make_proxy("as_proxy()"))

    def _make_proxy(self, what: str) -> Proxy:
        if self._engine.hosts is None:
            raise UsageError(
                f"{what} is of a stub with hosts, and {self!r} has none: write HTTPStub(hosts=['api.example.com']), or "
                "stub_hosts = ['api.example.com'] in a test class"
            )
        return Proxy(self._engine.url, self._engine.hosts.certificates.ca_file, self.host)

    # -- settings --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What reports call it, where there are several; empty for the only one."""
        return self._inspection.name

    @name.setter
    def name(self, name: str) -> None:
        self._inspection.name = check_text("name", name, may_be_empty=True)

    @property
    def timeout(self) -> float:
        """Seconds that a wait lasts by default."""
        return self._inspection.timeout

    @timeout.setter
    def timeout(self, timeout: float) -> None:
        self._inspection.timeout = check_seconds("timeout", timeout)

    @property
    def is_strict(self) -> bool:
        """Whether a request that nothing answers, or that cannot be read, fails the test."""
        return self._inspection.is_strict

    @is_strict.setter
    def is_strict(self, is_strict: bool) -> None:
        self._inspection.is_strict = check_switch("is_strict", is_strict)

    @property
    def is_verified(self) -> bool:
        """Whether an expectation that is not met fails the test."""
        return self._inspection.is_verified

    @is_verified.setter
    def is_verified(self, is_verified: bool) -> None:
        self._inspection.is_verified = check_switch("is_verified", is_verified)

    @property
    def unmatched_reply(self) -> Reply:
        """The reply to a request that nothing answers; without a body, the report is its body."""
        return self._inspection.unmatched_reply

    @unmatched_reply.setter
    def unmatched_reply(self, reply: Reply) -> None:
        if not isinstance(reply, Reply):
            raise UsageError(f"unmatched_reply is {quote(reply)}; wanted a Reply")
        self._inspection.unmatched_reply = reply

    # -- what `serve_content` serves, one by one -------------------------------------------------------------------

    @property
    def content(self) -> Content:
        """What is served where no expectation matches; set it to serve it with the present `code` and headers."""
        return self._served.content

    @content.setter
    def content(self, content: Content) -> None:
        self._registry.serve(replace(self._served, content=content))

    @property
    def code(self) -> int:
        """The status that `content` is served with."""
        return self._served.code

    @code.setter
    def code(self, code: int) -> None:
        self._registry.serve(replace(self._served, code=code))

    @property
    def headers(self) -> Headers:
        """The headers that `content` is served with; a copy: to change one, set them all."""
        return cast(Headers, copy.copy(self._served.headers))

    @headers.setter
    def headers(self, headers: Headers | None) -> None:
        self._registry.serve(replace(self._served, headers=headers))

    @property
    def chunked(self) -> Chunked:
        """Whether each piece of `content` is sent as a chunk."""
        return Chunked(self._served.chunked)

    @chunked.setter
    def chunked(self, chunked: Chunked | bool | None) -> None:
        self._registry.serve(replace(self._served, chunked=chunked))

    @property
    def _served(self) -> ServedContent:
        return self._registry.content or ServedContent()

    # -- what has come ---------------------------------------------------------------------------------------------

    @property
    def expectations(self) -> list[Expectation]:
        """The expectations, oldest first; a snapshot."""
        return self._registry.expectations

    @property
    def exchanges(self) -> list[Exchange]:
        """The exchanges of this test, also those that were malformed or broke off; a snapshot."""
        return self._inspection.exchanges

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests of this test, in the order of arrival; a snapshot.

        A request is there once its body has arrived and its answer is decided, before the client gets it.
        """
        return self._inspection.requests

    @property
    def failed_requests(self) -> list[RecordedRequest]:
        """The requests of this test that broke off in the middle, each with its ``failure``; a snapshot."""
        records = [exchange.handler_data for exchange in self.exchanges]
        return [record for record in records if isinstance(record, RecordedRequest) and record.failure]

    @property
    def last_request(self) -> RecordedRequest:
        """The request that came last in this test.

        Raises:
            AssertionError: None came.
        """
        requests = self.requests
        if not requests:
            raise AssertionError("\n".join(self._inspection.traffic.list_requests()))
        return requests[-1]

    @property
    def unmatched(self) -> list[RecordedRequest]:
        """The requests of this test that nothing answered; a snapshot."""
        return [request for request in self.requests if request.is_unmatched]

    def explain(self) -> str:
        """Return the expectations and the requests so far as text, to be printed while a test runs."""
        return explain_script(self._inspection.traffic, self.expectations)

    @suggest_keywords
    def save_har(self, path: str | os.PathLike[str], *, secrets: bool = False) -> None:
        """Write the requests and responses of this test into a file that developer tools open.

        Args:
            path: The HAR file; one that exists is replaced.
            secrets: Whether secrets are written as they were; otherwise ``***`` stands for each.

        Raises:
            UsageError: The file cannot be written.
        """
        from ..web.har import write_har
        from .har import make_entry

        write_har(path, filter(None, (make_entry(each, self.url) for each in self.exchanges)), secrets=secrets)

    def failure_report(self) -> str:
        """Return the problems of this test, as text; each request is in it once.

        That is what could not be answered, since a handler, a hook or an application has raised or returned what is no
        answer, or a sequence was used up; requests that nothing answered, and what could not be read as one;
        expectations that are not met.

        Returns:
            A report; empty if there is nothing to say.
        """
        return "\n\n".join(failure.text for failure in self._inspection.take_failures())

    @in_thread("await stub.verify_async()", "stub.verify()")
    def verify(self) -> Wait[None]:
        """Fail if there are problems so far: for a stub outside of a test class.

        Raises:
            AssertionError: The `failure_report`; its cause is what a handler raised, if one did.
            UsageError: It would block a running event loop: await `verify_async` there.
        """
        return self._inspection.settle_and(self._inspection.raise_failures)

    verify_async = in_coroutine(verify, "stub")

    # -- waits -----------------------------------------------------------------------------------------------------

    @in_thread("await stub.take_request_async(…)")
    def take_request(self, timeout: float | None = None) -> Wait[RecordedRequest]:
        """Return the oldest request of this test that was not taken yet; wait for one if there is none.

        A request counts once it has come whole: one that takes longer to arrive is taken after those that came in
        between.

        Args:
            timeout: Seconds; None for the stub's ``timeout``.

        Raises:
            AssertionError: None came.
            UsageError: It would block a running event loop: await `take_request_async` there.
        """
        return self._inspection.take_next(timeout)

    take_request_async = in_coroutine(take_request, "stub")

    @overload
    def wait_for_request(  # type: ignore[overload-overlap]  # the literal 1 is not any int
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: Literal[1] = 1,
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> RecordedRequest: ...
    @overload
    def wait_for_request(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: int | tuple[int, int | None],
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> list[RecordedRequest]: ...
    @in_thread("await stub.wait_for_request_async(…)", "stub.wait_for_request()", *CRITERIA)
    def wait_for_request(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: int | tuple[int, int | None] = 1,
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> Wait[RecordedRequest | list[RecordedRequest]]:
        """Wait until requests like this have come in this test, so often or more.

        Args:
            method: See `on`; so for the path and the criteria.
            path: The path.
            times: How often at least.
            timeout: Seconds; None for the stub's ``timeout``.
            criteria: What else is wanted of each.

        Returns:
            The first that matches; with ``times``, all of them in the order of their arrival.

        Raises:
            AssertionError: They did not come; the message names the nearest.
            UsageError: No request can match, or it would block a running event loop: await `wait_for_request_async`
                there.
        """
        wanted, often = make_criteria(method, path, **criteria), parse_times(times)
        seconds = self._inspection.get_seconds(timeout)

        def find() -> list[RecordedRequest]:
            return [request for request in self.requests if wanted.matches(request)]

        def take(_has_come: bool) -> RecordedRequest | list[RecordedRequest]:
            found = find()
            if len(found) < often[0]:
                report = explain_count(wanted, (often[0], None), self._inspection.traffic, waited=seconds)
                raise AssertionError(report)
            return found[0] if often == (1, 1) else found

        return Wait(self.journal, lambda: len(find()) >= often[0], seconds, take)

    wait_for_request_async = in_coroutine(wait_for_request, "stub", *CRITERIA)

    @in_thread("await stub.wait_until_satisfied_async(…)", "stub.wait_until_satisfied()")
    def wait_until_satisfied(self, timeout: float | None = None, *, stop_on_unmatched: bool = False) -> Wait[None]:
        """Wait until every expectation is met.

        Args:
            timeout: Seconds; None for the stub's ``timeout``.
            stop_on_unmatched: Whether to fail at once when there is a request that nothing answers: its sender will
                hardly send what is expected.

        Raises:
            AssertionError: One is not; the message is the report.
            UsageError: It would block a running event loop: await `wait_until_satisfied_async` there.
        """
        found, stops = self._inspection, check_switch("stop_on_unmatched", stop_on_unmatched)
        return Wait(
            self.journal,
            lambda: found.is_satisfied() or (stops and self.unmatched),
            found.get_seconds(timeout),
            lambda _: found.check_met(self.expectations, stop_on_unmatched=stops),
        )

    wait_until_satisfied_async = in_coroutine(wait_until_satisfied, "stub")

    # -- what is done to all of its connections --------------------------------------------------------------------

    @suggest_keywords
    def on_connect(self, fault: Fault, *, times: int | None = None) -> ConnectionFault:
        """Let new connections fail before there is a request; open connections stay as they are.

        Args:
            fault: What goes wrong.
            times: With how many connections; None for all.

        Returns:
            What ends it, by a ``with`` block or by ``end()``; else it ends with the test.

        Raises:
            UsageError: The fault makes no sense there, or not with a stub like this.
        """
        return self._engine.fail_connections(fault, times)

    def refuse_connections(self) -> Outage:
        """Close every connection and refuse new ones, as a server that has crashed.

        Returns:
            What ends it, by a ``with`` block or by ``end()``; else it ends with the test.

        Raises:
            ServerNotStarted: The stub does not run.
            UsageError: It cannot be reached already.
        """
        return self._engine.go_down()

    def blackhole(self) -> Outage:
        """Close every connection and answer no attempt to connect, as behind a firewall; see `refuse_connections`.

        Where the system cannot do that, which is on Windows, connections are refused.
        """
        return self._engine.go_down(blackhole=True)

    @suggest_keywords
    def close_connections(self, *, reset: bool = False) -> None:
        """Close every open connection, also in the middle of an exchange; new ones are served.

        Args:
            reset: Whether with a TCP reset, as when a machine forgets its connections.
        """
        self._engine.close_connections(reset=reset)
