"""Factors out and in: the example of docs/MODELS.md as it stands there, the round trip, and what is refused."""
import collections
import json
import os
import re
import subprocess
import sys
import unittest

from harness import ROOT, TemporaryFolder, rapport

MARKED = re.compile(r"<!-- factors:begin -->\s*```python\n(.*?)```\s*<!-- factors:end -->", re.DOTALL)


class FactorsTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.run_ok("simulate", "--customers", "400", "--items", "150", "--days", "120", "--seed", "3",
                    "--out", self.path("shop"))
        for kind in ("items", "profiles", "events"):
            self.run_ok("import", kind, "--data", self.folder, self.path("shop", f"{kind}.jsonl"))

    def train_elsewhere(self):
        self.run_ok("export", "events", "--data", self.folder, "--out", self.path("events.jsonl"))
        with open(os.path.join(ROOT, "docs", "MODELS.md"), encoding="utf-8") as file:
            [example] = MARKED.findall(file.read())
        done = subprocess.run([sys.executable, "-c", example], cwd=self.temporary, stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return self.path("factors.jsonl")

    def test_the_example_trains_elsewhere_passes_the_gate_and_serves(self):
        file = self.train_elsewhere()
        done = self.run_ok("models", "import", file, "--data", self.folder, "--activate", "--json")
        report = json.loads(done.stdout)
        self.assertTrue(report["foreignFactors"])
        self.assertTrue(report["accepted"])
        self.assertEqual([model["name"] for model in report["judged"]], ["candidate", "popular", "recent"])
        self.assertGreater(report["judgedCustomers"], 30)
        with open(self.path("events.jsonl"), encoding="utf-8") as events:
            users = collections.Counter(row["userId"] for row in map(json.loads, events) if "userId" in row)
        with self.serve() as server:
            regular = users.most_common(1)[0][0]
            answer = server.post("/v1/recommendations", {"customer": {"userId": regular}, "explain": True})
            self.assertEqual(answer.json["generation"], report["generation"])
            self.assertEqual(answer.json["level"], "personal")
            # The same beside the server, which then holds two generations.
            again = self.run_ok("models", "import", file, "--data", self.folder, "--json")
            self.assertEqual(json.loads(again.stdout)["generation"], report["generation"] + 1)
            out = self.path("out.jsonl")
            self.run_ok("models", "export", out, "--data", self.folder)
            self.assertEqual(server.stop(), 0)
        with open(out, encoding="utf-8") as exported:
            head = json.loads(exported.readline())
            self.assertEqual(head["factors"], 32)
            self.assertEqual(head["items"], len(exported.readlines()))

    def test_a_round_trip_keeps_every_bit(self):
        self.run_ok("train", "--data", self.folder, "--rank", "8", "--epochs", "3", "--activate", "--force")
        first, second = self.path("first.jsonl"), self.path("second.jsonl")
        self.run_ok("models", "export", first, "--data", self.folder)
        refused = rapport("models", "import", first, "--data", self.folder)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("train them on events before", refused.stderr)
        self.run_ok("models", "import", first, "--data", self.folder, "--activate", "--force")
        self.run_ok("models", "export", second, "--data", self.folder)
        with open(first, "rb") as a, open(second, "rb") as b:
            self.assertEqual(sorted(a.readlines()[1:]), sorted(b.readlines()[1:]))

    def test_bad_files_are_refused_and_nothing_changes(self):
        with open(self.train_elsewhere(), encoding="utf-8") as file:
            lines = file.readlines()
        cases = {"truncated": (lines[:-3], "ends after"), "not json": (["{" + lines[0]] + lines[1:], "line 1"),
                 "nan": ([lines[0], re.sub(r"\[[^,]+", "[NaN", lines[1])] + lines[2:], "line 2"),
                 "twice": (lines[:-1] + [lines[1]], "twice"),
                 "unknown": (lines[:-1] + [lines[-1].replace("item-", "thing-")], "not known here"),
                 "shape": ([lines[0].replace('"factors": 32', '"factors": 31')] + lines[1:], "31 numbers"),
                 "weight": ([lines[0].replace('"regularization": 0.01', '"regularization": 0')] + lines[1:], "regularization"),
                 "empty": ([], "empty")}
        for name, (content, says) in cases.items():
            with self.subTest(name):
                done = rapport("models", "import", self.write("bad.jsonl", "".join(content)), "--data", self.folder)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
        one_less = [lines[0].replace(f'"items": {len(lines) - 1}', f'"items": {len(lines) - 2}')] + lines[1:-1]
        done = rapport("models", "import", self.write("less.jsonl", "".join(one_less)), "--data", self.folder)
        self.assertIn("have no factor", done.stderr)
        self.run_ok("models", "import", self.path("less.jsonl"), "--data", self.folder, "--partial")
        models = json.loads(self.run_ok("models", "list", "--data", self.folder, "--json").stdout)["models"]
        self.assertEqual(len(models), 1)

    def test_drift_is_told_on_demand_and_after_a_training(self):
        nothing = rapport("models", "drift", "--data", self.folder)
        self.assertEqual(nothing.returncode, 1)
        self.assertIn("no model is in service", nothing.stderr)
        self.run_ok("models", "import", self.train_elsewhere(), "--data", self.folder, "--activate", "--force")
        done = self.run_ok("models", "drift", "--data", self.folder, "--json")
        self.assertIn("too little", json.loads(done.stdout)["words"])
        report = json.loads(self.run_ok("train", "--data", self.folder, "--json", "--force").stdout)
        self.assertIn("overlap20", report["drift"])


if __name__ == "__main__":
    unittest.main()
