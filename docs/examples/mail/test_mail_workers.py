"""Mail that leaves from a worker: a thread, a pool, another process."""

import concurrent.futures
import os
import queue
import subprocess
import sys
import threading
import unittest
from pathlib import Path

from mail_worker import send

from liveserver_testcase import SMTPTestCase

WORKER = Path(__file__).with_name("mail_worker.py")


class MailQueue:
    """A worker of its own: what is put into the queue is sent later, by a thread."""

    def __init__(self, host, port):
        self._tasks = queue.Queue()
        self._thread = threading.Thread(target=self._work, args=(host, port), daemon=True)
        self._thread.start()

    def put(self, to, subject):
        self._tasks.put((to, subject))

    def _work(self, host, port):
        while (task := self._tasks.get()) is not None:
            send(host, port, *task)

    def close(self):
        self._tasks.put(None)
        self._thread.join(5)


class WorkerTest(SMTPTestCase):
    def test_a_mail_from_a_queue(self):
        tasks = MailQueue(*self.smtp.addr)
        self.addCleanup(tasks.close)
        tasks.put("ann@example.com", "Welcome")
        self.assertEmailSent(to="ann@example.com", subject="Welcome")  # waits until it is there

    def test_exactly_two(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for number in (1, 2):
                pool.submit(send, *self.smtp.addr, "ann@example.com", f"Part {number}")
        self.assertEmailCount(2, to="ann@example.com")

    def test_nothing_within_a_moment(self):
        tasks = MailQueue(*self.smtp.addr)
        self.addCleanup(tasks.close)
        tasks.put("ann@example.com", "Welcome")
        self.assertNoEmailSent(to="eve@example.com", within=0.1)

    def test_a_worker_in_another_process(self):
        environ = {**os.environ, **self.smtp.environ()}
        subprocess.run([sys.executable, WORKER], env=environ, check=True, timeout=30)
        self.assertEmailSent(subject="From the worker")

    def test_what_the_block_sends(self):
        send(*self.smtp.addr, "ann@example.com", "Before")
        with self.captureEmails() as emails:
            send(*self.smtp.addr, "ann@example.com", "Inside")
        self.assertEqual([mail.subject for mail in emails], ["Inside"])


if __name__ == "__main__":
    unittest.main()
