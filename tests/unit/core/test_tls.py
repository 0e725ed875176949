"""Certificates: whom they are for, who trusts them, and what is left of them on the disk."""

from __future__ import annotations

import os
import re
import ssl
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from liveserver_testcase.core.tls import LOOPBACK_NAMES, TLS, Certificates, Flaw, TLSFacts, resolve_tls
from liveserver_testcase.errors import ServerStartError, UsageError
from tests.support import NoLeaks, run_python


def do_handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, Any]:
    """Shake hands in memory; the certificate that the client has seen."""
    return meet(server, client, name)[1].getpeercert() or {}


def meet(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Shake hands in memory; both sides of the session."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [theirs, ours]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
        if not waiting:
            return ours, theirs
    raise AssertionError("the handshake does not come to its end")


class CertificatesCase(NoLeaks):
    """An authority, and its two sides."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.certificates = Certificates()

    def verify(self, server: ssl.SSLContext, name: str = "localhost") -> dict[str, Any]:
        """Shake hands with a client that trusts this authority; the certificate that it has seen."""
        return do_handshake(server, self.certificates.client_context(), name)


class TheAuthority(CertificatesCase):
    """`Certificates`."""

    def test_names(self) -> None:
        """One leaf is for all loopback names, and for those on demand, in brackets or not, and for no other."""
        names = {("DNS", "localhost"), ("IP Address", "127.0.0.1"), ("IP Address", "0:0:0:0:0:0:0:1")}
        for name in LOOPBACK_NAMES:
            with self.subTest(name=name):
                self.assertEqual(names, set(self.verify(self.certificates.server_context(), name)["subjectAltName"]))
        server = self.certificates.server_context("shop.example", "[2001:db8::1]")
        for name in (*LOOPBACK_NAMES, "shop.example", "2001:db8::1"):
            self.verify(server, name)
        with self.assertRaisesRegex(ssl.SSLCertVerificationError, "not valid for 'shop.example'"):
            self.verify(self.certificates.server_context(), "shop.example")

    def test_who_trusts_whom(self) -> None:
        """Neither the system's clients nor those of another authority trust it, and its own trust no other."""
        server, client = self.certificates.server_context(), self.certificates.client_context()
        stranger = Certificates()
        for ours, theirs in (
            (server, ssl.create_default_context()),
            (server, stranger.client_context()),
            (stranger.server_context(), client),
        ):
            self.assertRaises(ssl.SSLCertVerificationError, do_handshake, ours, theirs, "localhost")
        strictest = ssl.create_default_context(cafile=self.certificates.ca_file)
        strictest.verify_flags |= ssl.VERIFY_X509_STRICT
        do_handshake(server, strictest, "127.0.0.1")

    def test_one_of_each(self) -> None:
        """Contexts for the same names, or of the same flaw, are one: the second server waits for no key."""
        make = self.certificates.server_context
        found = [make(), make("a.example"), make(flaw="expired")]
        self.assertEqual(3, len(set(found)))
        self.assertEqual(found, [make(), make("a.example"), make(flaw="expired")])
        self.assertIs(Certificates.shared(), Certificates.shared())

    def test_what_cannot_be(self) -> None:
        """A name that fits no certificate, one that is too long for a client's, and an unknown flaw are refused."""
        server, client = self.certificates.server_context, self.certificates.client_certificate
        no_client = "; wanted a text of 1 to 64 characters"
        for make, wanted in (
            (lambda: server("no name"), r"no certificate can be made for 'no name': .+\. Wanted host names or IP .+\."),
            (lambda: server(flaw="old"), "flaw is 'old'; wanted one of 'expired', 'wrong-host', 'untrusted', or None"),  # type: ignore[arg-type]
            *((lambda name=name: client(name), f"a client certificate's name is {name!r}{no_client}")
              for name in ("", "x" * 65, None)),
        ):  # fmt: skip
            with self.subTest(wanted=wanted), self.assertRaisesRegex(UsageError, f"^{wanted}$"):
                make()


class Flaws(CertificatesCase):
    """Certificates that fail on purpose."""

    def test_each_flaw(self) -> None:
        """A client that trusts the authority finds the flaw that was asked for, and no other."""
        found = {
            "expired": "certificate has expired",
            "wrong-host": "certificate is not valid for '127.0.0.1'|IP address mismatch",
            "untrusted": "unable to get local issuer certificate",
        }
        self.assertEqual(set(get_args(Flaw)), set(found))
        for flaw, reason in found.items():
            for name in ("127.0.0.1", "localhost"):
                reason = reason.replace("127.0.0.1", name).replace("IP address", "(IP address|Hostname)")
                with self.subTest(flaw=flaw, name=name), self.assertRaisesRegex(ssl.SSLCertVerificationError, reason):
                    self.verify(self.certificates.server_context(flaw=flaw), name)  # type: ignore[arg-type]
        self.verify(self.certificates.server_context(flaw="wrong-host"), "wrong-host.invalid")  # a good one, for that

    def test_of_an_option(self) -> None:
        """What ``tls=True`` made can have a flaw."""
        tls = resolve_tls(True)
        assert tls is not None
        with self.assertRaisesRegex(ssl.SSLCertVerificationError, "expired"):
            do_handshake(tls.flawed_context("expired"), tls.client_context(), "localhost")


class ClientsOfThem(CertificatesCase):
    """Certificates of clients, and the names that clients ask for."""

    def meet(self, auth: str, name: str | None = "alice") -> TLSFacts:
        """What the server knows of a client that shows a certificate with that name, or none."""
        shown = self.certificates.client_certificate(name) if name else None
        server = self.certificates.server_context(client_auth=auth)  # type: ignore[arg-type]
        return TLSFacts.read(meet(server, self.certificates.client_context(shown), "localhost")[0])

    def test_what_a_server_asks_for(self) -> None:
        """One that requires a certificate talks to nobody else; one that requests it talks to both; else it is none."""
        facts = self.meet("require")
        self.assertEqual("alice", facts.client_name)
        assert facts.client_certificate is not None
        self.assertIn((("commonName", "alice"),), facts.client_certificate["subject"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)peer did not return a certificate"):
            self.meet("require", None)
        self.assertEqual("alice", self.meet("request").client_name)
        for facts in (self.meet("request", None), self.meet("none")):
            self.assertEqual((None, ""), (facts.client_certificate, facts.client_name))

    def test_of_another_authority(self) -> None:
        """A certificate of another authority is not accepted, by a server that merely asks either."""
        stranger = Certificates().client_certificate()
        for auth in ("request", "require"):
            server = self.certificates.server_context(client_auth=auth)  # type: ignore[arg-type]
            with self.subTest(auth=auth), self.assertRaisesRegex(ssl.SSLError, "(?i)certificate verify failed"):
                meet(server, self.certificates.client_context(stranger), "localhost")

    def test_facts(self) -> None:
        """The server's side knows version, cipher and the name asked for; for an address, or none, there is none."""
        server, client = self.certificates.server_context("shop.example"), self.certificates.client_context()
        for name, wanted in (("shop.example", "shop.example"), ("127.0.0.1", ""), (None, "")):
            client.check_hostname = name is not None
            ours, theirs = meet(server, client, name)
            facts = TLSFacts.read(ours)
            self.assertEqual(wanted, facts.server_name)
            self.assertEqual(("TLSv1.3", (theirs.cipher() or [""])[0]), (facts.version, facts.cipher))

    def test_any_name(self) -> None:
        """A server for any name has a leaf for whatever its client asks, and what cannot be certified fails cleanly."""
        server = self.certificates.server_context(any_name=True)
        for name in ("api.example.com", "other.example", "localhost", "127.0.0.1"):
            self.assertTrue(self.verify(server, name))
        self.assertRaises(ssl.SSLCertVerificationError, self.verify, server, "no name")

    def test_the_file(self) -> None:
        """One file holds certificate and key, for this user only; the same name has the same."""
        alice = self.certificates.client_certificate("alice")
        text = Path(alice.file).read_text(encoding="ascii")
        self.assertRegex(text, "(?s)BEGIN (EC )?PRIVATE KEY.+BEGIN CERTIFICATE")
        self.assertEqual(alice, self.certificates.client_certificate("alice"))
        self.assertNotEqual(alice.file, self.certificates.client_certificate("bob").file)
        self.assertEqual("ClientCertificate(name='alice')", repr(alice))
        if os.name == "posix":
            self.assertEqual(0o600, os.stat(alice.file).st_mode & 0o777)


class TheFile(NoLeaks):
    """`Certificates.ca_file`, and what else is on the disk."""

    def test_the_authoritys(self) -> None:
        """It holds the authority's certificate and no key, for this user only; once removed, there is another one."""
        certificates = Certificates()
        path = Path(certificates.ca_file)
        text = path.read_text(encoding="ascii")
        self.assertEqual(1, text.count("-----BEGIN CERTIFICATE-----"))
        self.assertNotIn("PRIVATE", text)
        if os.name == "posix":
            self.assertEqual(0o600, path.stat().st_mode & 0o777)
        self.assertEqual(str(path), certificates.ca_file)
        path.unlink()
        self.assertTrue(os.path.exists(certificates.ca_file))

    def test_no_key_stays_on_the_disk(self) -> None:
        """Making contexts leaves no file at all, asking for `ca_file` leaves that one."""
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(tempfile, "tempdir", directory):
            certificates = Certificates()
            certificates.server_context()
            certificates.client_context()
            self.assertEqual([], os.listdir(directory))
            self.assertEqual([os.path.basename(certificates.ca_file)], os.listdir(directory))

    @unittest.skipUnless(os.path.exists("/proc/self/ns/pid"), "this system does not tell processes apart")
    def test_files_of_a_killed_process_are_removed_by_the_next(self) -> None:
        """A process that is killed leaves its file; the next one that makes one removes it, and no living one's."""
        code = """
            import os, signal
            from liveserver_testcase.core.tls import Certificates
            print(Certificates.shared().ca_file, flush=True)
            """
        alive = Certificates().ca_file
        killed = run_python(f"{code}os.kill(os.getpid(), signal.SIGKILL)\n").stdout.strip()
        self.assertTrue(os.path.exists(killed))

        run_python(code)

        self.assertEqual((False, True), (os.path.exists(killed), os.path.exists(alive)))

    @unittest.skipUnless(hasattr(os, "fork"), "this system does not fork")
    def test_files_are_removed_at_exit(self) -> None:
        """The authority's file, and a client's with its key, go with the process that made them, not with its child."""
        done = run_python(
            """
            import os, sys
            from liveserver_testcase.core.tls import Certificates
            paths = Certificates.shared().ca_file, Certificates.shared().client_certificate().file
            pid = os.fork()
            if not pid:
                sys.exit()
            os.waitpid(pid, 0)
            print(*paths, *map(os.path.exists, paths))
            """
        )
        *paths, first, second = done.stdout.split()
        self.assertEqual(("True", "True", ""), (first, second, done.stderr))
        self.assertEqual([False, False], [os.path.exists(path) for path in paths])


class TheOption(NoLeaks):
    """What `tls=` may be."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def write(self, name: str, data: bytes) -> str:
        path = self.directory / name
        path.write_bytes(data)
        return str(path)

    def write_leaf(self) -> tuple[str, str]:
        """Certificate and key of another authority, in files."""
        leaf = trustme.CA().issue_cert("localhost")
        return self.write("c.pem", leaf.cert_chain_pems[0].bytes()), self.write("k.pem", leaf.private_key_pem.bytes())

    def test_what_it_may_be(self) -> None:
        """None or False, True for a throw-away certificate, the user's own files, which may be a mere leaf."""
        self.assertIsNone(resolve_tls(None))
        self.assertIsNone(resolve_tls(False))
        own = self.write_leaf()
        for option, ca_file, names in (
            (True, Certificates.shared().ca_file, (*LOOPBACK_NAMES, "shop.example")),
            (own, own[0], ("localhost",)),
        ):
            tls = resolve_tls(option, "shop.example")
            assert tls is not None
            self.assertEqual(ca_file, tls.ca_file)
            for name in names:
                do_handshake(tls.context, tls.client_context(), name)

    def test_a_context(self) -> None:
        """A context is used as it is; whom its clients must trust only the user knows, and it stands for no flaw."""
        context = Certificates.shared().server_context()
        tls = resolve_tls(context)
        assert tls is not None
        self.assertEqual((context, None), (tls.context, tls.ca_file))
        for make, wanted in (
            (tls.client_context, "the server has an SSLContext of your own: make the client's context yourself too"),
            (
                lambda: tls.flawed_context("expired"),
                "a certificate with the flaw 'expired' can only stand in for a throw-away one: use tls=True",
            ),
        ):
            with self.subTest(wanted=wanted), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                make()

    def test_client_auth(self) -> None:
        """A server with a throw-away certificate, or with the user's, can ask for the client's: its own shows one."""
        for option in (True, self.write_leaf()):
            tls = resolve_tls(option, client_auth="require")
            assert tls is not None
            with self.subTest(tls=option):
                ours, _ = meet(tls.context, tls.client_context(), "localhost")
                self.assertEqual("client", TLSFacts.read(ours).client_name)
                with self.assertRaises(ssl.SSLError):
                    meet(tls.context, tls.client_context(certificate=False), "localhost")

    def test_what_it_may_not_be(self) -> None:
        """Anything else is refused; clients cannot be asked without TLS, nor through the user's own context."""
        own = Certificates.shared().server_context()
        others = ("cert.pem", 1, ("cert.pem",), ("a", "b", "c"), object())
        for tls, auth, wanted in (
            *(
                (tls, "none", f"tls is {tls!r}; wanted True, (certfile, keyfile) or an ssl.SSLContext")
                for tls in others
            ),
            (None, "require", "client_auth is 'require', but without TLS nobody can be asked: use tls=True"),
            (True, "maybe", "client_auth is 'maybe'; wanted one of 'none', 'request', 'require'"),
            (
                own,
                "request",
                "client_auth is 'request', but the SSLContext is your own: set its verify_mode, and whom it trusts",
            ),
        ):
            with self.subTest(tls=tls, auth=auth), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                resolve_tls(tls, client_auth=auth)  # type: ignore[arg-type]

    def test_files_that_cannot_be_loaded(self) -> None:
        """They are named; for the password of a key nobody is asked at the terminal."""
        wanted = (
            "cannot load certificate '/no/cert' with key '/no/key': [Errno 2] No such file or directory. "
            "Wanted two PEM files, the key without a password."
        )
        with self.assertRaisesRegex(ServerStartError, f"^{re.escape(wanted)}$") as caught:
            resolve_tls(("/no/cert", "/no/key"))
        self.assertIsInstance(caught.exception.__cause__, FileNotFoundError)
        certfile, keyfile = self.write_leaf()
        key = load_pem_private_key(Path(keyfile).read_bytes(), None)
        locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        with self.assertRaisesRegex(ServerStartError, "the key without a password"):
            resolve_tls((certfile, self.write("locked.pem", locked)))

    def test_without_trustme(self) -> None:
        """Where trustme is missing it says what to install; the user's own files need it not."""
        own = self.write_leaf()
        wanted = (
            r"^TLS with a throw-away certificate needs trustme, which cannot be imported \(.+\)\. "
            r"Install liveserver-testcase\[tls\], or give your own \(certfile, keyfile\) or SSLContext\.$"
        )
        with mock.patch.dict(sys.modules, {"trustme": None}):
            with self.assertRaisesRegex(ServerStartError, wanted) as caught:
                Certificates()
            self.assertIsInstance(caught.exception.__cause__, ImportError)
            self.assertIsInstance(resolve_tls(own), TLS)
        done = run_python("import sys, liveserver_testcase.core.tls; print('trustme' in sys.modules)")
        self.assertEqual(("False\n", ""), (done.stdout, done.stderr))
