"""Segment's official Node client, unchanged, against the real binary; after its alias the merged history counts at once."""
import json
import os
import shutil
import subprocess
import threading
import unittest

from harness import TemporaryFolder, product

HERE = os.path.dirname(os.path.abspath(__file__))


class SegmentClientTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        if not shutil.which("node"):
            self.skipTest("no node")
        if not os.path.isdir(os.path.join(HERE, "node_modules", "@segment", "analytics-node")):
            self.skipTest("no client: run 'npm ci' in tests/e2e")

    def next_step(self, client, name):
        line = client.stdout.readline()
        if not line:
            self.fail("the client ended early: " + client.stderr.read().decode(errors="replace"))
        seen = json.loads(line)
        self.assertEqual(seen["step"], name)
        self.assertEqual(seen["errors"], [])
        return seen

    def names(self, server):
        return sorted(event["event"] for event in server.events("user-7"))

    def test_all_calls_arrive_and_alias_merges_at_once(self):
        server = self.serve()
        server.put_items([product(name) for name in ("teapot", "cup", "tray", "kettle")])
        client = subprocess.Popen(
            ["node", os.path.join(HERE, "segment_client.mjs"), f"http://127.0.0.1:{server.port}", server.key],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        deadline = threading.Timer(120, client.kill)  # a client that hangs fails the test instead of holding it up
        deadline.start()
        self.addCleanup(deadline.cancel)
        seen = self.next_step(client, "before-alias")
        self.assertEqual(len(seen["messageIds"]), 9)
        self.assertGreaterEqual(len(seen["requests"]), 2)

        # Before alias: the visitor and the user are two people.
        self.assertEqual(self.names(server), ["Emoji 茶 🍵 Sipped", "Group", "Identify", "Order Completed", "Screen"])
        unseen = server.recommended("user-7", filter="NOT viewed")
        self.assertIn("cup", unseen)
        self.assertIn("kettle", unseen)

        client.stdin.write(b"go on\n")
        client.stdin.flush()
        seen = self.next_step(client, "after-alias")
        self.assertEqual(len(seen["messageIds"]), 10)

        # The very next request: one person, with both histories.
        unseen = server.recommended("user-7", filter="NOT viewed")
        self.assertNotIn("cup", unseen)
        self.assertNotIn("teapot", unseen)
        self.assertIn("kettle", unseen)
        events = server.events("user-7")
        stored = [event["messageId"] for event in events]
        self.assertEqual(len(stored), len(set(stored)))
        self.assertEqual(self.names(server), ["Emoji 茶 🍵 Sipped", "Group", "Identify", "Order Completed", "Page",
                                              "Product Added", "Product Viewed", "Product Viewed", "Screen"])
        profile = server.get("/v1/customers/user-7").json
        self.assertEqual(profile["traits"]["plan"], "gold")
        self.assertEqual(profile["traits"]["age"], 36)
        self.assertEqual(client.wait(timeout=60), 0)

    def test_a_wrong_key_is_an_error_that_the_client_sees(self):
        server = self.serve()
        script = """
            import { Analytics } from '@segment/analytics-node'
            const analytics = new Analytics({ writeKey: 'wrong', host: process.argv[1], path: '/v1/batch', maxRetries: 0 })
            const errors = []
            analytics.on('error', (error) => errors.push(error.code))
            analytics.track({ userId: 'u', event: 'Seen' })
            await analytics.closeAndFlush()
            console.log(JSON.stringify(errors))
        """
        done = subprocess.run(["node", "--input-type=module", "-e", script, f"http://127.0.0.1:{server.port}"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=HERE, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(json.loads(done.stdout)), 1, done.stdout)
        self.assertEqual(server.get("/v1/customers/u").status, 404)


if __name__ == "__main__":
    unittest.main()
