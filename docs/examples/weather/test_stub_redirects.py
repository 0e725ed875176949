import requests

from liveserver_testcase import HTTPStubTestCase


def log_in(provider, client, password):
    """The code under test: it exchanges a code for a token, and asks who that is."""
    code = requests.get(f"{provider}/authorize", params={"client": client}, timeout=5).json()["code"]
    token = requests.post(
        f"{provider}/token",
        auth=(client, password),
        data={"grant_type": "authorization_code", "code": code},
        timeout=5,
    ).json()["access_token"]
    return requests.get(f"{provider}/me", headers={"Authorization": f"Bearer {token}"}, timeout=5).json()["name"]


class LoginTest(HTTPStubTestCase):
    def test_a_login(self):
        with self.stub.in_order():
            self.stub.expect("GET", "/authorize?client=shop").reply_redirect("/consent?client=shop")
            self.stub.expect("GET", "/consent?client=shop").reply_redirect("/done?code=c-1", 303)
            self.stub.expect("GET", "/done").reply(json={"code": "c-1"})
            self.stub.expect(
                "POST",
                "/token",
                auth=("shop", "secret"),
                form={"grant_type": "authorization_code", "code": "c-1"},
            ).reply(json={"access_token": "t-1"})
            self.stub.expect("GET", "/me", auth="t-1").reply(json={"name": "Ann"})
        self.assertEqual(log_in(self.stub.url, "shop", "secret"), "Ann")

    def test_the_password_does_not_follow_a_redirect_to_another_host(self):
        self.stub.get("/token").reply_redirect("http://127.0.0.2:1/elsewhere")
        with self.assertRaises(requests.ConnectionError):
            requests.get(self.stub.url_for("/token"), auth=("shop", "secret"), timeout=5)
        self.assertRequested("GET", "/token", times=1)
