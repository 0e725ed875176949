"""The shortest test of the notebook."""

from liveserver_testcase import LiveServerTestCase


class FirstTest(LiveServerTestCase):
    app = "notes:create_app()"

    def test_the_first_page_leads_to_the_notes(self):
        answer = self.live.get("/", allow_redirects=False)
        self.assertEqual((302, "/notes"), (answer.status_code, answer.headers["Location"]))
