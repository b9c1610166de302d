"""Gorse's own npm client, unchanged, against the real binary: its whole surface."""
import json
import os
import shutil
import subprocess
import unittest

from harness import TemporaryFolder, rapport

HERE = os.path.dirname(os.path.abspath(__file__))
TIME = "2022-08-07T00:26:46Z"


class GorseClientTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        if not shutil.which("node"):
            self.skipTest("no node")
        if not os.path.isdir(os.path.join(HERE, "node_modules", "gorsejs")):
            self.skipTest("no client: run 'npm ci' in tests/e2e")

    def drive(self, server, key):
        done = subprocess.run(["node", os.path.join(HERE, "gorse_client.mjs"), f"http://127.0.0.1:{server.port}", key],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return json.loads(done.stdout)

    def test_the_whole_surface(self):
        server = self.serve()
        made = rapport("keys", "create", "--data", self.folder, "--role", "server")
        self.assertEqual(made.returncode, 0, made.stderr)
        seen = self.drive(server, made.stdout.strip())
        self.users(seen)
        self.items(seen)
        self.feedback(seen)
        self.recommendations(seen)
        self.assertEqual(seen["badFeedback"]["code"], 400)
        bad = server.post("/api/feedback", [{"FeedbackType": "star", "UserId": "bob"}])  # gorsejs hides an error's body
        self.assertIn("ItemId", bad.json["detail"])
        self.assertEqual(seen["wrongKey"]["code"], 401)
        # One store: what came through /api is there for /v1, and the facts stay.
        events = server.events("bob")
        self.assertIn("star", [event["event"] for event in events])
        self.assertIn("Feedback Deleted", [event["event"] for event in events])

    def users(self, seen):
        self.assertEqual(seen["insertUser"], 1)
        self.assertEqual(seen["getUser"], {"UserId": "100", "Labels": ["a", "b", "c"], "Subscribe": None,
                                           "Comment": "comment"})
        self.assertEqual(seen["updateUser"], 1)
        self.assertEqual(seen["getUserUpdated"]["Comment"], "other")
        self.assertEqual(seen["getUserUpdated"]["Labels"], ["a", "b", "c"])
        self.assertEqual(seen["deleteUser"], 1)
        self.assertEqual(seen["getUserDeleted"]["code"], 404)
        self.assertEqual(seen["insertUsers"], 3)
        self.assertEqual([user["UserId"] for user in seen["getUsers"]["Users"]], ["bob", "eve"])
        self.assertEqual([user["UserId"] for user in seen["getUsersNext"]["Users"]], ["kim"])
        self.assertEqual(seen["getUsersNext"]["Cursor"], "")

    def items(self, seen):
        self.assertEqual(seen["upsertItem"], 1)
        self.assertEqual(seen["getItem"], {"ItemId": "100", "IsHidden": True, "Labels": ["a", "b", "c"],
                                           "Categories": ["d", "e"], "Timestamp": TIME, "Comment": "comment"})
        self.assertEqual((seen["insertItemCategory"], seen["deleteItemCategory"], seen["updateItem"]), (1, 1, 1))
        self.assertEqual(seen["getItemUpdated"]["Categories"], ["e", "f"])
        self.assertFalse(seen["getItemUpdated"]["IsHidden"])
        self.assertEqual(seen["getItemUpdated"]["Comment"], "comment")
        self.assertEqual(seen["deleteItem"], 1)
        self.assertEqual(seen["getItemDeleted"]["code"], 404)
        self.assertEqual(seen["upsertItems"], 6)
        listed = [item["ItemId"] for page in ("getItems", "getItemsNext") for item in seen[page]["Items"]]
        self.assertEqual(listed, ["vue", "react", "svelte", "d3", "plotly", "moment"])

    def feedback(self, seen):
        self.assertEqual(seen["insertFeedbacks"], 6)
        self.assertEqual(seen["afterInsertAgain"]["Timestamp"], "2022-02-24T00:00:00Z")  # what is there stays
        self.assertEqual(seen["upsertFeedbacks"], 1)
        self.assertEqual(seen["afterUpsert"]["Timestamp"], "2023-01-01T00:00:00Z")
        pages = [seen["getFeedbacks"], seen["getFeedbacksNext"]]
        triples = [(one["FeedbackType"], one["UserId"], one["ItemId"]) for page in pages for one in page["Feedback"]]
        self.assertEqual(len(triples), 6)
        self.assertEqual(len(set(triples)), 6)
        self.assertEqual(pages[1]["Cursor"], "")
        self.assertEqual([one["ItemId"] for one in seen["getFeedbacksByType"]["Feedback"]], ["moment"])
        self.assertEqual(len(seen["getUserFeedback"]), 3)
        self.assertEqual({one["ItemId"] for one in seen["getUserFeedbackByType"]}, {"vue", "d3"})
        self.assertEqual({one["UserId"] for one in seen["getItemFeedback"]}, {"bob", "eve"})
        self.assertEqual(len(seen["getItemFeedbackByType"]), 2)
        self.assertEqual(seen["deleteFeedback"], {"RowAffected": 1})
        self.assertEqual(seen["afterDelete"]["code"], 404)
        self.assertEqual(seen["insertAfterDelete"], 1)
        self.assertEqual(seen["afterInsertAfterDelete"]["Timestamp"], "2024-05-05T00:00:00Z")

    def recommendations(self, seen):
        self.assertTrue(all(set(one) == {"Id", "Score"} for one in seen["getPopular"]))
        self.assertEqual(len(seen["getPopular"]), 3)
        self.assertEqual({one["Id"] for one in seen["getPopularOfCategory"]}, {"vue", "react", "svelte"})
        latest = [one["Id"] for one in seen["getLatest"] + seen["getLatestNext"]]
        self.assertEqual(len(set(latest)), 4)
        shown = seen["getRecommend"]
        self.assertTrue(shown)
        self.assertFalse({"vue", "d3", "moment"} & set(shown), shown)  # bob has feedback on these
        self.assertEqual(seen["getRecommendOffset"], shown[1:])
        self.assertEqual(set(seen["getRecommendOfCategory"]), {"react", "svelte"})
        back = seen["getRecommendWriteBack"]
        self.assertEqual(len(back), 2)
        self.assertEqual({one["ItemId"] for one in seen["writtenBack"]}, set(back))
        self.assertFalse(set(back) & set(seen["getRecommendAfter"]))
        self.assertTrue(all(one["Id"] != "vue" for one in seen["getSessionRecommend"]))
        self.assertEqual(len(seen["getSessionRecommend"]), 3)
        self.assertIsInstance(seen["getItemNeighbors"], list)
        self.assertEqual(seen["getUserNeighbors"][0]["Id"], "eve")


if __name__ == "__main__":
    unittest.main()
