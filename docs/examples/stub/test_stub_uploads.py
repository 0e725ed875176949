"""Files that the code under test uploads."""

import unittest

import requests

from liveserver_testcase import ANY_OF, Fault, FaultPoint, HTTPStubTestCase


def upload(url, name, content):
    """The code under test."""
    files = {"report": (name, content, "text/csv")}
    return requests.post(f"{url}/reports", data={"year": "2026"}, files=files, timeout=5)


class UploadTest(HTTPStubTestCase):
    def test_what_was_uploaded(self):
        self.stub.expect("POST", "/reports").reply(201)
        upload(self.stub.url, "june.csv", b"a;b\n")
        request = self.assertRequested("POST", "/reports")
        file = request.files["report"]
        self.assertEqual(("june.csv", "text/csv", b"a;b\n"), (file.filename, file.content_type, file.read()))
        self.assertEqual("2026", request.form["year"])

    def test_only_this_upload_is_expected(self):
        name = ANY_OF("june.csv", "july.csv")
        self.stub.expect("POST", "/reports", files={"report": (name, b"a;b\n")}, form={"year": "2026"}).reply(201)
        self.assertEqual(201, upload(self.stub.url, "june.csv", b"a;b\n").status_code)

    def test_one_that_is_too_large_is_refused_before_it_is_read(self):
        self.stub.on("POST", "/reports").reply(413).fail(Fault.NO_READ)
        try:
            self.assertEqual(413, upload(self.stub.url, "june.csv", b"x" * 20_000_000).status_code)
        except requests.ConnectionError:
            pass  # or the client was still sending when the connection ended: be ready for both

    def test_one_that_breaks_off(self):
        self.stub.on("POST", "/reports").fail(Fault.RESET, at=FaultPoint.REQUEST_BODY, after_bytes=1000)
        with self.assertRaises(requests.ConnectionError):
            upload(self.stub.url, "june.csv", b"x" * 20_000_000)


if __name__ == "__main__":
    unittest.main()
