"""Every exception and warning of the package.

Misuse by a test author is `UsageError`; a server that cannot start is `ServerStartError`; what a server had
to cut when it stopped is `UnfinishedWorkWarning`.  A failed expectation is none of these: it is the test's
own ``failureException``, so that runners count a failure and not an error.
"""

from __future__ import annotations

__all__ = [
    "ClientDisconnected",
    "InvalidResponse",
    "LiveServerTestCaseError",
    "ServerDied",
    "ServerNotStarted",
    "ServerStartError",
    "ServerStateError",
    "ServerThreadError",
    "UnfinishedWorkWarning",
    "UsageError",
    "WildcardAddressWarning",
]


class LiveServerTestCaseError(Exception):
    """The base of every exception that this package raises on its own behalf."""


class UsageError(LiveServerTestCaseError):
    """The test or its class asks for something that cannot be: the message says what to write instead."""


class ServerNotStarted(UsageError, AttributeError):
    """A server was asked for before it runs.

    It is an `AttributeError` too, so that tools that look through a class (collectors,
    ``inspect.getmembers``) pass over the attribute instead of failing.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        # else Python fills these in, and ends the message with "Did you mean: 'stubs'?"
        self.name, self.obj = type(self).__name__, None


class ServerStateError(UsageError):
    """A server cannot make this move from the state it is in; nothing has changed."""


class ServerStartError(LiveServerTestCaseError):
    """A server could not start; ``__cause__`` is the original error, and nothing is left behind."""


class ServerThreadError(LiveServerTestCaseError):
    """A thread of a server ended with an exception, which is ``__cause__``; raised by ``stop()``."""


class ServerDied(LiveServerTestCaseError):
    """The process of a server ended by itself: the message has its exit code or signal, and the last of its output."""


class UnfinishedWorkWarning(ResourceWarning):
    """Work was still going on when the server stopped, and was cut: the message names it."""


class WildcardAddressWarning(UserWarning):
    """A server listens on every interface of this machine, so that other machines can reach it."""


class InvalidResponse(LiveServerTestCaseError, ValueError):
    """An application or a script asked for a response that must not go on the wire."""


class ClientDisconnected(ConnectionError):
    """The client went away, or sent nonsense, while its request's body was read or its response written.

    It reaches an application through ``wsgi.input`` and is not counted against the application.
    """
