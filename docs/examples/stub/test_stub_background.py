"""Code that works in the background, webhooks, and moments between a request and its answer."""

import queue
import threading
import unittest

import requests

from liveserver_testcase import HTTPStubTestCase


class Worker:
    """The code under test: sends what it is given from a thread of its own."""

    def __init__(self, url):
        self.url = url
        self.status = "idle"
        self.jobs = queue.Queue()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while (job := self.jobs.get()) is not None:
            self.status = "sending"
            requests.post(f"{self.url}/events", json=job, timeout=5)
            self.status = "idle"

    def close(self):
        self.jobs.put(None)
        self.thread.join()


class BackgroundTest(HTTPStubTestCase):
    def setUp(self):
        super().setUp()
        self.worker = Worker(self.stub.url)
        self.addCleanup(self.worker.close)

    def test_it_is_sent_sooner_or_later(self):
        self.stub.expect("POST", "/events", json={"id": 1}).reply(202)
        self.worker.jobs.put({"id": 1})
        self.stub.wait_until_satisfied()

    def test_what_is_true_while_it_waits_for_the_answer(self):
        hold = self.stub.expect("POST", "/events").hold()
        self.worker.jobs.put({"id": 1})
        request = hold.wait()
        self.assertEqual(({"id": 1}, "sending"), (request.json, self.worker.status))
        hold.reply(202)

    def test_the_other_side_hangs_up(self):
        hold = self.stub.expect("POST", "/events").hold()
        self.worker.work = None
        failures = queue.Queue()

        def call():
            try:
                requests.post(self.stub.url_for("/events"), timeout=5)
            except requests.ConnectionError as error:
                failures.put(error)

        thread = threading.Thread(target=call)
        thread.start()
        hold.wait()
        hold.drop()
        thread.join()
        self.assertEqual(1, failures.qsize())

    def test_an_api_that_calls_back(self):
        received = []

        def accept(request):
            received.append(request.json["callback"])
            return {"job": 7}, 202

        self.stub.expect("POST", "/jobs").reply_with(accept)
        answer = requests.post(self.stub.url_for("/jobs"), json={"callback": "http://127.0.0.1/done"}, timeout=5)
        self.assertEqual(({"job": 7}, ["http://127.0.0.1/done"]), (answer.json(), received))


if __name__ == "__main__":
    unittest.main()
