"""Real servers for unittest: an application on a live port, a scripted HTTP API, a mail server.

A test class inherits one or more of `LiveServerTestCase`, `HTTPStubTestCase` and `SMTPTestCase`; their servers run
from ``setUpClass`` to ``tearDownClass``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cases.base import ClassServer, Problem, ServerAttribute, ServerTestCase
    from .cases.live import LiveServerTestCase
    from .cases.smtp import SMTPTestCase
    from .cases.stub import HTTPStubTestCase
    from .core.tls import ClientCertificate, TLSFacts
    from .errors import (
        ClientDisconnected,
        InvalidResponse,
        LiveServerTestCaseError,
        ServerDied,
        ServerNotStarted,
        ServerStartError,
        ServerStateError,
        ServerThreadError,
        UnfinishedWorkWarning,
        UsageError,
        WildcardAddressWarning,
    )
    from .mail.faults import SMTPFault
    from .mail.message import Attachment, Link, ReceivedEmail
    from .mail.server import SMTPServer
    from .mail.session import SMTPAttempt, SMTPSession
    from .stub.content import Chunked
    from .stub.expectation import Expectation
    from .stub.fault import Fault, Place
    from .stub.hold import Hold
    from .stub.outage import ConnectionFault, Outage
    from .stub.reply import Reply
    from .stub.request import RecordedRequest
    from .stub.server import HTTPStub
    from .stub.stream import Pause
    from .stub.times import at_least, at_most
    from .stub.values import ABSENT, ALL_OF, ANY_OF, INCLUDING, NOT, UNORDERED
    from .web.live import LiveServer
    from .web.records import RequestRecord

_HOMES = {
    "ABSENT": "stub.values",
    "ALL_OF": "stub.values",
    "ANY_OF": "stub.values",
    "Attachment": "mail.message",
    "Chunked": "stub.content",
    "ClassServer": "cases.base",
    "ClientCertificate": "core.tls",
    "ClientDisconnected": "errors",
    "ConnectionFault": "stub.outage",
    "Expectation": "stub.expectation",
    "Fault": "stub.fault",
    "HTTPStub": "stub.server",
    "HTTPStubTestCase": "cases.stub",
    "Hold": "stub.hold",
    "INCLUDING": "stub.values",
    "InvalidResponse": "errors",
    "Link": "mail.message",
    "LiveServer": "web.live",
    "LiveServerTestCase": "cases.live",
    "LiveServerTestCaseError": "errors",
    "NOT": "stub.values",
    "Outage": "stub.outage",
    "Pause": "stub.stream",
    "Place": "stub.fault",
    "Problem": "cases.base",
    "ReceivedEmail": "mail.message",
    "RecordedRequest": "stub.request",
    "Reply": "stub.reply",
    "RequestRecord": "web.records",
    "SMTPAttempt": "mail.session",
    "SMTPFault": "mail.faults",
    "SMTPServer": "mail.server",
    "SMTPSession": "mail.session",
    "SMTPTestCase": "cases.smtp",
    "ServerAttribute": "cases.base",
    "ServerDied": "errors",
    "ServerNotStarted": "errors",
    "ServerStartError": "errors",
    "ServerStateError": "errors",
    "ServerTestCase": "cases.base",
    "ServerThreadError": "errors",
    "TLSFacts": "core.tls",
    "UNORDERED": "stub.values",
    "UnfinishedWorkWarning": "errors",
    "UsageError": "errors",
    "WildcardAddressWarning": "errors",
    "at_least": "stub.times",
    "at_most": "stub.times",
}

__all__ = [
    "ABSENT",
    "ALL_OF",
    "ANY_OF",
    "INCLUDING",
    "NOT",
    "UNORDERED",
    "Attachment",
    "Chunked",
    "ClassServer",
    "ClientCertificate",
    "ClientDisconnected",
    "ConnectionFault",
    "Expectation",
    "Fault",
    "HTTPStub",
    "HTTPStubTestCase",
    "Hold",
    "InvalidResponse",
    "Link",
    "LiveServer",
    "LiveServerTestCase",
    "LiveServerTestCaseError",
    "Outage",
    "Pause",
    "Place",
    "Problem",
    "ReceivedEmail",
    "RecordedRequest",
    "Reply",
    "RequestRecord",
    "SMTPAttempt",
    "SMTPFault",
    "SMTPServer",
    "SMTPSession",
    "SMTPTestCase",
    "ServerAttribute",
    "ServerDied",
    "ServerNotStarted",
    "ServerStartError",
    "ServerStateError",
    "ServerTestCase",
    "ServerThreadError",
    "TLSFacts",
    "UnfinishedWorkWarning",
    "UsageError",
    "WildcardAddressWarning",
    "at_least",
    "at_most",
]


def __getattr__(name: str) -> Any:
    """Load what a name needs when it is first used: a test that talks to no stub does not wait for werkzeug."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
