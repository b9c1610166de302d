"""Retention, memory and the log, as an operator meets them."""
import json
import time
import unittest

from harness import TemporaryFolder, product, quote, rapport

DAY_SECONDS = 86400
MARK = "Zqxj"  # stands in every personal value; no other word has it


def at(days_ago):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days_ago * DAY_SECONDS))


def started(server):
    return next(json.loads(line) for line in server.lines if '"server.started"' in line)


class RetentionTest(TemporaryFolder):
    def fill(self, server):
        server.put_items([product("old-item"), product("new-item")])
        self.assertEqual(server.post("/v1/identify", {"userId": "u", "messageId": "i", "timestamp": at(900),
                                                      "traits": {"name": "N"}}).status, 200)
        self.assertEqual(server.request("PUT", "/v1/customers/u/consents", {
            "channel": "email", "purpose": "marketing", "given": True, "time": at(900)}).status, 200)
        for number, age in enumerate((900, 800, 500, 10, 1)):
            answer = server.track("u", "Order Completed", "old-item" if age > 400 else "new-item", f"m{number}",
                                  timestamp=at(age))
            self.assertEqual(answer.status, 200, answer)

    def assert_pruned(self, server):
        self.assertEqual([event["messageId"] for event in server.events("u")], ["m4", "m3"])
        kept = server.get("/v1/customers/u/export").json
        text = json.dumps(kept)
        self.assertIn('"marketing"', text)  # the ledger of consents
        self.assertIn('"N"', text)          # the profile
        self.assertNotIn("old-item", text)

    def test_prune_beside_a_server_and_alone(self):
        with self.serve() as server:
            self.fill(server)
            self.assertEqual(len(server.events("u")), 6)
            done = self.run_ok("prune", "--data", self.folder, "--events-days", 400)
            self.assertIn("4 events of 1 customers", done.stdout)
            self.assert_pruned(server)
            server.stop()
        self.assertIn("0 events", self.run_ok("prune", "--data", self.folder, "--events-days", 400).stdout)
        self.run_ok("check", "--data", self.folder)
        self.assertEqual(rapport("prune", "--data", self.folder).returncode, 2)

    def test_the_server_does_it_by_itself(self):
        with self.serve() as server:
            self.fill(server)
            server.stop()
        config = self.write("config.json", '{"retention": {"eventsDays": 400, "decisionsDays": 400}}')
        with self.serve("--config", config) as server:
            line = ""
            while '"retention.done"' not in line:
                line = server.next_line(time.monotonic() + 60)
            self.assertEqual(json.loads(line)["events"], 4)
            self.assert_pruned(server)
            self.assertIn('rapport_retention_removed_total{kind="events"} 4', server.get("/metrics").body.decode())

    def test_memory_is_planned_from_the_machine_and_told(self):
        with self.serve() as server:
            self.assertGreater(started(server)["memoryBytes"], 32 << 20)
        config = self.write("config.json", '{"memoryBytes": 1073741824, "store": {"writeBufferBytes": 2097152}}')
        with self.serve("--config", config) as server:
            self.assertEqual((started(server)["memoryBytes"], started(server)["blockCacheBytes"]), (1 << 30, 1 << 29))
            metrics = server.get("/metrics").body.decode()
            for line in ('rapport_memory_planned_bytes{part="all"} 1073741824',
                         'rapport_memory_planned_bytes{part="block_cache"} 536870912',
                         'rapport_memory_planned_bytes{part="write_buffer"} 2097152'):
                self.assertIn(line, metrics)


class LogTest(TemporaryFolder):
    def everything(self, server):
        """Requests of every kind, each with the mark wherever a person could stand; how many the server took."""
        user, item = f"user {MARK}@shop.example", "item-1"
        server.put_items([product(item)])
        events = [
            ("/v1/identify", {"userId": user, "traits": {"email": user, "name": MARK, MARK: 1}}),
            ("/v1/track", {"userId": user, "event": f"Viewed {MARK}", "properties": {"note": MARK}}),
            ("/v1/track", {"anonymousId": f"anonymous-{MARK}", "event": "Product Viewed", "properties": {"product_id": MARK}}),
            ("/v1/page", {"userId": user, "name": MARK, "properties": {"url": f"https://shop.example/?q={MARK}"}}),
            ("/v1/screen", {"userId": user, "name": MARK}),
            ("/v1/group", {"userId": user, "groupId": MARK}),
            ("/v1/alias", {"userId": user, "previousId": f"before-{MARK}"}),
            ("/v1/batch", {"batch": [{"type": "track", "userId": user, "event": MARK}]}),
            ("/v1/batch", {"batch": [{"type": MARK, "userId": user}]}),
            ("/v1/recommendations", {"customer": {"userId": user}}),
            ("/v1/recommendations", {"customer": {"userId": user}, "filter": f'title = "{MARK}'}),
            ("/v1/rank", {"customer": {"userId": user}, "items": [item, MARK]}),
            ("/v1/decisions", {"customer": {"userId": user}, "contents": [item], "channels": [MARK]}),
            ("/v1/visitors", {"userId": user}),
            ("/v1/visitors", {"anonymousId": MARK}),
            (f"/v1/{MARK}", {"a": MARK}),
            ("/v1/track", f'{{"userId": "{MARK}"'.encode()),
            ("/v1/track", b"\xff\xfe" + MARK.encode()),
            ("/v1/admin/keys", {"scopes": ["events"], "name": MARK}),
            ("/v1/admin/apply", MARK.encode()),
        ]
        taken = sum(server.post(path, body, headers={"X-Request-Id": MARK, "User-Agent": MARK, "Referer": MARK}).status < 300
                    for path, body in events)
        where = quote(user)
        server.request("PUT", f"/v1/customers/{where}/consents",
                       {"channel": "email", "purpose": MARK, "given": True, "source": MARK, "proof": user})
        server.request("PUT", f"/v1/customers/{where}/personalization", {"personalization": "off", MARK: 1})
        for path in (f"/v1/customers/{where}", f"/v1/customers/{where}/events", f"/v1/customers/{where}/export",
                     f"/v1/customers/{MARK}-unknown", f"/v1/items/{MARK}", f"/v1/items?kind={MARK}&{MARK}=1",
                     f"/v1/decisions/{MARK}", f"/{MARK}?{MARK}", f"/v1/models/{MARK}"):
            server.get(path)
            server.get(path, key=MARK)
            server.request(MARK.upper(), path)
        return taken, user

    def test_no_personal_word_reaches_the_log_or_the_metrics(self):
        server = self.serve()
        taken, user = self.everything(server)
        self.assertGreater(taken, 8)
        # Broken twin: what was sent is there, and would be found if it were in the log.
        self.assertIn(MARK, server.get(f"/v1/customers/{quote(user)}/export").body.decode())
        metrics = server.get("/metrics").body.decode()
        self.run_ok("check", "--data", self.folder)
        server.stop()
        text = "".join(server.lines)
        self.assertIn("server.stopped", text)
        for name, words in (("log", text), ("metrics", metrics)):
            found = [line for line in words.splitlines() if MARK.lower() in line.lower()]
            self.assertEqual(found, [], f"personal words in the {name}")
        for line in server.lines:
            self.assertIn("event", json.loads(line))  # every line is an object with a name


if __name__ == "__main__":
    unittest.main()
