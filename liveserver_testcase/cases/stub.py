"""HTTPStubTestCase: somebody else's API, played by a script."""

from __future__ import annotations

import functools
import inspect
import os
import ssl
from collections.abc import Sequence
from typing import Any, ClassVar, cast, get_args

from ..core.tls import ClientAuth
from ..errors import UsageError
from ..stub.reply import Reply
from ..stub.server import HTTPStub
from ..web.http_server import Mode
from .class_server import ClassServer
from .settings import read_flag
from .stub_adapter import StubAdapter
from .stub_assertions import StubAssertions

__all__ = ["HTTPStubTestCase"]

__unittest = True


class HTTPStubTestCase(StubAssertions):
    """Runs a scripted HTTP server while the class's tests run.

    Each test begins with an empty record and with what `configure_stub` wrote, or nothing, in the script.  A request
    that nothing answers, and an expectation that is not met, fail the test.

    Attributes:
        stub: The running `HTTPStub`.
        stubs: The further ones, by the names in ``stub_names``.
        stub_host: Where to listen.  Environment: ``STUBSERVER_HOST``.
        stub_port: The port; 0 for one that the system chooses.  Environment: ``STUBSERVER_PORT``.
        stub_hosts: Hosts that the stub answers for as the proxy of this process and its children, such as
            ``["api.stripe.com", "*.amazonaws.com"]``.  Environment: ``STUBSERVER_HOSTS``, with commas.
        stub_mode: ``thread``, or ``process`` for a process of its own, to which the script is sent: what it is given
            must be values, or functions and classes at the top level of a module.  Environment: ``STUBSERVER_MODE``.
        stub_tls: Whether to speak TLS: True for a throw-away certificate, ``(certfile, keyfile)``, or an
            ``ssl.SSLContext``.  Environment: ``STUBSERVER_TLS``.
        stub_client_auth: Whether clients must show a certificate: ``"none"``, ``"request"`` or ``"require"``.
            Environment: ``STUBSERVER_CLIENT_AUTH``.
        stub_names: Names of further stubs.
        stub_strict: Whether a request that nothing answers, or that cannot be read, fails its test.
            Environment: ``STUBSERVER_STRICT``.
        stub_verify: Whether an expectation that is not met fails its test.  Environment: ``STUBSERVER_VERIFY``.
        stub_unmatched: The `Reply` to a request that nothing answers; without a body, it has the report.
        stub_timeout: Seconds that waits and `assertRequested` last.  Environment: ``STUBSERVER_TIMEOUT``.
        stub_pending_timeout: Seconds after a test for its requests on their way to arrive before it is judged.
            Environment: ``STUBSERVER_PENDING_TIMEOUT``.
        stub_body_limit: Bytes that are kept of each request's body.  Environment: ``STUBSERVER_BODY_LIMIT``.
        stub_journal_limit: Exchanges that are kept.  Environment: ``STUBSERVER_JOURNAL_LIMIT``.
        stub_keep_alive: Whether connections stay open after a response.  Environment: ``STUBSERVER_KEEP_ALIVE``.
    """

    stub_host: ClassVar[str] = "127.0.0.1"
    stub_port: ClassVar[int] = 0
    stub_hosts: Sequence[str] = ()
    stub_mode: ClassVar[Mode] = "thread"
    stub_tls: ClassVar[bool | tuple[str, str] | ssl.SSLContext] = False
    stub_client_auth: ClassVar[ClientAuth] = "none"
    stub_names: Sequence[str] = ()
    stub_strict: ClassVar[bool] = True
    stub_verify: ClassVar[bool] = True
    stub_unmatched: ClassVar[Reply] = Reply(501)
    stub_timeout: ClassVar[float] = 2.0
    stub_pending_timeout: ClassVar[float] = 0.5
    stub_body_limit: ClassVar[int] = 64 * 1024 * 1024
    stub_journal_limit: ClassVar[int] = 10_000
    stub_keep_alive: ClassVar[bool] = True

    @classmethod
    def configure_stub(cls, stub: HTTPStub) -> None:
        """Write the expectations that every test of the class has; called once, when all its stubs have started."""

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        names = cls.stub_names
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise UsageError(f"{cls.__name__}.stub_names is {names!r}; wanted several names: ({names!r},)")
        for name in names:
            if not isinstance(name, str) or not name:
                raise UsageError(f"{cls.__name__}.stub_names has {name!r}; wanted names")
        settle = cls.setting("stub_pending_timeout", "STUBSERVER_PENDING_TIMEOUT", float)
        more = [StubAdapter(f"stub {name}", functools.partial(cls._make_stub, name), settle) for name in names]
        return [*super().class_servers(), *more, StubAdapter("stub", cls._make_stub, settle, cls._begin_script)]

    @classmethod
    def _begin_script(cls, stub: HTTPStub) -> None:
        """Acquaint the stubs with each other, all of which run now, and have the class write its script."""
        everyone = [*cls.stubs.values(), stub]
        for each in everyone:
            each._inspection.siblings = [other._inspection for other in everyone if other is not each]
        cls.configure_stub(stub)

    @classmethod
    def _make_stub(cls, name: str = "") -> HTTPStub:
        if inspect.isfunction(inspect.getattr_static(cls, "configure_stub")):
            raise UsageError(f"{cls.__name__}.configure_stub() must be a class method: write @classmethod above it")
        try:
            # a decorator such as mock.patch() may add arguments
            inspect.signature(cls.configure_stub, follow_wrapped=False).bind("the stub")
        except TypeError as error:
            raise UsageError(
                f"{cls.__name__}.configure_stub() is called with the stub ({error}): write configure_stub(cls, stub)"
            ) from None
        if not isinstance(cls.stub_unmatched, Reply):
            raise UsageError(f"{cls.__name__}.stub_unmatched is {cls.stub_unmatched!r}; wanted a Reply")
        client_auth = cls.setting("stub_client_auth", "STUBSERVER_CLIENT_AUTH", str, get_args(ClientAuth))
        stub = HTTPStub(
            cls.setting("stub_host", "STUBSERVER_HOST", str),
            0 if name else cls.setting("stub_port", "STUBSERVER_PORT", int),
            hosts=() if name else cls._read_hosts(),
            mode=cast(Mode, cls.setting("stub_mode", "STUBSERVER_MODE", str, get_args(Mode))),
            tls=read_flag(cls, "stub_tls", "STUBSERVER_TLS"),
            client_auth=cast(ClientAuth, client_auth),
            keep_alive=cls.setting("stub_keep_alive", "STUBSERVER_KEEP_ALIVE", bool),
            body_limit=cls.setting("stub_body_limit", "STUBSERVER_BODY_LIMIT", int),
            journal_limit=cls.setting("stub_journal_limit", "STUBSERVER_JOURNAL_LIMIT", int),
        )
        stub.name = name
        stub.timeout = cls.setting("stub_timeout", "STUBSERVER_TIMEOUT", float)
        stub.is_strict = cls.setting("stub_strict", "STUBSERVER_STRICT", bool)
        stub.is_verified = cls.setting("stub_verify", "STUBSERVER_VERIFY", bool)
        stub.unmatched_reply = cls.stub_unmatched
        return stub

    @classmethod
    def _read_hosts(cls) -> Sequence[str]:
        variable = os.environ.get("STUBSERVER_HOSTS", "").strip()
        if not variable and cls.stub_hosts == ():
            return ()
        from ..stub.hosts import check_hosts  # most classes have none

        if not variable:
            return check_hosts(cls.stub_hosts, f"{cls.__name__}.stub_hosts")
        hosts = [host.strip() for host in variable.split(",")]
        return check_hosts(hosts, "the environment variable STUBSERVER_HOSTS")
