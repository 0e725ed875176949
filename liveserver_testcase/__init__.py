"""Real servers for unittest: an application on a live port, a scripted HTTP API, a mail server.

A test class inherits one or more of `LiveServerTestCase`, `HTTPStubTestCase` and `SMTPTestCase`; their servers run
from ``setUpClass`` to ``tearDownClass``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .cases.base import ServerTestCase as ServerTestCase
    from .cases.class_server import ClassServer as ClassServer
    from .cases.class_server import Problem as Problem
    from .cases.class_server import ServerAttribute as ServerAttribute
    from .cases.django_databases import SharedDatabases as SharedDatabases
    from .cases.live import LiveServerTestCase as LiveServerTestCase
    from .cases.smtp import SMTPTestCase as SMTPTestCase
    from .cases.stub import HTTPStubTestCase as HTTPStubTestCase
    from .core.tls import ClientCertificate as ClientCertificate
    from .core.tls import TLSFacts as TLSFacts
    from .errors import ClientDisconnected as ClientDisconnected
    from .errors import InvalidResponse as InvalidResponse
    from .errors import LiveServerTestCaseError as LiveServerTestCaseError
    from .errors import ServerDied as ServerDied
    from .errors import ServerNotStarted as ServerNotStarted
    from .errors import ServerStartError as ServerStartError
    from .errors import ServerStateError as ServerStateError
    from .errors import ServerThreadError as ServerThreadError
    from .errors import UnfinishedWorkWarning as UnfinishedWorkWarning
    from .errors import UsageError as UsageError
    from .errors import WildcardAddressWarning as WildcardAddressWarning
    from .mail.faults import SMTPFault as SMTPFault
    from .mail.message import Attachment as Attachment
    from .mail.message import Link as Link
    from .mail.message import ReceivedEmail as ReceivedEmail
    from .mail.server import SMTPServer as SMTPServer
    from .mail.session import SMTPAttempt as SMTPAttempt
    from .mail.session import SMTPSession as SMTPSession
    from .stub.expectation import Expectation as Expectation
    from .stub.expectation import at_least as at_least
    from .stub.expectation import at_most as at_most
    from .stub.faults import ConnectionFault as ConnectionFault
    from .stub.faults import Fault as Fault
    from .stub.faults import FaultPoint as FaultPoint
    from .stub.faults import Outage as Outage
    from .stub.hold import Hold as Hold
    from .stub.reply import Reply as Reply
    from .stub.request import RecordedRequest as RecordedRequest
    from .stub.responders import Chunked as Chunked
    from .stub.server import HTTPStub as HTTPStub
    from .stub.stream import Pause as Pause
    from .stub.values import ABSENT as ABSENT
    from .stub.values import ALL_OF as ALL_OF
    from .stub.values import ANY_OF as ANY_OF
    from .stub.values import INCLUDING as INCLUDING
    from .stub.values import NOT as NOT
    from .stub.values import UNORDERED as UNORDERED
    from .stub.websocket import WebSocketConnection as WebSocketConnection
    from .stub.websocket_script import WebSocketExpectation as WebSocketExpectation
    from .stub.websocket_script import WebSocketFault as WebSocketFault
    from .web.live import LiveServer as LiveServer
    from .web.records import RequestRecord as RequestRecord

# The modules, each with those of its names that are public.
_NAMES = {
    "cases.base": "ServerTestCase",
    "cases.class_server": "ClassServer Problem ServerAttribute",
    "cases.django_databases": "SharedDatabases",
    "cases.live": "LiveServerTestCase",
    "cases.smtp": "SMTPTestCase",
    "cases.stub": "HTTPStubTestCase",
    "core.tls": "ClientCertificate TLSFacts",
    "errors": (
        "ClientDisconnected InvalidResponse LiveServerTestCaseError ServerDied ServerNotStarted ServerStartError "
        "ServerStateError ServerThreadError UnfinishedWorkWarning UsageError WildcardAddressWarning"
    ),
    "mail.faults": "SMTPFault",
    "mail.message": "Attachment Link ReceivedEmail",
    "mail.server": "SMTPServer",
    "mail.session": "SMTPAttempt SMTPSession",
    "stub.responders": "Chunked",
    "stub.expectation": "Expectation at_least at_most",
    "stub.faults": "ConnectionFault Fault FaultPoint Outage",
    "stub.hold": "Hold",
    "stub.reply": "Reply",
    "stub.request": "RecordedRequest",
    "stub.server": "HTTPStub",
    "stub.stream": "Pause",
    "stub.values": "ABSENT ALL_OF ANY_OF INCLUDING NOT UNORDERED",
    "stub.websocket": "WebSocketConnection",
    "stub.websocket_script": "WebSocketExpectation WebSocketFault",
    "web.live": "LiveServer",
    "web.records": "RequestRecord",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_MODULES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load what a name needs when it is first used: a test that needs no stub does not wait for one to be loaded."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
