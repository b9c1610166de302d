"""What signs recommendation ids and visitor tokens changes while the server runs; what was given out yesterday works."""
import json
import os
import signal
import stat
import time
import unittest

from harness import TemporaryFolder, product, rapport

WAIT_SECONDS = 30


class SecretsTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        config = {"server": {"origins": ["https://shop.example"]}}
        self.server = self.serve("--config", self.write("config.json", json.dumps(config)))
        self.server.put_items([product(f"item-{n}") for n in range(40)])
        made = self.run_ok("keys", "create", "--data", self.folder, "--scope", "events,recommend", "--browser")
        self.browser = made.stdout.strip()

    def token(self):
        answer = self.server.post("/v1/visitors", {"userId": "anna"})
        self.assertEqual(answer.status // 100, 2, answer)
        return answer.json["visitor"]

    def page(self, token, **body):
        return self.server.post("/v1/recommendations", {"customer": {"userId": "anna"}, "count": 5, **body},
                                key=self.browser, headers={"X-Rapport-Visitor": token})

    def next_page(self, token, page):
        return self.server.post("/v1/recommendations/next", {"recommendationId": page.json["recommendationId"]},
                                key=self.browser, headers={"X-Rapport-Visitor": token})

    def rotate(self, *options):
        self.run_ok("keys", "rotate-secret", "--data", self.folder, *options)
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + WAIT_SECONDS
        while "signing.rotated" not in (line := self.server.next_line(deadline)):
            self.assertIsNotNone(line)

    def test_yesterdays_tokens_and_lists_go_on(self):
        token = self.token()
        page = self.page(token)
        self.assertEqual(page.status, 200, page)
        shown = {item["itemId"] for item in page.json["items"]}
        self.rotate()
        following = self.next_page(token, page)
        self.assertEqual(following.status, 200, following)
        self.assertFalse(shown & {item["itemId"] for item in following.json["items"]})
        self.assertEqual(self.page(self.token()).status, 200)
        self.rotate()
        self.assertEqual(self.page(token).status, 200, "two rotations later")
        mode = stat.S_IMODE(os.stat(os.path.join(self.folder, "signing.keys")).st_mode)
        self.assertEqual(mode, 0o600)
        # After a restart, too.
        self.assertEqual(self.server.stop(), 0)
        self.server = self.serve("--config", self.path("config.json"))
        self.assertEqual(self.page(token).status, 200)

    def test_after_a_leak_nothing_old_is_taken(self):
        token = self.token()
        page = self.page(token)
        self.rotate("--forget-old")
        self.assertEqual(self.page(token).status, 401)
        fresh = self.token()
        self.assertEqual(self.next_page(fresh, page).status, 400)
        self.assertEqual(self.page(fresh).status, 200)

    def test_a_folder_that_is_none_is_refused(self):
        self.assertEqual(rapport("keys", "rotate-secret", "--data", self.path()).returncode, 1)


if __name__ == "__main__":
    unittest.main()
