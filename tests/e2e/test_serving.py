"""A running server: graceful stop, one writer per store, imports and offline commands while it serves."""
import http.client
import json
import os
import threading
import unittest

import durability
from harness import Server, TemporaryFolder, online_retail_folder, product, rapport


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def items(count):
    return [product(f"item-{i}", categories=[f"c{i % 5}"]) for i in range(count)]


def events(users, each):
    return [{"type": "track", "userId": f"user-{u}", "event": "Product Viewed", "messageId": f"m-{u}-{n}",
             "timestamp": f"2024-0{1 + n % 9}-{1 + u % 28:02}T10:00:00Z",
             "properties": {"product_id": f"item-{(u * 7 + n * n) % 40}"}} for u in range(users) for n in range(each)]


class ServingTest(TemporaryFolder):
    def test_a_graceful_stop_finishes_what_it_accepted(self):
        server = self.serve()
        ledger = durability.Ledger()
        stopped = []
        durability.ingest(server, ledger, [0] * durability.WRITERS, 50, lambda: stopped.append(server.stop()))
        self.assertEqual(stopped, [0], server.lines)
        counts = durability.stored_messages(self.folder, self.path("events.jsonl"))
        lost, twice = durability.compare(counts, ledger)
        self.assertEqual((lost, twice), ([], []))
        # Nothing was cut in the middle either: what has no answer was not written or will be sent again.
        with self.serve() as again:
            durability.send_open_again(again, ledger)
            self.assertEqual(again.stop(), 0)
        self.assertEqual(set(durability.stored_messages(self.folder, self.path("events.jsonl"))), ledger.acknowledged)

    def test_a_second_server_on_the_store_is_refused_and_told_why(self):
        first = self.serve()
        second = Server(self.folder, expect_start=False)
        self.addCleanup(second.kill)
        self.assertEqual(second.wait(), 1)
        said = "".join(second.lines)
        self.assertIn(str(first.port), said)  # where the first one listens
        self.assertEqual(first.get("/healthz").status, 200)
        self.assertEqual(first.stop(), 0)
        third = self.serve()  # and when the first has gone, nothing of it is in the way
        self.assertEqual(third.get("/healthz").status, 200)

    def test_a_page_knows_the_click_that_asked_for_it(self):
        """Many at once: every page is of after its own events, which are on the disk when it is answered."""
        server = self.serve()
        server.put_items(items(30))
        wrong, messages = [], []

        def browse(user):
            for n in range(10):
                item, message = f"item-{(user * 7 + n) % 30}", f"c-{user}-{n}"
                page = {"customer": {"userId": f"user-{user}"},
                        "events": [{"type": "track", "event": "Product Viewed", "messageId": message,
                                    "properties": {"product_id": item}}],
                        "placements": [{"name": "unseen", "count": 30, "filter": "NOT viewed"}]}
                answer = server.post("/v1/context", page)
                shown = [one["itemId"] for one in answer.json["placements"][0]["items"]] if answer.status == 200 else []
                if item in shown or len(shown) != 29 - n or answer.json["events"] != {"success": True}:
                    wrong.append((user, n, answer.status, answer.body[:300]))
                messages.append(message)

        threads = [threading.Thread(target=browse, args=(user,)) for user in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        server.kill()  # no time to write anything down
        counts = durability.stored_messages(self.folder, self.path("events.jsonl"))
        self.assertEqual(sorted(counts), sorted(messages))

    def test_a_port_in_use_is_said(self):
        first = self.serve()
        done = rapport("serve", "--data", self.path("other"), "--listen", f"127.0.0.1:{first.port}", timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(first.port), done.stderr + done.stdout)

    def test_readiness_health_metrics_and_the_description(self):
        server = self.serve()
        self.assertEqual(server.get("/healthz", key=None).status, 200)
        self.assertIn(server.get("/readyz", key=None).status, (200, 503))
        server.get("/v1/popular")
        metrics = server.get("/metrics", key=None)
        if metrics.status == 401:
            metrics = server.get("/metrics")
        self.assertIn(b"rapport_requests_total", metrics.body)
        description = server.get("/openapi.json", key=None).json
        self.assertTrue(description["openapi"].startswith("3.1"))
        for path in ("/v1/track", "/v1/batch", "/v1/items", "/v1/recommendations"):
            self.assertIn(path, description["paths"])

    def test_the_operator_key_is_private_and_keys_have_scopes(self):
        server = self.serve()
        mode = os.stat(os.path.join(self.folder, "operator.key")).st_mode & 0o777
        self.assertEqual(mode, 0o600)
        done = self.run_ok("keys", "create", "--data", self.folder, "--scope", "events", "--json")
        key = json.loads(done.stdout)["key"]
        body = {"userId": "u", "event": "Seen", "messageId": "1"}
        self.assertEqual(server.post("/v1/track", body, key=key).status, 200)
        self.assertEqual(server.post("/v1/recommendations", {}, key=key).status, 403)
        self.assertEqual(server.get("/v1/customers/u", key=key).status, 403)
        key_id = json.loads(done.stdout)["id"]
        self.run_ok("keys", "revoke", key_id, "--data", self.folder)
        self.assertEqual(server.post("/v1/track", body, key=key).status, 401)

    def test_import_while_serving_counts_at_once(self):
        server = self.serve()
        self.assertEqual(server.recommended("user-1"), [])
        self.run_ok("import", "items", "--data", self.folder, self.write("items.jsonl", jsonl(items(40))))
        self.run_ok("import", "events", "--data", self.folder, self.write("events.jsonl", jsonl(events(20, 10))))
        self.assertEqual(len(server.events("user-1")), 10)
        seen = {event["properties"]["product_id"] for event in server.events("user-1")}
        unseen = set(server.recommended("user-1", filter="NOT viewed", count=100))
        self.assertEqual(unseen, {f"item-{i}" for i in range(40)} - seen)
        # The same again changes nothing.
        self.run_ok("import", "events", "--data", self.folder, self.path("events.jsonl"))
        self.assertEqual(len(server.events("user-1")), 10)

    def test_offline_commands_work_while_a_server_holds_the_store(self):
        server = self.serve()
        self.run_ok("import", "items", "--data", self.folder, self.write("items.jsonl", jsonl(items(40))))
        self.run_ok("import", "events", "--data", self.folder, self.write("events.jsonl", jsonl(events(60, 12))))
        out = self.path("out.jsonl")
        self.run_ok("export", "events", "--data", self.folder, "--out", out)
        with open(out, encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), 60 * 12)
        self.run_ok("check", "--data", self.folder)
        trained = rapport("train", "--data", self.folder, "--activate", "--json")
        self.assertIn(trained.returncode, (0, 1), trained.stderr)
        self.run_ok("models", "list", "--data", self.folder)
        if trained.returncode == 0:
            answer = server.post("/v1/recommendations", {"customer": {"userId": "user-1"}}).json
            self.assertGreater(answer["generation"], 0)
        self.run_ok("keys", "list", "--data", self.folder)
        self.assertEqual(server.get("/healthz").status, 200)
        self.assertEqual(sorted(name for name in os.listdir(self.folder) if "checkpoint" in name
                                and os.listdir(os.path.join(self.folder, name))), [])

    def test_a_model_can_be_trained_rolled_back_and_put_in_service_again(self):
        server = self.serve()
        server.put_items(items(40))
        self.run_ok("import", "events", "--data", self.folder, self.write("events.jsonl", jsonl(events(80, 12))))
        for _ in range(2):
            self.run_ok("train", "--data", self.folder, "--activate", "--force")
        models = json.loads(self.run_ok("models", "list", "--data", self.folder, "--json").stdout)
        generations = [model["generation"] for model in models["models"]]
        self.assertEqual(len(generations), 2)
        for generation in (generations[0], generations[1], generations[0]):
            self.run_ok("models", "activate", str(generation), "--data", self.folder)
            answer = server.post("/v1/recommendations", {"customer": {"userId": "user-1"}}).json
            self.assertEqual(answer["generation"], generation)

    def test_stop_while_idle_connections_are_open(self):
        server = self.serve()
        idle = [server.connect() for _ in range(5)]
        for connection in idle:
            connection.connect()
        server.request("GET", "/healthz", connection=idle[0])
        self.assertEqual(server.stop(), 0)
        for connection in idle:
            connection.close()

    def test_many_clients_at_once_are_all_answered(self):
        server = self.serve()
        server.put_items(items(40))
        failures = []

        def client(number):
            connection = server.connect()
            for n in range(20):
                try:
                    answer = server.request("POST", "/v1/track", {
                        "userId": f"user-{number}", "event": "Product Viewed", "messageId": str(n),
                        "properties": {"product_id": f"item-{n}"}}, connection=connection)
                    page = server.request("POST", "/v1/recommendations", {
                        "customer": {"userId": f"user-{number}"}, "filter": "NOT viewed", "count": 40}, connection=connection)
                    shown = {item["itemId"] for item in page.json["items"]}
                    # What was acknowledged is in the very next answer.
                    if answer.status != 200 or f"item-{n}" in shown:
                        failures.append((number, n, answer, shown))
                except (OSError, http.client.HTTPException) as error:
                    failures.append((number, n, error))
            connection.close()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_a_browser_key_acts_only_for_its_visitor(self):
        server = self.serve()
        server.put_items(items(5))
        done = self.run_ok("keys", "create", "--data", self.folder, "--browser", "--scope", "events,recommend", "--json")
        key = json.loads(done.stdout)["key"]
        visitor = server.post("/v1/visitors", {"anonymousId": "mine"}).json["visitor"]
        headers = {"X-Rapport-Visitor": visitor}
        mine = {"anonymousId": "mine", "event": "Product Viewed", "messageId": "1", "properties": {"product_id": "item-1"}}
        self.assertEqual(server.post("/v1/track", mine, key=key, headers=headers).status, 200)
        others = {**mine, "anonymousId": "others"}
        self.assertEqual(server.post("/v1/track", others, key=key, headers=headers).status, 403)
        self.assertEqual(server.post("/v1/recommendations", {"customer": {"userId": "boss"}}, key=key,
                                     headers=headers).status, 403)
        self.assertEqual(server.post("/v1/recommendations", {"customer": {"anonymousId": "mine"}}, key=key,
                                     headers=headers).status, 200)
        self.assertEqual(server.request("PUT", "/v1/items", items(1), key=key, headers=headers).status, 403)


