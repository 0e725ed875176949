"""Asks a weather service, and sends what it says to subscribers."""

import requests


class Weather:
    def __init__(self, api, key):
        self.api = api
        self.key = key

    def forecast(self, city):
        answer = self.call("GET", f"/v1/cities/{city}/forecast", params={"days": 3})
        return [day["summary"] for day in answer["days"]]

    def subscribe(self, city, email):
        answer = self.call("POST", "/v1/subscriptions", json={"city": city, "email": email, "daily": True})
        return answer["id"]

    def call(self, method, path, **options):
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = requests.request(method, self.api + path, headers=headers, timeout=5, **options)
        answer.raise_for_status()
        return answer.json()
