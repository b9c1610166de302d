"""Every command's help, exit codes and messages: 0 done, 1 failed, 2 wrong use."""
import json
import os
import subprocess
import unittest

from harness import TemporaryFolder, binary, product, rapport

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
                 ["train", "--data", self.folder, "--start", "warm"], ["evaluate", "--data", self.folder, "--start", "warm"],
                 ["simulate"], ["simulate", "--out", self.path("s"), "--customers", "0"],
                 ["keys", "create", "--data", self.folder, "--scope", "everything"], ["serve", "--data", self.folder, "--what"],
                 ["evaluate", "--data", self.folder, "--task", "guess"],
                 ["evaluate", "--data", self.folder, "--protocol", "guess"],
                 # What would be ignored: an option of another task or policy.
                 ["evaluate", "--data", self.folder, "--temperature", "1"],
                 ["evaluate", "--data", self.folder, "--policy", "uniform", "--exploration", "0.1"],
                 ["evaluate", "--data", self.folder, "--policy", "uniform", "--task", "cold"],
                 ["evaluate", "--data", self.folder, "--policy", "uniform", "--solver", "exact"],
                 ["evaluate", "--data", self.folder, "--task", "timing", "--start", "spectral"],
                 ["evaluate", "--data", self.folder, "--mask-share", "0.2"],
                 ["evaluate", "--data", self.folder, "--task", "cold-items", "--zone", "Europe/London"]]
        for arguments in cases:
            with self.subTest(" ".join(arguments)):
                done = rapport(*arguments, timeout=60)
                self.assertEqual(done.returncode, 2, f"{done.stdout}\n{done.stderr}")
                self.assertTrue(done.stderr.strip())
        self.assertFalse(os.path.exists(self.folder), "wrong use must not make a store")

    def test_a_word_that_is_no_command_is_named(self):
        for arguments, words in ((["dance"], "'dance' is no command of rapport"), (["models", "dance"], "'dance' is no command of rapport models"),
                                 ([], "subcommand is required"), (["keys"], "subcommand is required")):
            with self.subTest(" ".join(arguments)):
                self.assertIn(words, rapport(*arguments).stderr)

    def test_numbers_that_mean_nothing_are_refused_and_named(self):
        """None of these is quietly read as another number, or as none given."""
        for command, numbers in (
                ("evaluate", ["--factors=-5", "--factors=2000", "--epochs=0", "--half-life-days=0", "--half-life-days=nan",
                              "--neighbour-half-life-days=-1", "--recent-half-life-days=-1", "--unobserved-weight=-1",
                              "--regularization=nan", "--mix-share=5", "--mix-share=-1", "--holdout-days=nan",
                              "--holdout-days=inf", "--tune-days=-3", "--mask-share=7", "--given-lines=0", "--customers=-1",
                              "--threads=-4", "--threads=100000", "--seed=-1", "--temperature=nan", "--exploration=nan",
                              "--lifetime-value=nan"]),
                ("train", ["--holdout-days=nan", "--seed=-1", "--seed=1e9", "--threads=-1"]),
                ("prune", ["--events-days=nan", "--decisions-days=inf"]),
                ("decide", ["--temperature=nan", "--exploration=nan", "--seed=-1", "--temperature=-1"]),
                ("keys create --scope events", ["--expires=2020-01-01", "--expires=soon"]),
                ("simulate", ["--dial=nan", "--contacts=-1", "--seed=-1", "--start=1800-01-01", "--start=2199-12-31"])):
            for number in numbers:
                with self.subTest(f"{command} {number}"):
                    more = {"simulate": ["--out", self.path("s")], "decide": ["--data", self.folder, "--items", "a", "--out", self.path("p")]}
                    done = rapport(*command.split(), number, *more.get(command, ["--data", self.folder]), timeout=60)
                    self.assertEqual(done.returncode, 2, f"{done.stdout}\n{done.stderr}")
                    self.assertIn(number.split("=")[0], done.stderr)

    def test_what_cannot_be_written_says_why(self):
        self.run_ok("import", "items", "--data", self.folder, self.write("items.jsonl", json.dumps(product("a")) + "\n"))
        with open("/dev/full", "wb") as full:
            done = subprocess.run([binary(), "export", "items", "--data", self.folder, "--out", "-"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left on device", done.stderr)

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

    def test_a_shop_with_old_events_and_no_visitors_is_judged_as_far_as_it_goes(self):
        self.run_ok("simulate", "--customers", "200", "--items", "100", "--days", "60", "--seed", "3", "--out", self.path("shop"))
        for kind in ("items", "events"):
            self.run_ok("import", kind, "--data", self.folder, self.path("shop", f"{kind}.jsonl"))
        drift = rapport("models", "drift", "--data", self.folder)
        self.assertEqual(drift.returncode, 1)
        self.assertIn("rapport models activate", drift.stderr)
        # No visitor without an account: no sessions. The other two cold tasks stand all the same.
        cold = self.run_ok("evaluate", "--data", self.folder, "--task", "cold").stdout
        self.assertIn("cold items: ", cold)
        self.assertIn("cold customers: ", cold)
        self.assertIn("sessions: nobody to judge", cold)
        self.assertEqual(rapport("evaluate", "--data", self.folder, "--task", "sessions").returncode, 1)
        trained = self.run_ok("train", "--data", self.folder)
        self.assertIn("popular ", trained.stdout)
        # One event long after the others, and the last days hold nobody: that is said, not a table of zeros.
        late = {"type": "track", "userId": "late", "event": "Product Viewed", "timestamp": "2026-06-01T00:00:00Z",
                "properties": {"product_id": "item-00001"}}
        self.run_ok("import", "events", "--data", self.folder, self.write("late.jsonl", json.dumps(late) + "\n"))
        trained = self.run_ok("train", "--data", self.folder)
        self.assertIn("judged on nobody", trained.stdout)
        self.assertNotIn("0.0000", trained.stdout)

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
