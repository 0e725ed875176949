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


class TheAuthority(NoLeaks):
    """`Certificates`."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.certificates = Certificates()

    def test_every_loopback_name(self) -> None:
        """One leaf is for ``localhost``, ``127.0.0.1`` and ``::1``, and its authority's client verifies it for each."""
        server, client = self.certificates.server_context(), self.certificates.client_context()
        for name in LOOPBACK_NAMES:
            with self.subTest(name=name):
                names = do_handshake(server, client, name)["subjectAltName"]
                self.assertEqual(
                    {("DNS", "localhost"), ("IP Address", "127.0.0.1"), ("IP Address", "0:0:0:0:0:0:0:1")}, set(names)
                )

    def test_names_on_demand(self) -> None:
        """A leaf can be for more names, and for addresses, in brackets or not."""
        server = self.certificates.server_context("shop.example", "[2001:db8::1]")
        for name in (*LOOPBACK_NAMES, "shop.example", "2001:db8::1"):
            with self.subTest(name=name):
                do_handshake(server, self.certificates.client_context(), name)

    def test_another_name_is_refused(self) -> None:
        """A client that asks for a name the leaf is not for does not get through."""
        with self.assertRaisesRegex(ssl.SSLCertVerificationError, "not valid for 'shop.example'"):
            do_handshake(self.certificates.server_context(), self.certificates.client_context(), "shop.example")

    def test_nobody_else_trusts_it(self) -> None:
        """Neither the system's clients nor those of another authority trust it."""
        server = self.certificates.server_context()
        for name, client in {
            "the system": ssl.create_default_context(),
            "another": Certificates().client_context(),
        }.items():
            with self.subTest(client=name), self.assertRaises(ssl.SSLCertVerificationError):
                do_handshake(server, client, "localhost")

    def test_it_trusts_nobody_else(self) -> None:
        """Its own clients trust no other authority."""
        with self.assertRaises(ssl.SSLCertVerificationError):
            do_handshake(Certificates().server_context(), self.certificates.client_context(), "localhost")

    def test_one_leaf_for_the_same_names(self) -> None:
        """Contexts for the same names are one: the second server waits for no key."""
        self.assertIs(self.certificates.server_context("a.example"), self.certificates.server_context("a.example"))
        self.assertIsNot(self.certificates.server_context(), self.certificates.server_context("a.example"))

    def test_a_name_that_cannot_be(self) -> None:
        """A name that fits no certificate is refused with what is wanted."""
        with self.assertRaisesRegex(
            UsageError, r"^no certificate can be made for 'no name': .+\. Wanted host names or IP addresses\.$"
        ):
            self.certificates.server_context("no name")

    def test_one_authority_a_process(self) -> None:
        """`shared` is the same object each time."""
        self.assertIs(Certificates.shared(), Certificates.shared())

    def test_the_strictest_client_verifies(self) -> None:
        """A client of the standard library with all its checks verifies the leaf by the file alone."""
        client = ssl.create_default_context(cafile=self.certificates.ca_file)
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        do_handshake(self.certificates.server_context(), client, "127.0.0.1")


class Flaws(NoLeaks):
    """Certificates that fail on purpose."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.certificates = Certificates()

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
                    server = self.certificates.server_context(flaw=flaw)  # type: ignore[arg-type]
                    do_handshake(server, self.certificates.client_context(), name)

    def test_the_wrong_host_is_somebody(self) -> None:
        """The leaf for the wrong host is a good one, for that host."""
        server = self.certificates.server_context(flaw="wrong-host")
        do_handshake(server, self.certificates.client_context(), "wrong-host.invalid")

    def test_the_flawless_stay_so(self) -> None:
        """Contexts with and without a flaw are different ones, each made once."""
        self.assertIsNot(self.certificates.server_context(), self.certificates.server_context(flaw="expired"))
        self.assertIs(
            self.certificates.server_context(flaw="expired"), self.certificates.server_context(flaw="expired")
        )

    def test_an_unknown_flaw(self) -> None:
        """Any other flaw is refused with those that there are."""
        wanted = "flaw is 'old'; wanted one of 'expired', 'wrong-host', 'untrusted', or None"
        with self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
            self.certificates.server_context(flaw="old")  # type: ignore[arg-type]

    def test_of_an_option(self) -> None:
        """What ``tls=True`` made has its flawed twin; the user's own has none."""
        tls = resolve_tls(True)
        assert tls is not None
        with self.assertRaisesRegex(ssl.SSLCertVerificationError, "expired"):
            do_handshake(tls.flawed_context("expired"), tls.client_context(), "localhost")
        own = resolve_tls(self.certificates.server_context())
        assert own is not None
        wanted = "a certificate with the flaw 'expired' can only stand in for a throw-away one: use tls=True"
        with self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
            own.flawed_context("expired")


