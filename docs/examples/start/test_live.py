from flask import Flask

from liveserver_testcase import LiveServerTestCase

app = Flask(__name__)


@app.get("/hello")
def hello():
    return "Hello!"


class HelloTest(LiveServerTestCase):
    app = app

    def test_hello(self):
        self.assertEqual("Hello!", self.live.get("/hello").text)
