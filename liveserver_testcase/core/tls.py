"""Throw-away certificates: one authority a process, leaves on demand, for servers and for clients.

Those of a server can be verified, or fail on purpose: see `Flaw`.

How it works: `resolve_tls` makes a `TLS` of a server's ``tls=`` option: the server's context, and the file that its
clients trust.  For ``True`` that comes from `Certificates`, the authority of this process; it is made with the first
certificate and its key is in no file.  A leaf for the same names is made once; the SNI callback of a context keeps the
name that a client asked for, and where a server is for any name it switches to a leaf for that one.

Files are written only where a client needs a path: the authority's certificate, and a client's certificate with its
key, readable for this user alone.  They are removed at exit; their names have the process in them, so that the next
run removes those of one that was killed.  A server in another process is sent its key and certificate as bytes.

This is the only module that imports trustme, which is an extra and loaded with the first certificate.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
import re
import ssl
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from ..errors import ServerStartError, UsageError

if TYPE_CHECKING:
    import trustme

__all__ = [
    "LOOPBACK_NAMES", "TLS", "Certificates", "ClientAuth", "ClientCertificate", "Flaw", "TLSFacts", "check_client_auth",
    "load_server_pem", "resolve_tls",
]  # fmt: skip

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

Flaw: TypeAlias = Literal["expired", "wrong-host", "untrusted"]
"""What a client finds wrong with a server's certificate: its time is over, it is for ``wrong-host.invalid`` and nobody
else, or its authority is not the one that the client trusts."""

ClientAuth: TypeAlias = Literal["none", "request", "require"]
"""Whether a server wants a certificate of its clients: it does not ask, it asks, or it talks to nobody without one."""

_LONG_AGO = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
_PREFIX = "liveserver-testcase-"  # of the names of files
_MOST_CONTEXTS = 1000  # leaves that are kept: a client can ask for any name it likes
_VERIFY = {"none": ssl.CERT_NONE, "request": ssl.CERT_OPTIONAL, "require": ssl.CERT_REQUIRED}


@dataclass(frozen=True)
class ClientCertificate:
    """A client certificate that is signed by the throw-away authority.

    Attributes:
        name: Its common name.
        file: The path of a PEM file with certificate and key, for ``cert=`` and such; removed at exit.
    """

    name: str
    file: str = field(repr=False)


@dataclass(frozen=True)
class TLSFacts:
    """What a TLS handshake agreed on, as the server sees it.

    Attributes:
        version: Such as ``TLSv1.3``.
        cipher: Such as ``TLS_AES_256_GCM_SHA384``.
        server_name: The name that the client asked for (SNI); empty if it named none, as for an address.
        client_certificate: What the client has shown, as `ssl.SSLSocket.getpeercert` has it; None if it showed none.
        client_name: The common name in it; empty if there is none.
    """

    version: str
    cipher: str
    server_name: str = ""
    client_certificate: dict[str, Any] | None = None
    client_name: str = ""

    @classmethod
    def read(cls, session: ssl.SSLSocket | ssl.SSLObject) -> TLSFacts:
        """Read them from a session whose handshake is done."""
        cipher = session.cipher()
        shown: dict[str, Any] | None = session.getpeercert() or None
        names = [value for part in (shown or {}).get("subject", ()) for key, value in part if key == "commonName"]
        return cls(
            session.version() or "", cipher[0] if cipher else "", getattr(session, "asked_name", ""), shown,
            names[0] if names else "",
        )  # fmt: skip


class Certificates:
    """A certificate authority that nobody trusts but the clients that are given its `ca_file`."""

    _shared: Certificates | None = None
    _making = threading.Lock()  # guards _shared

    def __init__(self) -> None:
        try:
            import trustme
        except ImportError as error:
            what = f"TLS with a throw-away certificate needs trustme, which cannot be imported ({error})"
            advice = "Install liveserver-testcase[tls], or give your own (certfile, keyfile) or SSLContext."
            raise ServerStartError(f"{what}. {advice}") from error
        self._authority: trustme.CA = trustme.CA(organization_name="liveserver_testcase throw-away CA")
        self._stranger: trustme.CA | None = None  # whom no client trusts
        self._lock = threading.RLock()  # guards what is above and below
        self._contexts: dict[object, ssl.SSLContext] = {}
        self._files: dict[str, str] = {}

    @classmethod
    def shared(cls) -> Certificates:
        """The authority of this process, made when it is first wanted."""
        with cls._making:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    @classmethod
    def adopt(cls, certificate: bytes, key: bytes) -> None:
        """Have the authority of another process be that of this one; see `to_pem`."""
        cls._shared = made = cls()
        made._authority = type(made._authority).from_pem(certificate, key)

    def to_pem(self) -> tuple[bytes, bytes]:
        """The authority's certificate and its key, for a process that issues certificates itself; see `adopt`."""
        return self._authority.cert_pem.bytes(), self._authority.private_key_pem.bytes()

    @property
    def ca_file(self) -> str:
        """The path of a file with the authority's certificate, for ``verify=`` and such; removed at exit."""
        return self._write("ca", self._authority.cert_pem.bytes)

    def server_context(
        self, *names: str, flaw: Flaw | None = None, client_auth: ClientAuth = "none", any_name: bool = False
    ) -> ssl.SSLContext:
        """A server's context with a leaf for `LOOPBACK_NAMES` and ``names``; no file keeps its key.

        Args:
            names: Host names, or addresses, in brackets or not.
            flaw: What is wrong with the leaf, so that no client that verifies gets through.
            client_auth: Whether clients must show a certificate of this authority, such as `client_certificate`.
            any_name: Whether clients get a leaf for whatever name they ask for (SNI), too.
        """
        check_client_auth(client_auth)
        if flaw is not None and flaw not in get_args(Flaw):
            raise UsageError(f"flaw is {flaw!r}; wanted one of {_list(get_args(Flaw))}, or None")
        wanted = tuple(dict.fromkeys((*LOOPBACK_NAMES, *(name.strip("[]") for name in names))))
        key = (wanted, flaw, client_auth, any_name)
        with self._lock:
            if key in self._contexts:
                return self._contexts[key]
            authority, begins, ends = self._authority, None, None
            if flaw == "untrusted":
                authority = self._stranger = self._stranger or type(authority)(organization_name="somebody else's CA")
            elif flaw == "expired":
                begins, ends = _LONG_AGO, _LONG_AGO + datetime.timedelta(days=365)
            elif flaw == "wrong-host":
                wanted = ("wrong-host.invalid",)
            try:
                leaf = authority.issue_cert(*wanted, not_before=begins, not_after=ends)
            except (TypeError, ValueError) as error:
                extra = ", ".join(map(repr, wanted[len(LOOPBACK_NAMES) :]))
                advice = "Wanted host names or IP addresses."
                raise UsageError(f"no certificate can be made for {extra}: {error}. {advice}") from error
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            leaf.configure_cert(context)
            context.sni_callback = self._answer_any_name if any_name else _note_name
            self.ask_clients(context, client_auth)
            self._contexts[key] = context
            return context

    def _answer_any_name(self, session: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Show a client that asks for ``name`` a leaf for it."""
        _note_name(session, name, context)
        if name and name not in LOOPBACK_NAMES and len(self._contexts) < _MOST_CONTEXTS:
            with contextlib.suppress(UsageError):  # no name that can be certified: it gets what all get
                asks = next(auth for auth, mode in _VERIFY.items() if mode is context.verify_mode)
                session.context = self.server_context(name, client_auth=cast(ClientAuth, asks))

    def ask_clients(self, context: ssl.SSLContext, client_auth: ClientAuth) -> None:
        """Have a server's context ask its clients for a certificate of this authority, as ``client_auth`` says."""
        if client_auth != "none":
            context.verify_mode = _VERIFY[client_auth]
            self._authority.configure_trust(context)

    def server_pem(self, *names: str) -> bytes:
        """Key and certificate of a server as PEM, for a process without this authority; see `load_server_pem`."""
        wanted = dict.fromkeys((*LOOPBACK_NAMES, *(name.strip("[]") for name in names)))
        with self._lock:
            return self._authority.issue_cert(*wanted).private_key_and_cert_chain_pem.bytes()

    def client_certificate(self, name: str = "client") -> ClientCertificate:
        """A certificate that a client can show to a server of this authority; always the same for the same name."""
        if not isinstance(name, str) or not 1 <= len(name) <= 64:  # Source: RFC 5280, ub-common-name
            raise UsageError(f"a client certificate's name is {name!r}; wanted a text of 1 to 64 characters")

        def make() -> bytes:
            return self._authority.issue_cert(common_name=name).private_key_and_cert_chain_pem.bytes()

        return ClientCertificate(name, self._write(f"client {name}", make))

    def client_context(self, certificate: ClientCertificate | None = None) -> ssl.SSLContext:
        """A client's context that trusts this authority and no other, and shows ``certificate`` to who asks for one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        if certificate is not None:
            context.load_cert_chain(certificate.file)
        return context

    def _write(self, what: str, make: Callable[[], bytes]) -> str:
        """The path of a file that only this user can read, made when it is first wanted, or gone."""
        with self._lock:
            path = self._files.get(what)
            if path is None or not os.path.exists(path):
                prefix = f"{_PREFIX}{what.partition(' ')[0]}-"
                handle, path = tempfile.mkstemp(prefix=prefix, suffix=f"-{_process_tag(os.getpid())}.pem")
                atexit.register(_remove, path, os.getpid())
                _remove_files_of_the_dead(os.path.dirname(path))
                with os.fdopen(handle, "wb") as file:
                    file.write(make())
                self._files[what] = path
            return path


def load_server_pem(pem: bytes) -> ssl.SSLContext:
    """A server's context with the key and the certificate that are in ``pem``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(prefix="liveserver-testcase-", suffix=".pem") as file:  # OpenSSL takes no bytes
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    context.sni_callback = _note_name
    return context


@dataclass(frozen=True)
class TLS:
    """What a server needs to speak TLS, and its clients to trust it.

    Attributes:
        context: The server's side.
        ca_file: What a client must trust: the authority's certificate; None for a context that the user made.
        certificates: The authority that the certificate is from; None for one of the user's.
        client_auth: Whether clients are asked for a certificate.
        names: What a throw-away certificate is for, besides the loopback names.
    """

    context: ssl.SSLContext
    ca_file: str | None
    certificates: Certificates | None = None
    client_auth: ClientAuth = "none"
    names: tuple[str, ...] = ()

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """What a client can show if the server asks for a certificate; None if it does not."""
        return Certificates.shared().client_certificate() if self.client_auth != "none" else None

    def client_context(self, *, certificate: bool = True) -> ssl.SSLContext:
        """A client's context that trusts the server's certificate and no other.

        Args:
            certificate: Whether the client shows a certificate of its own where the server asks for one.
        """
        if self.ca_file is None:
            raise UsageError("the server has an SSLContext of your own: make the client's context yourself too")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the user's own may be a mere leaf
        context.load_verify_locations(self.ca_file)
        shown = self.client_certificate if certificate else None
        if shown is not None:
            context.load_cert_chain(shown.file)
        return context

    def flawed_context(self, flaw: Flaw) -> ssl.SSLContext:
        """A server's context whose certificate fails on purpose: every client that verifies it breaks off."""
        if self.certificates is None:
            raise UsageError(
                f"a certificate with the flaw {flaw!r} can only stand in for a throw-away one: use tls=True"
            )
        return self.certificates.server_context(*self.names, flaw=flaw)


def resolve_tls(
    tls: bool | tuple[str, str] | ssl.SSLContext | None,
    *names: str,
    client_auth: ClientAuth = "none",
    any_name: bool = False,
) -> TLS | None:
    """Make of a ``tls=`` option what a server needs.

    Args:
        tls: False or None for none, True for a throw-away certificate, ``(certfile, keyfile)``, or a context.
        names: Host names or addresses that the throw-away certificate is for, besides the loopback ones.
        client_auth: Whether clients must show a certificate of the throw-away authority.
        any_name: Whether the throw-away certificate is for whatever name a client asks for.
    """
    check_client_auth(client_auth)
    if tls is None or tls is False:
        if client_auth != "none":
            raise UsageError(f"client_auth is {client_auth!r}, but without TLS nobody can be asked: use tls=True")
        return None
    if tls is True:
        certificates = Certificates.shared()
        context = certificates.server_context(*names, client_auth=client_auth, any_name=any_name)
        return TLS(context, certificates.ca_file, certificates=certificates, client_auth=client_auth, names=names)
    if isinstance(tls, ssl.SSLContext):
        if client_auth != "none":
            advice = "set its verify_mode, and whom it trusts"
            raise UsageError(f"client_auth is {client_auth!r}, but the SSLContext is your own: {advice}")
        return TLS(tls, None)
    if isinstance(tls, tuple) and len(tls) == 2:
        certfile, keyfile = tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(certfile, keyfile, password="")  # else it asks at the terminal, and waits
        except (OSError, TypeError) as error:
            what = f"cannot load certificate {certfile!r} with key {keyfile!r}: {error}"
            raise ServerStartError(f"{what}. Wanted two PEM files, the key without a password.") from error
        context.sni_callback = _note_name
        if client_auth != "none":
            Certificates.shared().ask_clients(context, client_auth)
        return TLS(context, str(certfile), client_auth=client_auth)
    raise UsageError(f"tls is {tls!r}; wanted True, (certfile, keyfile) or an ssl.SSLContext")


def check_client_auth(client_auth: object) -> None:
    """Refuse what is no `ClientAuth`."""
    if client_auth not in get_args(ClientAuth):
        raise UsageError(f"client_auth is {client_auth!r}; wanted one of {_list(get_args(ClientAuth))}")


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(map(repr, words))


def _note_name(session: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
    """Keep with a session the name that its client asked for; `ssl` does not."""
    session.asked_name = name or ""  # type: ignore[attr-defined]


def _process_tag(pid: int) -> str:
    """Return what names a process for as long as this machine runs; empty where the system has no such name.

    A number alone is given again to other processes, and means another process in each container.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # Source: proc(5), starttime is field 22; a name may have spaces
            started = file.read().rpartition(b")")[2].split()[19].decode()
        return f"{pid}.{started}.{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _remove_files_of_the_dead(folder: str) -> None:
    """Remove the files of processes that were killed, and so could not remove them at their exit."""
    space = _process_tag(os.getpid()).rpartition(".")[2]
    for name in os.listdir(folder) if space else ():
        found = re.fullmatch(rf"{_PREFIX}.*-((\d+)\.\d+\.{space})\.pem", name)
        # else it is somebody else's, or of another container, whose processes cannot be seen
        if found is not None and found[1] != _process_tag(int(found[2])):
            with contextlib.suppress(OSError):  # another user's, or removed meanwhile
                os.unlink(os.path.join(folder, name))


def _remove(path: str, pid: int) -> None:
    """Remove the file, but not from a forked child."""
    if os.getpid() == pid:
        with contextlib.suppress(OSError):
            os.unlink(path)
