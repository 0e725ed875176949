"""Whatever is said to the mail server, it answers, keeps whole mails alone, and goes on."""

from __future__ import annotations

import random
import socket

from tests.integration.mail.clients import MAIL, MailTestCase
from tests.support import HANG

SEED = 20_26
DIALOGUES = 400

SAID = [
    b"EHLO test\r\n",
    b"HELO test\r\n",
    b"MAIL FROM:<a@b.example>\r\n",
    b"MAIL FROM:<> SIZE=10 BODY=8BITMIME RET=FULL\r\n",
    b"mail from:a@b SMTPUTF8\r\n",
    b"RCPT TO:<c@d.example>\r\n",
    b"RCPT TO:<c@d.example> NOTIFY=NEVER\r\n",
    b"DATA\r\n",
    MAIL + b".\r\n",
    b".\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"VRFY x\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n",
    b"AUTH LOGIN\r\n",
    b"YW5u\r\n",
    b"*\r\n",
    b"STARTTLS now\r\n",
    b"BDAT 10 LAST\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe\r\n",
    "é\u202e\r\n".encode(),
    b"x" * 5000 + b"\r\n",
]


WHOLE = b"EHLO test\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + MAIL + b".\r\n"


class NonsenseTest(MailTestCase):
    """Dialogues out of order, cut anywhere and with bytes changed."""

    def make(self, chance: random.Random) -> bytes:
        """One side of a dialogue, with a few bytes wrong."""
        said = bytearray(b"".join(chance.choices([*SAID, *[WHOLE] * 8], k=chance.randrange(1, 25))))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(said))
            said[at : at + chance.randrange(3)] = chance.choice([b"", b"\r\n", b"\0", b"\xc3", b".", b" ", b"\n"])
        return bytes(said)

    def talk(self, said: bytes) -> bytes:
        """Say it all at once, and hear everything that is answered."""
        with socket.create_connection(self.server.address, timeout=HANG) as sock:
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
            heard = b""
            while data := sock.recv(65536):
                heard += data
            return heard

    def test_nonsense(self) -> None:
        """Each answer is one, as many mails are kept as were accepted, and no record has what cannot be printed."""
        self.serve(users={"ann": "secret"})
        chance = random.Random(SEED)
        accepted = 0
        for number in range(DIALOGUES):
            said = self.make(chance)
            heard = self.talk(said)
            for line in heard.split(b"\r\n")[:-1]:
                self.assertRegex(line, rb"^[2345]\d\d[ -]", f"dialogue {number}: {said!r}")
            accepted += heard.count(b"250 2.0.0 Accepted\r\n")
            self.assertEqual(accepted, len(self.server.outbox), f"dialogue {number}: {said!r}")
        self.assertGreater(accepted, DIALOGUES / 4)
        self.assertEqual([], self.server.take_errors())
        for session in self.server.sessions:
            self.assertTrue(session.transcript.replace("\n", "").isprintable())
            self.assertNotIn("AGFubgBzZWNyZXQ=", session.transcript)
        for mail in self.server.outbox:
            self.assertTrue(mail.recipients)
            self.assertTrue(mail.raw.endswith(b"\r\n") or not mail.raw)
        self.server.reset()
        self.send()
        self.assertEqual([MAIL], [mail.raw for mail in self.server.outbox])
