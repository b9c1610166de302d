"""Backups from the user's side: made while the server takes writes, found damaged when one byte changed, given back whole."""
import json
import os
import subprocess
import threading
import unittest

from harness import Server, TemporaryFolder, flip, product, rapport


def files_of(folder):
    for at, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(at, name)


class BackupTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.target = self.path("backups")

    def fill(self, server, customers=40):
        server.put_items([product(f"item-{n}") for n in range(20)])
        for n in range(customers):
            answer = server.track(f"user-{n}", "Product Viewed", f"item-{n % 20}", f"message-{n}")
            self.assertEqual(answer.status, 200, answer)

    def backup(self, *options):
        done = self.run_ok("backup", self.target, "--data", self.folder, "--json", *options)
        return json.loads(done.stdout)

    def exported(self, data):
        """Everything that is kept, as text: what a restored store must give back to the byte."""
        out = {}
        for kind in ("events", "items", "profiles"):
            path = self.path("export.jsonl")
            self.run_ok("export", kind, "--data", data, "--out", path)
            with open(path, encoding="utf-8") as file:
                out[kind] = file.read()
            os.remove(path)
        return out

    def test_a_backup_beside_a_writing_server_is_checked_and_restored(self):
        with self.serve() as server:
            self.fill(server)
            stop, sent = threading.Event(), []

            def write():
                while not stop.is_set():
                    message = f"during-{len(sent)}"
                    if server.track("busy", "Product Viewed", "item-1", message).status == 200:
                        sent.append(message)
            writer = threading.Thread(target=write)
            writer.start()
            while len(sent) < 5:
                pass
            before = list(sent)
            report = self.backup()
            stop.set()
            writer.join()
        self.assertTrue(self.run_ok("check", "--data", report["folder"]).stdout.rstrip().endswith(" 0 problems"))
        sums = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=report["folder"], capture_output=True)
        self.assertEqual(sums.returncode, 0, sums.stderr)
        new = self.path("restored")
        self.run_ok("restore", report["folder"], "--data", new)
        with Server(new) as server:
            kept = {event["messageId"] for event in server.events("busy")}
            self.assertLessEqual(set(before), kept)  # acknowledged before the backup began
            self.assertEqual(len(server.events("user-7")), 1)
            self.assertEqual(server.track("user-7", "Product Viewed", "item-3", "later").status, 200)

    def test_a_restored_store_is_the_one_that_was_saved_models_and_keys_too(self):
        self.run_ok("simulate", "--customers", 200, "--items", 100, "--days", 60, "--seed", 3, "--out", self.path("shop"))
        self.run_ok("import", "items", "--data", self.folder, self.path("shop", "items.jsonl"))
        self.run_ok("import", "events", "--data", self.folder, self.path("shop", "events.jsonl"))
        self.run_ok("train", "--data", self.folder, "--activate")
        key = self.run_ok("keys", "create", "--data", self.folder, "--scope", "recommend").stdout.strip()
        saved = self.exported(self.folder)
        report = self.backup()
        new = self.path("restored")
        self.run_ok("restore", report["folder"], "--data", new)
        self.assertEqual(self.exported(new), saved)
        with Server(new) as server:
            self.assertEqual(server.get("/readyz").json["model"]["inService"], True)
            answer = server.post("/v1/recommendations", {"customer": {"userId": "customer-1"}}, key=key)
            self.assertEqual(answer.status, 200, answer)

    def test_one_changed_byte_in_any_file_is_found(self):
        with self.serve() as server:
            self.fill(server)
        report = self.backup()
        files = sorted(files_of(report["folder"]))
        self.assertGreater(len(files), 5)
        for number, path in enumerate(files):
            size = os.path.getsize(path)
            if size == 0:
                continue
            offset = (number * 7919) % size
            flip(path, offset)
            with self.subTest(file=os.path.relpath(path, report["folder"])):
                checked = rapport("check", "--data", report["folder"])
                self.assertEqual(checked.returncode, 1, path)
                restored = rapport("restore", report["folder"], "--data", self.path(f"new-{number}"))
                self.assertEqual(restored.returncode, 1, path)
                self.assertFalse(os.path.exists(self.path(f"new-{number}", "RAPPORT")))
            flip(path, offset)
        self.run_ok("check", "--data", report["folder"])
        os.remove(os.path.join(report["folder"], "secret"))
        self.assertIn("is missing", rapport("check", "--data", report["folder"]).stderr)

    def test_what_did_not_change_is_kept_once_and_old_ones_go(self):
        with self.serve() as server:
            self.fill(server)
        first = self.backup()
        self.assertEqual(first["bytesShared"], 0)
        second = self.backup()
        self.assertGreater(second["bytesShared"], 0)
        full = self.backup("--full")
        self.assertEqual(full["bytesShared"], 0)
        last = self.backup("--keep", 2)
        self.assertEqual(last["removed"], [os.path.basename(first["folder"]), os.path.basename(second["folder"])])
        self.assertEqual(sorted(name for name in os.listdir(self.target) if name != "lock"),
                         [os.path.basename(full["folder"]), os.path.basename(last["folder"])])
        self.run_ok("check", "--data", last["folder"])  # what it shared with removed ones is still there

    def test_what_rotted_in_the_backup_before_is_not_linked(self):
        with self.serve() as server:
            self.fill(server)
        first = self.backup()
        tables = [path for path in files_of(first["folder"]) if path.endswith(".sst")]
        self.assertGreater(len(tables), 2)
        flip(tables[0], 40)
        second = self.backup()
        self.assertGreater(second["bytesShared"], 0)
        self.assertEqual(rapport("check", "--data", first["folder"]).returncode, 1)
        self.run_ok("check", "--data", second["folder"])

    def test_refusals_say_what_to_do(self):
        with self.serve() as server:
            self.fill(server, customers=2)
            report = self.backup()
            over = rapport("restore", report["folder"], "--data", self.folder)
            self.assertEqual(over.returncode, 1)
            self.assertIn("is not empty", over.stderr)
            self.assertEqual(server.track("user-0", "Product Viewed", "item-0", "after").status, 200)
        self.assertIn("the newest in it is", rapport("restore", self.target, "--data", self.path("new")).stderr)
        served = rapport("serve", "--data", report["folder"], timeout=60)
        self.assertEqual(served.returncode, 1)
        self.assertIn("is a backup", served.stderr)
        for inside in (self.folder, os.path.join(self.folder, "backups"), os.path.join(self.folder, "db", "..", "new", "er")):
            self.assertIn("name a folder for backups", rapport("backup", inside, "--data", self.folder).stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "new")))
        # One that was cut off is no backup, and goes with the next.
        partial = os.path.join(self.target, "20200101T000000.000Z.partial")
        os.makedirs(partial)
        self.backup()
        self.assertFalse(os.path.exists(partial))

    def test_the_route_writes_only_into_the_configured_folder(self):
        with self.serve() as server:
            refused = server.post("/v1/admin/backup", {})
            self.assertEqual(refused.status, 409, refused)
            self.assertIn("server.backupFolder", refused.json["detail"])
        config = self.write("config.json", json.dumps({"server": {"backupFolder": self.target, "backupsKept": 2}}))
        with self.serve("--config", config) as server:
            self.fill(server)
            for _ in range(3):
                answer = server.post("/v1/admin/backup", {})
                self.assertEqual(answer.status, 201, answer)
            self.assertEqual(len(answer.json["removed"]), 1)
            self.assertEqual(server.post("/v1/admin/backup", {"folder": "/tmp"}).status, 400)
            self.assertEqual(server.request("POST", "/v1/admin/backup").status, 400)  # a body: {}
            self.assertEqual(server.post("/v1/admin/backup?keep=1", {}).status, 400)
            self.run_ok("check", "--data", answer.json["folder"])


if __name__ == "__main__":
    unittest.main()
