"""A test that fails, for the tutorial; its report is beside it."""

from liveserver_testcase import LiveServerTestCase


class FailingTest(LiveServerTestCase):
    app = "todo:create_app()"

    def test_what_is_not_there(self):
        answer = self.live.get("/items/7")
        self.assertEqual(answer.status_code, 404)
