"""Every command's help, exit codes and messages: 0 done, 1 failed, 2 wrong use."""
import json
import os
import unittest

from harness import TemporaryFolder, product, rapport

COMMANDS = [["serve"], ["import"], ["export"], ["train"], ["evaluate"], ["models", "list"], ["models", "show"],
            ["models", "activate"], ["keys", "create"], ["keys", "list"], ["keys", "revoke"], ["simulate"], ["check"]]


class CommandsTest(TemporaryFolder):
    def test_help_has_an_example_and_exits_with_0(self):
        for command in COMMANDS:
            with self.subTest(" ".join(command)):
                done = rapport(*command, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("rapport " + command[0], done.stdout)
                self.assertIn("--data" if command[0] != "simulate" else "--out", done.stdout)
        self.assertEqual(rapport("--help").returncode, 0)
        version = rapport("--version")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout, r"\d+\.\d+\.\d+")

    def test_wrong_use_exits_with_2_and_says_so(self):
        cases = [[], ["dance"], ["serve"], ["serve", "--data"], ["serve", "--data", self.folder, "--listen", "nowhere"],
                 ["import"], ["import", "dreams", "--data", self.folder, "x"], ["export", "events", "--data", self.folder],
                 ["train", "--data", self.folder, "--rank", "many"], ["train", "--data", self.folder, "--rank", "-3"],
                 ["train", "--data", self.folder, "--solver", "cg"], ["evaluate", "--data", self.folder, "--solver", "cg"],
                 ["simulate"], ["simulate", "--out", self.path("s"), "--customers", "0"],
                 ["keys", "create", "--data", self.folder, "--scope", "everything"], ["serve", "--data", self.folder, "--what"],
                 ["evaluate", "--data", self.folder, "--task", "guess"],
                 ["evaluate", "--data", self.folder, "--protocol", "guess"]]
        for arguments in cases:
            with self.subTest(" ".join(arguments)):
                done = rapport(*arguments, timeout=60)
                self.assertEqual(done.returncode, 2, f"{done.stdout}\n{done.stderr}")
                self.assertTrue(done.stderr.strip())
        self.assertFalse(os.path.exists(self.folder), "wrong use must not make a store")

    def test_failures_exit_with_1_and_name_what_is_missing(self):
        cases = [["check", "--data", self.folder], ["train", "--data", self.folder], ["models", "list", "--data", self.folder],
                 ["export", "events", "--data", self.folder, "--out", self.path("out")],
                 ["keys", "list", "--data", self.folder]]
        for arguments in cases:
            with self.subTest(" ".join(arguments)):
                done = rapport(*arguments)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(self.folder, done.stderr)
        self.assertFalse(os.path.exists(self.folder), "reading commands must not make a store")

    def test_a_config_file_with_an_unknown_key_is_refused(self):
        config = self.write("config.json", '{"listenn": "127.0.0.1:0"}')
        done = rapport("serve", "--data", self.folder, "--config", config, timeout=60)
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("listenn", done.stderr)


class SimulatedShopTest(TemporaryFolder):
    def simulate(self, name, seed):
        out = self.path(name)
        self.run_ok("simulate", "--customers", "60", "--items", "80", "--days", "30", "--seed", seed, "--out", out)
        return {file: open(os.path.join(out, file), "rb").read() for file in sorted(os.listdir(out))}

    def test_same_seed_same_bytes_and_the_way_from_nothing_to_recommendations(self):
        first = self.simulate("first", "1")
        self.assertEqual(sorted(first), ["events.jsonl", "items.jsonl", "profiles.jsonl"])
        self.assertEqual(first, self.simulate("second", "1"))
        self.assertNotEqual(first["events.jsonl"], self.simulate("third", "2")["events.jsonl"])
        for kind in ("items", "profiles", "events"):
            done = self.run_ok("import", kind, "--data", self.folder, "--json", self.path("first", f"{kind}.jsonl"))
            counts = json.loads(done.stdout)
            self.assertEqual(counts["rowsIn"], first[f"{kind}.jsonl"].count(b"\n"))
            self.assertEqual(counts["accepted"], counts["rowsIn"])
            again = json.loads(self.run_ok("import", kind, "--data", self.folder, "--json",
                                           self.path("first", f"{kind}.jsonl")).stdout)
            self.assertEqual(again["rejected"], 0)
        self.run_ok("train", "--data", self.folder, "--activate", "--force")
        server = self.serve()
        answer = server.post("/v1/recommendations", {"customer": {"userId": "customer-00002"}, "return": ["title"]})
        self.assertEqual(answer.status, 200, answer)
        self.assertGreater(len(answer.json["items"]), 0)

    def test_export_gives_back_what_went_in(self):
        self.simulate("shop", "4")
        for kind in ("items", "profiles", "events"):
            self.run_ok("import", kind, "--data", self.folder, self.path("shop", f"{kind}.jsonl"))
        for kind, identity in (("items", "itemId"), ("events", "messageId")):
            out = self.path(f"{kind}-out.jsonl")
            self.run_ok("export", kind, "--data", self.folder, "--out", out)
            with open(self.path("shop", f"{kind}.jsonl"), encoding="utf-8") as file:
                sent = {row[identity]: row for row in map(json.loads, file)}
            with open(out, encoding="utf-8") as file:
                kept = {row[identity]: row for row in map(json.loads, file)}
            self.assertEqual(sorted(sent), sorted(kept))
            for name, row in sent.items():
                for key in set(row) - {"channel"}:  # of an event: among its properties and in its record
                    if key != "properties":
                        self.assertEqual(row[key], kept[name][key], f"{kind} {name}")
                self.assertLessEqual(row.get("properties", {}).items(), kept[name].get("properties", {}).items())
        second = self.path("second-store")
        self.run_ok("import", "events", "--data", second, self.path("events-out.jsonl"))
        self.run_ok("export", "events", "--data", second, "--out", self.path("events-again.jsonl"))
        with open(self.path("events-out.jsonl"), encoding="utf-8") as a, \
                open(self.path("events-again.jsonl"), encoding="utf-8") as b:
            self.assertEqual(sorted(a.readlines()), sorted(b.readlines()))

    def test_an_items_file_with_a_bad_row_goes_on_and_keeps_the_row(self):
        rows = [json.dumps(product("a")), "{broken", json.dumps(product("b"))]
        path = self.write("items.jsonl", "\n".join(rows) + "\n")
        done = rapport("import", "items", "--data", self.folder, "--json", "--rejects", self.path("rejects.jsonl"),
                       path)
        counts = json.loads(done.stdout)
        self.assertEqual((counts["rowsIn"], counts["accepted"], counts["rejected"]), (3, 2, 1), done.stderr)
        with open(self.path("rejects.jsonl"), encoding="utf-8") as file:
            kept = file.read()
        self.assertIn("2", kept)
        self.assertIn("{broken", kept)


if __name__ == "__main__":
    unittest.main()
