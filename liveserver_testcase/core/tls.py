"""Throw-away certificates that a client can verify: one authority a process, leaves on demand.

The only importer of trustme, which is loaded when the first certificate is wanted.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import ssl
import tempfile
import threading
from typing import TYPE_CHECKING

from ..errors import ServerStartError, UsageError

if TYPE_CHECKING:
    import trustme

__all__ = ["LOOPBACK_NAMES", "TLS", "Certificates", "resolve_tls"]

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Certificates:
    """A certificate authority that nobody trusts but the clients that are given its `ca_file`."""

    _shared: Certificates | None = None
    _making = threading.Lock()  # guards _shared

    def __init__(self) -> None:
        try:
            import trustme
        except ImportError as error:
            raise ServerStartError(
                f"TLS with a throw-away certificate needs trustme, which cannot be imported ({error}). "
                "Install liveserver-testcase[tls], or give your own (certfile, keyfile) or SSLContext."
            ) from error
        self._authority: trustme.CA = trustme.CA(organization_name="liveserver_testcase throw-away CA")
        self._lock = threading.Lock()  # guards the two below
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._ca_file: str | None = None

    @classmethod
    def shared(cls) -> Certificates:
        """The authority of this process, made when it is first wanted."""
        with cls._making:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    @property
    def ca_file(self) -> str:
        """The path of a file with the authority's certificate, for ``verify=`` and such; removed at exit."""
        with self._lock:
            if self._ca_file is None or not os.path.exists(self._ca_file):
                handle, path = tempfile.mkstemp(prefix="liveserver-testcase-ca-", suffix=".pem")
                with os.fdopen(handle, "wb") as file:
                    file.write(self._authority.cert_pem.bytes())
                self._ca_file = path
                atexit.register(_remove, path, os.getpid())
            return self._ca_file

    def server_context(self, *names: str) -> ssl.SSLContext:
        """A server's context with a leaf for `LOOPBACK_NAMES` and ``names``; no file keeps its key.

        Raises:
            UsageError: One of the names cannot stand in a certificate.
        """
        wanted = tuple(dict.fromkeys((*LOOPBACK_NAMES, *(name.strip("[]") for name in names))))
        with self._lock:
            context = self._contexts.get(wanted)
            if context is None:
                try:
                    leaf = self._authority.issue_cert(*wanted)
                except (TypeError, ValueError) as error:
                    extra = ", ".join(map(repr, wanted[len(LOOPBACK_NAMES) :]))
                    raise UsageError(
                        f"no certificate can be made for {extra}: {error}. Wanted host names or IP addresses."
                    ) from error
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                leaf.configure_cert(context)
                self._contexts[wanted] = context
            return context

    def client_context(self) -> ssl.SSLContext:
        """A client's context that trusts this authority and no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context


class TLS:
    """What a server needs to speak TLS, and its clients to trust it.

    Attributes:
        context: The server's side.
        ca_file: What a client must trust: the authority's certificate; None for a context that the user made.
    """

    def __init__(self, context: ssl.SSLContext, ca_file: str | None) -> None:
        self.context = context
        self.ca_file = ca_file

    def client_context(self) -> ssl.SSLContext:
        """A client's context that trusts the server's certificate and no other.

        Raises:
            UsageError: The server's context was made by the user: only they know whom to trust.
        """
        if self.ca_file is None:
            raise UsageError("the server has an SSLContext of your own: make the client's context yourself too")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the user's own may be a mere leaf
        context.load_verify_locations(self.ca_file)
        return context


def resolve_tls(tls: bool | tuple[str, str] | ssl.SSLContext | None, *names: str) -> TLS | None:
    """Make of a ``tls=`` option what a server needs.

    Args:
        tls: False or None for none, True for a throw-away certificate, ``(certfile, keyfile)``, or a context.
        names: Host names or addresses that the throw-away certificate is for, besides the loopback ones.

    Raises:
        UsageError: It is none of these.
        ServerStartError: The extra is missing, or the files are no certificate and key.
    """
    if tls is None or tls is False:
        return None
    if tls is True:
        certificates = Certificates.shared()
        return TLS(certificates.server_context(*names), certificates.ca_file)
    if isinstance(tls, ssl.SSLContext):
        return TLS(tls, None)
    if isinstance(tls, tuple) and len(tls) == 2:
        certfile, keyfile = tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(certfile, keyfile, password="")  # else it asks at the terminal, and waits
        except (OSError, TypeError) as error:
            raise ServerStartError(
                f"cannot load certificate {certfile!r} with key {keyfile!r}: {error}. "
                "Wanted two PEM files, the key without a password."
            ) from error
        return TLS(context, str(certfile))
    raise UsageError(f"tls is {tls!r}; wanted True, (certfile, keyfile) or an ssl.SSLContext")


def _remove(path: str, pid: int) -> None:
    """Remove the file, but not from a forked child."""
    if os.getpid() == pid:
        with contextlib.suppress(OSError):
            os.unlink(path)
