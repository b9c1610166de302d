"""A full disk: a clear error and exit 1, nothing acknowledged is lost, and the same import again finishes the work."""
import json
import os
import subprocess

from harness import TemporaryFolder, rapport

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

    def test_an_import_into_a_full_disk_says_so_and_can_be_run_again(self):
        lines = []
        for n in range(EVENTS):
            lines.append(json.dumps({"type": "track", "event": "Product Viewed", "userId": f"user-{n % 5000}",
                                     "messageId": f"message-{n}", "timestamp": "2024-05-01T10:00:00Z",
                                     "properties": {"product_id": f"item-{n % 700}", "note": f"{n:0400d}"}}))
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
