"""A program in a process of its own, which calls the stub."""

import subprocess
import sys
import unittest

from liveserver_testcase import HTTPStubTestCase

PROGRAM = """
import os, requests
print(requests.get(os.environ["API_URL"], timeout=5).json()["greeting"])
"""


class ProgramTest(HTTPStubTestCase):
    stub_tls = True

    def test_it_prints_what_the_api_says(self):
        self.stub.expect("GET", "/v1/greeting").reply(json={"greeting": "hello"})
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=self.stub.environ(API_URL="/v1/greeting"),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        self.assertEqual("hello\n", done.stdout)


if __name__ == "__main__":
    unittest.main()
