import ftplib
import io
import tempfile
import threading
import unittest

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer as Engine

from liveserver_testcase import ClassServer, ServerAttribute, ServerTestCase


class FTPServer:
    """An FTP server in a thread: all that a class server needs is ``start()`` and ``stop()``."""

    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        authorizer = DummyAuthorizer()
        authorizer.add_user("ann", "secret", self.folder.name, perm="elradfmw")
        handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
        self.loop = IOLoop()
        self.engine = Engine(("127.0.0.1", 0), handler, self.loop)
        self.host, self.port = self.engine.address
        self.thread = threading.Thread(target=self.serve, name=f"ftp {self.host}:{self.port}", daemon=True)
        self.thread.start()

    def serve(self):
        self.running = True
        while self.running:
            self.engine.serve_forever(timeout=0.01, blocking=False)

    def stop(self):
        self.running = False
        self.thread.join(5)
        self.engine.close_all()
        self.folder.cleanup()


class FTPTestCase(ServerTestCase):
    """A mixin like the library's own: it combines with them in one class."""

    ftp: ServerAttribute[FTPServer] = ServerAttribute()

    @classmethod
    def class_servers(cls):
        return [*super().class_servers(), ClassServer("ftp", FTPServer)]


class UploadTest(FTPTestCase):
    def test_what_is_uploaded_can_be_listed(self):
        with ftplib.FTP() as client:
            client.connect(self.ftp.host, self.ftp.port, timeout=5)
            client.login("ann", "secret")
            client.storbinary("STOR note.txt", io.BytesIO(b"hello"))
            self.assertEqual(client.nlst(), ["note.txt"])


if __name__ == "__main__":
    unittest.main()
