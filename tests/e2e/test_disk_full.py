"""A full disk: a clear error and exit 1, nothing acknowledged is lost, and the same import again finishes the work."""
import hashlib
import json
import os
import subprocess

from harness import TemporaryFolder, product, rapport

SMALL_BYTES, ENOUGH_BYTES = 24 << 20, 512 << 20
EVENTS = 60_000


class DiskFullTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.disk = self.path("disk")
        os.makedirs(self.disk)
        mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs", self.disk], capture_output=True).returncode == 0
        if not mounted:
            self.skipTest("skipped: a disk of its own needs root and mount")
        self.addCleanup(subprocess.run, ["umount", self.disk], capture_output=True)

    def fill_up(self):
        """Takes what is left of the disk."""
        with open(os.path.join(self.disk, "filler"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 65536)
            except OSError:
                pass

    def test_a_server_on_a_full_disk_goes_on_reading_and_loses_nothing(self):
        self.folder = os.path.join(self.disk, "store")
        acknowledged = []

        def write(server, number):
            answer = server.track("user", "Product Viewed", "item-1", f"m{number}", properties={"product_id": "item-1",
                                                                                                "note": "x" * 3000})
            if answer.status == 200:
                acknowledged.append(f"m{number}")
            return answer
        with self.serve() as server:
            server.put_items([product("item-1")])
            for number in range(5):
                self.assertEqual(write(server, number).status, 200)
            self.fill_up()
            number, answer = 5, None
            while answer is None or answer.status == 200:
                answer = write(server, number)
                number += 1
                self.assertLess(number, 5000)
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("the disk is full", answer.json["detail"])
            self.assertIn("restart", answer.json["detail"])
            self.assertEqual(server.recommended("user"), ["item-1"])
            self.assertEqual(server.get("/readyz").status, 503)
            os.remove(os.path.join(self.disk, "filler"))
            self.assertEqual(server.stop(), 0)
        with self.serve() as server:
            kept = [event["messageId"] for event in server.events("user")]
            self.assertLessEqual(set(acknowledged), set(kept))
            self.assertEqual(len(kept), len(set(kept)))
            self.assertEqual(write(server, 100000).status, 200)

    def test_a_backup_onto_a_full_disk_leaves_the_older_one_whole(self):
        self.folder = self.path("store")
        with self.serve() as server:
            for number in range(20):
                self.assertEqual(server.track("user", "Product Viewed", "item-1", f"m{number}").status, 200)
        target = os.path.join(self.disk, "backups")
        first = self.run_ok("backup", target, "--data", self.folder).stdout.strip()
        self.fill_up()
        full = rapport("backup", target, "--data", self.folder, "--full")
        self.assertEqual(full.returncode, 1)
        self.assertIn("no backup was made", full.stderr)
        self.assertIn("No space left", full.stderr)
        self.assertEqual(sorted(name for name in os.listdir(target) if name != "lock"), [os.path.basename(first)])
        self.run_ok("check", "--data", first)
        os.remove(os.path.join(self.disk, "filler"))
        self.run_ok("backup", target, "--data", self.folder, "--full")

    def test_an_import_into_a_full_disk_says_so_and_can_be_run_again(self):
        lines = []
        noise = lambda n: "".join(hashlib.sha256(f"{n} {part}".encode()).hexdigest() for part in range(6))
        for n in range(EVENTS):  # that no compression makes fit
            lines.append(json.dumps({"type": "track", "event": "Product Viewed", "userId": f"user-{n % 5000}",
                                     "messageId": f"message-{n}", "timestamp": "2024-05-01T10:00:00Z",
                                     "properties": {"product_id": f"item-{n % 700}", "note": noise(n)}}))
        events = self.path("events.jsonl")
        with open(events, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        store = os.path.join(self.disk, "store")
        full = rapport("import", "events", "--data", store, events)
        self.assertEqual(full.returncode, 1, full.stderr)
        self.assertIn("No space left", full.stderr)
        self.assertIn("run the same import again", full.stderr)
        subprocess.run(["mount", "-o", f"remount,size={ENOUGH_BYTES}", self.disk], check=True)
        again = rapport("import", "events", "--data", store, events, "--json")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(str(EVENTS), again.stdout)
        third = rapport("import", "events", "--data", store, events)
        self.assertIn("0 accepted", third.stdout + third.stderr)