class RealShopTest(TemporaryFolder):
    """Online Retail II, both years, through the mapping that ships."""

    ROWS_OF_FILES = (525_461, 541_909)
    OVERLAP = 22_523  # rows that stand in both files

    def imported(self, *files):
        done = self.run_ok("import", "events", "--data", self.folder, "--csv", "--map", "mappings/online_retail_ii.json",
                           "--rejects", self.path("rejects.jsonl"), "--json", *files)
        counts = json.loads(done.stdout)
        self.assertEqual(counts["rowsIn"], counts["accepted"] + counts["duplicates"] + counts["rejected"])
        return counts["rowsIn"], counts["accepted"], counts["duplicates"], counts["rejected"]

    def test_two_years_count_right_and_the_same_again_changes_nothing(self):
        folder = online_retail_folder()
        if folder is None:
            self.skipTest("skipped: no data at ../shared/data/online_retail_ii (or RAPPORT_DATA)")
        files = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.startswith("year")]
        rows = sum(self.ROWS_OF_FILES)
        self.assertEqual(self.imported(*files), (rows, rows - self.OVERLAP, self.OVERLAP, 0))
        # Again, now beside a running server and with the files the other way round.
        with self.serve() as server:
            self.assertEqual(self.imported(*reversed(files)), (rows, 0, rows, 0))
            answer = server.post("/v1/recommendations", {"customer": {"userId": "17850"}, "count": 10}).json
            self.assertEqual(len(answer["items"]), 10)
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