class ClientsOfThem(NoLeaks):
    """Certificates of clients, and the names that clients ask for."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.certificates = Certificates()

    def meet(self, auth: str, name: str | None = "alice") -> TLSFacts:
        """What the server knows of a client that shows a certificate with that name, or none."""
        shown = self.certificates.client_certificate(name) if name else None
        server = self.certificates.server_context(client_auth=auth)  # type: ignore[arg-type]
        return TLSFacts.read(meet(server, self.certificates.client_context(shown), "localhost")[0])

    def test_require(self) -> None:
        """A server that requires one gets the client's, and connections to nobody else."""
        facts = self.meet("require")
        self.assertEqual("alice", facts.client_name)
        assert facts.client_certificate is not None
        self.assertIn((("commonName", "alice"),), facts.client_certificate["subject"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)peer did not return a certificate"):
            self.meet("require", None)

    def test_request(self) -> None:
        """A server that asks connections to both kinds of clients."""
        self.assertEqual("alice", self.meet("request").client_name)
        facts = self.meet("request", None)
        self.assertEqual((None, ""), (facts.client_certificate, facts.client_name))

    def test_none(self) -> None:
        """A server that does not ask is told nothing."""
        self.assertIsNone(self.meet("none").client_certificate)

    def test_of_another_authority(self) -> None:
        """A certificate of another authority is not accepted, by a server that merely asks either."""
        stranger = Certificates().client_certificate()
        for auth in ("request", "require"):
            server = self.certificates.server_context(client_auth=auth)  # type: ignore[arg-type]
            with self.subTest(auth=auth), self.assertRaisesRegex(ssl.SSLError, "(?i)certificate verify failed"):
                meet(server, self.certificates.client_context(stranger), "localhost")

    def test_the_name_that_was_asked_for(self) -> None:
        """The server's side knows the name; for an address, and for no name at all, there is none."""
        server, client = self.certificates.server_context("shop.example"), self.certificates.client_context()
        self.assertEqual("shop.example", TLSFacts.read(meet(server, client, "shop.example")[0]).server_name)
        self.assertEqual("", TLSFacts.read(meet(server, client, "127.0.0.1")[0]).server_name)
        client.check_hostname = False
        self.assertEqual("", TLSFacts.read(meet(server, client, None)[0]).server_name)

    def test_facts(self) -> None:
        """Version and cipher are those of the session."""
        ours, theirs = meet(self.certificates.server_context(), self.certificates.client_context(), "localhost")
        facts = TLSFacts.read(ours)
        self.assertEqual(("TLSv1.3", (theirs.cipher() or [""])[0]), (facts.version, facts.cipher))

    def test_any_name(self) -> None:
        """A server for any name has a leaf for whatever its client asks, and what cannot be certified fails cleanly."""
        server = self.certificates.server_context(any_name=True)
        for name in ("api.example.com", "other.example", "localhost", "127.0.0.1"):
            self.assertTrue(do_handshake(server, self.certificates.client_context(), name))
        with self.assertRaises(ssl.SSLCertVerificationError):
            do_handshake(server, self.certificates.client_context(), "no name")

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

    def test_files_are_removed_at_exit(self) -> None:
        """The key goes with the process."""
        done = run_python(
            """
            from liveserver_testcase.core.tls import Certificates
            print(Certificates.shared().client_certificate().file)
            """
        )
        self.assertEqual((False, ""), (os.path.exists(done.stdout.strip()), done.stderr))

    def test_names_that_cannot_be(self) -> None:
        """A name that is none, or too long for a certificate, is refused."""
        for name in ("", "x" * 65, None):
            wanted = f"a client certificate's name is {name!r}; wanted a text of 1 to 64 characters"
            with self.subTest(name=name), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                self.certificates.client_certificate(name)  # type: ignore[arg-type]


class TheFile(NoLeaks):
    """`Certificates.ca_file`, and what else is on the disk."""

    def test_it_is_one_certificate(self) -> None:
        """The file holds the authority's certificate and no key, for this user only."""
        path = Path(Certificates().ca_file)
        text = path.read_text(encoding="ascii")
        self.assertEqual(1, text.count("-----BEGIN CERTIFICATE-----"))
        self.assertNotIn("PRIVATE", text)
        if os.name == "posix":
            self.assertEqual(0o600, path.stat().st_mode & 0o777)

    def test_it_stays_the_same(self) -> None:
        """Every question has the same answer, until somebody removes the file: then there is another one."""
        certificates = Certificates()
        first = certificates.ca_file
        self.assertEqual(first, certificates.ca_file)
        os.unlink(first)
        self.assertTrue(os.path.exists(certificates.ca_file))

    def test_no_key_stays_on_the_disk(self) -> None:
        """Making contexts leaves no file at all, asking for `ca_file` leaves that one."""
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(tempfile, "tempdir", directory):
            certificates = Certificates()
            certificates.server_context()
            certificates.client_context()
            self.assertEqual([], os.listdir(directory))
            self.assertEqual([os.path.basename(certificates.ca_file)], os.listdir(directory))

    def test_it_is_removed_at_exit(self) -> None:
        """The file goes with the process that made it."""
        done = run_python(
            """
            import os
            from liveserver_testcase.core.tls import Certificates
            path = Certificates.shared().ca_file
            print(path, os.path.exists(path))
            """
        )
        path, existed = done.stdout.split()
        self.assertEqual(("True", False, ""), (existed, os.path.exists(path), done.stderr))

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
    def test_a_forked_child_does_not_remove_it(self) -> None:
        """A child that was forked and exits leaves the file to its parent."""
        done = run_python(
            """
            import os, sys
            from liveserver_testcase.core.tls import Certificates
            path = Certificates.shared().ca_file
            pid = os.fork()
            if not pid:
                sys.exit()
            os.waitpid(pid, 0)
            print(os.path.exists(path))
            """
        )
        self.assertEqual(("True\n", ""), (done.stdout, done.stderr))


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

    def test_none(self) -> None:
        """None and False are no TLS."""
        self.assertIsNone(resolve_tls(None))
        self.assertIsNone(resolve_tls(False))

    def test_true(self) -> None:
        """True is a throw-away certificate of the process's authority, which its own client verifies."""
        tls = resolve_tls(True, "shop.example")
        assert tls is not None
        self.assertEqual(Certificates.shared().ca_file, tls.ca_file)
        for name in (*LOOPBACK_NAMES, "shop.example"):
            do_handshake(tls.context, tls.client_context(), name)

    def test_files(self) -> None:
        """``(certfile, keyfile)`` are the user's own; its client trusts that very certificate, a mere leaf too."""
        leaf = trustme.CA().issue_cert("localhost")
        certfile = self.write("cert.pem", leaf.cert_chain_pems[0].bytes())
        keyfile = self.write("key.pem", leaf.private_key_pem.bytes())
        tls = resolve_tls((certfile, keyfile))
        assert tls is not None
        self.assertEqual(certfile, tls.ca_file)
        do_handshake(tls.context, tls.client_context(), "localhost")

    def test_a_context(self) -> None:
        """A context is used as it is; whom its clients must trust only the user knows."""
        context = Certificates.shared().server_context()
        tls = resolve_tls(context)
        assert tls is not None
        self.assertIs(context, tls.context)
        self.assertIsNone(tls.ca_file)
        wanted = "the server has an SSLContext of your own: make the client's context yourself too"
        with self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
            tls.client_context()

    def test_anything_else(self) -> None:
        """Anything else is refused with what is wanted."""
        for tls in ("cert.pem", 1, ("cert.pem",), ("a", "b", "c"), object()):
            wanted = f"tls is {tls!r}; wanted True, (certfile, keyfile) or an ssl.SSLContext"
            with self.subTest(tls=tls), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                resolve_tls(tls)  # type: ignore[arg-type]

    def test_client_auth(self) -> None:
        """A server with a throw-away certificate, or with the user's, can ask for the client's: its own shows one."""
        leaf = trustme.CA().issue_cert("localhost")
        own = self.write("c.pem", leaf.cert_chain_pems[0].bytes()), self.write("k.pem", leaf.private_key_pem.bytes())
        for option in (True, own):
            tls = resolve_tls(option, client_auth="require")
            assert tls is not None
            with self.subTest(tls=option):
                ours, _ = meet(tls.context, tls.client_context(), "localhost")
                self.assertEqual("client", TLSFacts.read(ours).client_name)
                with self.assertRaises(ssl.SSLError):
                    meet(tls.context, tls.client_context(certificate=False), "localhost")

    def test_client_auth_that_cannot_be(self) -> None:
        """Clients cannot be asked without TLS, nor through a context that is the user's, nor in another way."""
        for tls, auth, wanted in (
            (None, "require", "client_auth is 'require', but without TLS nobody can be asked: use tls=True"),
            (True, "maybe", "client_auth is 'maybe'; wanted one of 'none', 'request', 'require'"),
            (
                Certificates.shared().server_context(),
                "request",
                "client_auth is 'request', but the SSLContext is your own: set its verify_mode, and whom it trusts",
            ),
        ):
            with self.subTest(tls=tls), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                resolve_tls(tls, client_auth=auth)  # type: ignore[arg-type]

    def test_files_that_are_not_there(self) -> None:
        """Files that cannot be read are named."""
        wanted = (
            "cannot load certificate '/no/cert' with key '/no/key': [Errno 2] No such file or directory. "
            "Wanted two PEM files, the key without a password."
        )
        with self.assertRaisesRegex(ServerStartError, f"^{re.escape(wanted)}$") as caught:
            resolve_tls(("/no/cert", "/no/key"))
        self.assertIsInstance(caught.exception.__cause__, FileNotFoundError)

    def test_a_key_with_a_password(self) -> None:
        """A key that wants a password is an error, and nobody is asked for one at the terminal."""
        leaf = trustme.CA().issue_cert("localhost")
        certfile = self.write("cert.pem", leaf.cert_chain_pems[0].bytes())
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        with self.assertRaisesRegex(ServerStartError, "the key without a password"):
            resolve_tls((certfile, self.write("key.pem", locked)))

    def test_without_trustme(self) -> None:
        """Where trustme is missing it says what to install; the user's own files need it not."""
        leaf = trustme.CA().issue_cert("localhost")
        with mock.patch.dict(sys.modules, {"trustme": None}):
            with self.assertRaisesRegex(
                ServerStartError,
                r"^TLS with a throw-away certificate needs trustme, which cannot be imported \(.+\)\. "
                r"Install liveserver-testcase\[tls\], or give your own \(certfile, keyfile\) or SSLContext\.$",
            ) as caught:
                Certificates()
            self.assertIsInstance(caught.exception.__cause__, ImportError)
            certfile = self.write("cert.pem", leaf.cert_chain_pems[0].bytes())
            self.assertIsInstance(resolve_tls((certfile, self.write("key.pem", leaf.private_key_pem.bytes()))), TLS)

    def test_trustme_is_loaded_when_it_is_wanted(self) -> None:
        """Importing the module does not import trustme, which takes its time."""
        done = run_python("import sys, liveserver_testcase.core.tls; print('trustme' in sys.modules)")
        self.assertEqual(("False\n", ""), (done.stdout, done.stderr))
