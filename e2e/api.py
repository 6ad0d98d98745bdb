"""A client of the Kubernetes API, for what is polled. What people type is done with kubectl."""

import json
import ssl
import urllib.error
import urllib.request


class Api:
    def __init__(self, address: str, token: str):
        self.address = address
        self.headers = {"Authorization": f"Bearer {token}"}
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def text(self, path: str) -> str:
        request = urllib.request.Request(f"{self.address}{path}", headers=self.headers)
        with urllib.request.urlopen(request, context=self.context, timeout=10) as response:
            return response.read().decode()

    def get(self, path: str) -> dict | None:
        """The object at a path, or None where there is none."""
        try:
            return json.loads(self.text(path))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def items(self, path: str) -> list[dict]:
        found = self.get(path)
        return found["items"] if found else []
