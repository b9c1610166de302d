"""Decisions about contacts against the real binary: settings and caps survive a restart, training beside the server,
and what a marketer reads afterwards."""
import csv
import io
import json
import os
import time
import unittest

from harness import TemporaryFolder, flip, product, rapport


class DecisionsTest(TemporaryFolder):
    def willing(self, server, user):
        server.post("/v1/identify", {"userId": user, "traits": {"email": f"{user}@example.org", "timezone": "Asia/Kolkata"}})
        answer = server.request("PUT", f"/v1/customers/{user}/consents",
                                {"channel": "email", "purpose": "marketing", "given": True})
        self.assertEqual(answer.status, 200, answer)

    def decide(self, server, user, **more):
        answer = server.post("/v1/decisions", {"customer": {"userId": user}, "items": ["a", "b"], **more})
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def removed(self, decision):
        return {one["reason"] for one in decision["removed"] if one["channel"] == "email"}

    def test_caps_and_settings_survive_a_restart(self):
        with self.serve() as server:
            server.put_items([product("a"), product("b")])
            answer = server.request("PUT", "/v1/limits", {"caps": [{"count": 1, "per": "30d"}], "temperature": 0,
                                                           "exploration": 1e-9})
            self.assertEqual(answer.status, 200, answer)
            self.willing(server, "ada")
            first = self.decide(server, "ada")
            self.assertEqual(first["action"], "send", first)
            self.assertEqual(first["timezone"], "Asia/Kolkata")
            self.assertEqual(server.stop(), 0)
        with self.serve() as server:
            second = self.decide(server, "ada")
            self.assertEqual(second["action"], "nothing", second)
            self.assertIn("frequency-cap", self.removed(second))
            told = server.get("/v1/decisions/" + first["decisionId"]).json
            self.assertEqual(told["decision"]["at"], first["at"])
            self.assertIn("e-mail", told["words"]["customer"]["en"])
            # The customer objects: bound from the next decision.
            server.post("/v1/track", {"userId": "ada", "event": "Email Unsubscribed",
                                      "properties": {"contact_id": first["decisionId"]}})
            self.assertIn("consent-withdrawn", self.removed(self.decide(server, "ada")))

    def test_the_response_model_is_trained_beside_the_server(self):
        with self.serve() as server:
            server.put_items([product("a"), product("b")])
            refused = rapport("train", "--model", "response", "--data", self.folder, timeout=120)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("Email Sent", refused.stderr)
            batch = []
            for u in range(40):
                for n in range(20):
                    contact = f"c-{u}-{n}"
                    hour = 9 if n % 2 else 18
                    base = {"type": "track", "userId": f"u{u}", "properties": {"contact_id": contact, "product_id": "a"}}
                    day = f"2026-0{1 + n // 10}-{1 + 2 * (n % 10):02}"
                    batch.append({**base, "event": "Email Sent", "messageId": contact + "s", "timestamp": f"{day}T{hour:02}:00:00Z"})
                    if (u + n) % 3 == 0:
                        batch.append({**base, "event": "Email Link Clicked", "messageId": contact + "k",
                                      "timestamp": f"{day}T{hour:02}:30:00Z"})
            for at in range(0, len(batch), 1000):
                self.assertEqual(server.post("/v1/batch", {"batch": batch[at:at + 1000]}).status, 200)
            done = rapport("train", "--model", "response", "--data", self.folder, "--activate", "--force", timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("40 customers: 800 contacts, 267 answered", done.stdout)
            models = server.get("/v1/models").json
            active = [model for model in models["models"] if model["kind"] == "response" and model["state"] == "active"]
            self.assertEqual(len(active), 1, models)
            self.assertEqual(models["inService"], 0)  # of content
            self.willing(server, "u1")
            self.assertEqual(self.decide(server, "u1")["responseGeneration"], active[0]["generation"])
            # What is kept of the training does not deny what became of it.
            report = server.get(f"/v1/models/{active[0]['generation']}/report").json
            self.assertEqual({"generation", "activated"} & set(report), set(), report)
            self.assertEqual(server.stop(), 0)
        # Nothing is wrong with it: `check` reads a response model's file as the server does. Broken twin: one bit of it.
        self.assertTrue(self.run_ok("check", "--data", self.folder).stdout.rstrip().endswith("1 models: 0 problems"))
        flip(os.path.join(self.folder, "models", active[0]["file"]), 300)
        checked = rapport("check", "--data", self.folder)
        self.assertEqual(checked.returncode, 1, checked.stdout)
        self.assertIn("2 problems", checked.stdout)  # not the registered bytes, and not readable either
        self.assertIn(active[0]["file"], checked.stdout)

    def test_a_plan_for_many_under_a_budget(self):
        limits, plan = self.path("limits.json"), self.path("plan.csv")
        with self.serve() as server:
            server.put_items([product("a"), product("b"), product("vip", audience=["vip"])])
            for n in range(30):
                self.willing(server, f"u{n}")
            server.post("/v1/track", {"userId": "u3", "event": "Complaint Opened", "properties": {"case_id": "c"}})
            self.assertEqual(server.request("PUT", "/v1/channels", {"channels": [
                {"name": "email", "address": "email", "cost": "0.01"}]}).status, 200)
            with open(limits, "w", encoding="utf-8") as file:
                json.dump({"budgets": [{"name": "may", "amount": "0.1"}]}, file)
            # Beside the running server, on its checkpoint; nothing is kept.
            done = rapport("decide", "--dry-run", "--data", self.folder, "--items", "a,b", "--limits", limits, "--out", plan,
                           timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("may", done.stdout)
            self.assertEqual(self.planned(server, 30), {})
            with open(plan, encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            self.assertEqual(len(rows), 30)
            sent = [row for row in rows if row["itemId"]]
            self.assertEqual(len(sent), 10, "0.1 buys ten e-mails at 0.01")
            self.assertEqual({row["channel"] for row in sent}, {"email"})
            [complains] = [row for row in rows if row["customer"] == "u3"]
            self.assertEqual((complains["itemId"], complains["reason"]), ("", "open-complaint"))
            # Agents' minutes and stock: nothing beyond them, and what they are worth.
            with open(limits, "w", encoding="utf-8") as file:
                json.dump({"quietHours": [{"from": "09:00", "until": "08:00"}], "agents": [
                    {"name": "desk", "minutesPerHour": 4, "channels": [{"channel": "email", "minutesPerContact": 2}]}],
                    "stock": {"items": [{"itemId": "a", "amount": 3}, {"itemId": "b", "amount": 4}]}}, file)
            done = rapport("decide", "--dry-run", "--data", self.folder, "--items", "a,b", "--limits", limits, "--out", plan,
                           timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("stock of a: 3 of 3 used", done.stdout)
            self.assertIn("desk minutes per hour: 14 of 672 used", done.stdout)
            with open(plan, encoding="utf-8", newline="") as file:
                rows = [row for row in csv.DictReader(file) if row["itemId"]]
            self.assertEqual(sorted(row["itemId"] for row in rows), ["a"] * 3 + ["b"] * 4)
            # For an audience to which nobody belongs.
            done = rapport("decide", "--dry-run", "--data", self.folder, "--items", "vip", "--out", plan, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(plan, encoding="utf-8", newline="") as file:
                self.assertEqual({row["reason"] for row in csv.DictReader(file)}, {"content-not-allowed", "open-complaint"})
            # To standard output: the plan and nothing else.
            done = rapport("decide", "--dry-run", "--data", self.folder, "--items", "a", "--out", "-", timeout=60)
            self.assertEqual(len(list(csv.DictReader(io.StringIO(done.stdout)))), 30, done.stdout)
            self.assertIn("customers are written to", done.stderr)
            # Where the plan cannot be written nobody counts as written to.
            done = rapport("decide", "--data", self.folder, "--items", "a", "--out", self.path("no/plan.csv"), timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn("no/plan.csv", done.stderr)
            self.assertEqual(self.planned(server, 30), {})
            wrong = rapport("decide", "--dry-run", "--data", self.folder, "--items", "nowhere", "--out", plan, timeout=60)
            self.assertEqual(wrong.returncode, 2)
            self.assertIn("nowhere", wrong.stderr)
            few = rapport("evaluate", "--data", self.folder, "--policy", "uniform", timeout=60)
            self.assertEqual(few.returncode, 1)
            self.assertIn("/v1/decisions", few.stderr)
            self.assertEqual(server.stop(), 0)

    def planned(self, server, users):
        """Customers with planned contacts, and how many each has."""
        found = {}
        for n in range(users):
            events = server.get(f"/v1/customers/u{n}/events?limit=100").json["events"]
            count = sum(event["event"] == "Contact Planned" for event in events)
            if count:
                found[f"u{n}"] = count
        return found

    def finished(self, server, name):
        while True:
            seen = server.get("/v1/decisions/batch/" + name)
            self.assertEqual(seen.status, 200, seen)
            if seen.json["state"] != "running":
                return seen.json
            time.sleep(0.02)

    def test_a_batch_is_kept_through_the_server_and_without_it(self):
        plan = self.path("plan.csv")
        with self.serve() as server:
            server.put_items([product("a"), product("b")])
            for n in range(20):
                self.willing(server, f"u{n}")
            self.assertEqual(server.request("PUT", "/v1/channels", {"channels": [
                {"name": "email", "address": "email", "cost": "0.01"}]}).status, 200)
            self.assertEqual(server.request("PUT", "/v1/limits", {
                "caps": [{"count": 1, "per": "30d"}], "budgets": [{"name": "may", "amount": "0.05"}]}).status, 200)
            done = rapport("decide", "--data", self.folder, "--items", "a,b", "--name", "may", "--out", plan, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("limits 15", done.stdout)
            with open(plan, encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            sent = {row["customer"]: 1 for row in rows if row["itemId"]}
            self.assertEqual(len(rows), 20)
            self.assertEqual(len(sent), 5)
            self.assertEqual(self.planned(server, 20), sent)
            # The file names each decision as the routes do: what the sending's events are to name.
            for row in rows:
                kept = server.get("/v1/decisions/" + row["decisionId"]).json["decision"]
                self.assertEqual((row["itemId"], row["at"]), (kept.get("itemId", ""), kept.get("at", "")))
            answer = server.post("/v1/decisions/batch", {"name": "june", "items": ["a"], "customers": list(sent)})
            self.assertEqual(answer.status, 202, answer)
            june = self.finished(server, "june")
            self.assertEqual((june["state"], june["sends"]), ("done", 0), june)
            self.assertEqual(june["nothing"], {"frequency-cap": 5})
            self.assertEqual(server.stop(), 0)
        # The same name again, now on the store itself: what is decided stays.
        again = rapport("decide", "--data", self.folder, "--items", "a,b", "--name", "may", "--out", plan, timeout=120)
        self.assertEqual(again.returncode, 0, again.stderr)
        other = rapport("decide", "--data", self.folder, "--items", "a", "--name", "may", "--out", plan, timeout=120)
        self.assertEqual(other.returncode, 1)
        self.assertIn("another request", other.stderr)
        with self.serve() as server:
            self.assertEqual(self.planned(server, 20), sent)
            self.assertEqual(server.get("/v1/decisions/batch/may").json["sends"], 5)
            self.assertEqual(server.stop(), 0)

    def test_a_batch_that_was_killed_goes_on_and_writes_to_nobody_twice(self):
        users = 4000
        question = {"name": "may", "items": ["a", "b"], "limits": {"caps": [], "budgets": [{"name": "m", "amount": "30"}]}}
        with self.serve() as server:
            server.put_items([product("a"), product("b")])
            self.assertEqual(server.request("PUT", "/v1/channels", {"channels": [
                {"name": "email", "address": "email", "cost": "0.01", "consentRequired": False}]}).status, 200)
            for at in range(0, users, 1000):
                self.assertEqual(server.post("/v1/batch", {"batch": [
                    {"type": "identify", "userId": f"u{n}", "traits": {"email": "a@b.example"}}
                    for n in range(at, at + 1000)]}).status, 200)
            self.assertEqual(server.post("/v1/decisions/batch", question).status, 202)
            decided = 0
            while decided == 0:  # the first page is on the disk
                decided = server.get("/v1/decisions/batch/may").json["decided"]
            server.kill()
        with self.serve() as server:
            seen = server.get("/v1/decisions/batch/may").json
            self.assertGreaterEqual(seen["decided"], 1000)
            if seen["state"] == "failed":
                self.assertIn("same name", seen["problem"])
            self.assertEqual(server.post("/v1/decisions/batch", question).status, 202)
            done = self.finished(server, "may")
            self.assertEqual((done["state"], done["decided"]), ("done", users), done)
            self.assertEqual(done["sends"], 3000, "30 buys 3,000 e-mails at 0.01")
            planned = self.planned(server, users)
            self.assertEqual(set(planned.values()), {1})
            self.assertEqual(len(planned), 3000)
            self.assertEqual(server.stop(), 0)

    def test_rooms_and_call_slots_beside_the_server_and_without_it(self):
        rooms = {"places": [{"itemId": "a"}, {"name": "yard", "attributes": {"floor": 0}}],
                 "guests": [{"name": "Ada", "prefer": [{"filter": "itemId = 'a'", "worth": 5}]},
                            {"name": "Bob", "customer": {"userId": "u1"}, "must": "itemId = 'a'"},
                            {"name": "Cyd", "must": "attributes.floor > 3"}]}
        slots = {"contact": {"channel": "call", "slots": [{"name": "later", "at": int(time.time() * 1000) + 86400000}]},
                 "guests": [{"name": "one", "customer": {"userId": "u1"}}]}
        told = {}
        with self.serve() as server:
            server.put_items([product("a", stock=1)])
            self.willing(server, "u1")
            for name, question in (("rooms", rooms), ("slots", slots)):
                with open(self.path(name), "w", encoding="utf-8") as file:
                    json.dump(question, file)
                answer = server.post("/v1/assignments", question)
                self.assertEqual(answer.status, 200, answer)
                told[name] = answer.json
                beside = rapport("assign", "--data", self.folder, self.path(name), "--json", timeout=60)
                self.assertEqual(beside.returncode, 0, beside.stderr)
                self.assertEqual(json.loads(beside.stdout), told[name])
            self.assertEqual(server.stop(), 0)
        self.assertEqual([guest.get("place") for guest in told["rooms"]["guests"]], ["yard", "a", None])
        self.assertEqual(told["slots"]["guests"][0]["forbidden"], [{"reason": "no-consent", "places": 1}])
        for name, answer in told.items():
            alone = rapport("assign", "--data", self.folder, self.path(name), "--json", timeout=60)
            self.assertEqual(alone.returncode, 0, alone.stderr)
            self.assertEqual(json.loads(alone.stdout), answer)
        people = rapport("assign", "--data", self.folder, self.path("rooms"), timeout=60)
        self.assertIn("Bob: a, worth 0; forbidden: must 1\n", people.stdout)
        self.assertIn("Cyd: nothing: nothing-allowed; forbidden: must 2\n", people.stdout)
        self.assertIn("2 of 3 placed", people.stdout)
        with open(self.path("rooms"), "w", encoding="utf-8") as file:
            file.write('{"places":[{"itemId":"gone"}],"guests":[{"name":"Ada"}]}')
        wrong = rapport("assign", "--data", self.folder, self.path("rooms"), timeout=60)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("there is no item 'gone'", wrong.stderr)

    def test_what_another_policy_would_have_earned(self):
        with self.serve() as server:
            server.put_items([product("a"), product("b")])
            limits = {"caps": [], "quietHours": [], "exploration": 0.5, "temperature": 0.05}
            self.assertEqual(server.request("PUT", "/v1/limits", limits).status, 200)
            for n in range(80):
                self.willing(server, f"u{n}")
                for turn in range(8):
                    decision = self.decide(server, f"u{n}")
                    if decision["action"] == "send" and (n + turn) % 3 == 0:
                        server.post("/v1/batch", {"batch": [
                            {"type": "track", "userId": f"u{n}", "event": f"Email {what}", "messageId": f"{what}-{n}-{turn}",
                             "properties": {"contact_id": decision["decisionId"]}} for what in ("Sent", "Replied")]})
            done = rapport("evaluate", "--data", self.folder, "--policy", "logged", "--json", timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            report = json.loads(done.stdout)
            self.assertEqual(report["decisions"], 640)
            # The policy that was in force earns what it has earned.
            self.assertAlmostEqual(report["estimates"]["IPS"]["value"]["value"], report["logged"]["value"], places=9)
            self.assertGreater(report["logged"]["value"], 0)
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
