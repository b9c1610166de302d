"""`make bench-peers` is itself to be believed: a solver or a search that is wrong is not timed, one that is slow misses its
target, and the report says what was measured. No peers needed: Rapport stands in for them."""
import json
import os
import sys
import types
import unittest
import unittest.mock

from harness import ROOT, TemporaryFolder

sys.path.insert(0, os.path.join(ROOT, "scripts"))
import bench_frame  # noqa: E402
import bench_peers  # noqa: E402
import bench_report  # noqa: E402
import bench_top_k  # noqa: E402
import bench_training  # noqa: E402

PROGRAMS = os.path.join(os.path.dirname(os.environ.get("RAPPORT_BINARY", os.path.join(ROOT, "build", "release", "rapport"))),
                        "bench")


class BenchTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.bench = bench_frame.Bench(types.SimpleNamespace(epochs=4), root=self.temporary)
        self.bench.programs = PROGRAMS
        os.makedirs(self.path("docs"), exist_ok=True)

    def needs(self, program):
        if not os.path.exists(self.bench.program(program)):
            self.skipTest(f"skipped: {program} is not built (make bench-peers builds it)")

    def shop(self):
        self.needs("rapport_training")
        return bench_training.power_law(self.bench, 150_000, 3_000, 1_000)

    def parity(self, *planted):
        small = bench_training.power_law(self.bench, 15_000, 300, 200)
        return bench_training.rapport(self.bench, "parity", small, "--factors", 16, "--epochs", 3, *bench_training.PROBLEM,
                                      *planted)

    def test_a_loss_that_is_not_the_references_is_not_timed(self):
        self.shop()
        self.assertLessEqual(self.parity()["gap"], 1e-6)
        with self.assertRaises(bench_frame.WrongAnswer):
            self.parity("--plant", "wrong")

    def test_a_slow_solver_misses_its_target(self):
        matrix = self.shop()

        def gained(*planted):
            seen = bench_training.take_turns({
                bench_training.our_name(bench_training.STEPS): bench_training.rapport_trainer(self.bench, matrix, 32, 4, *planted),
                "irspack": bench_training.rapport_trainer(self.bench, matrix, 32, 4)}, 4)
            for run in seen.values():
                run["loss"] = 1.0
            return bench_training.advantage({"seen": seen}, "irspack")["median"]
        self.assertGreater(gained(), 0.6)  # the same solver twice
        slow = gained("--plant", "slow")   # three times the CPU time
        self.assertLess(slow, 0.6)
        result = bench_frame.Result("planted")
        result.least("planted", slow, 0.6)
        self.assertFalse(result.targets[0]["met"])

    def test_no_ratio_is_given_at_a_worse_loss(self):
        run = {"cpu": [2.0, 1.0, 1.0], "loss": 5.0}
        seen = {bench_training.our_name(bench_training.STEPS): run, "irspack": {"cpu": [9.0, 9.0, 9.0], "loss": 4.9}}
        self.assertIsNone(bench_training.advantage({"seen": seen}, "irspack"))
        seen["irspack"]["loss"] = 5.0
        self.assertEqual(bench_training.advantage({"seen": seen}, "irspack")["median"], 9.0)

    def search(self, *planted):
        self.needs("rapport_top_k")
        folder = bench_top_k.prepare(self.bench, 20_000)
        return bench_top_k.work(self.bench, folder, 20_000, *planted)

    def test_a_wrong_list_is_not_timed(self):
        with self.search() as honest:
            for mode, share in bench_top_k.FILTERS:
                self.assertGreater(honest.ask(mode=mode, share=share, queries=4)["seconds"], 0)
        with self.search("--plant", "wrong") as planted:
            for mode, share in bench_top_k.FILTERS:
                with self.assertRaises(bench_frame.WrongAnswer):
                    planted.ask(mode=mode, share=share, queries=4)

    def test_a_slow_search_is_told_apart(self):
        with self.search() as honest, self.search("--plant", "slow") as planted:
            pairs = [(planted.ask(mode="plain", queries=64)["seconds"], honest.ask(mode="plain", queries=64)["seconds"])
                     for _ in range(5)]
        self.assertGreater(bench_frame.ratio(*zip(*pairs))["median"], 2)  # five searches for one

    def test_without_debians_faiss_it_is_said_how_to_get_it(self):
        with unittest.mock.patch.object(bench_top_k, "DEBIAN_PYTHON", self.path("no-python")):
            self.assertIsNone(bench_top_k.python_of_debian(self.bench))
        self.assertIn("apt-get install python3-faiss", self.bench.skipped[0])

    def test_a_part_with_a_wrong_answer_leaves_nothing(self):
        def part(_):
            raise bench_frame.WrongAnswer("planted")
        self.assertFalse(bench_peers.measure(self.bench, "planted", part))
        self.assertFalse(os.path.exists(self.bench.measured_path("planted")))

    def test_the_report_says_what_was_measured_and_what_was_missed(self):
        result = bench_frame.Result("A part")
        result.least("part.met", 3.0, 2)
        result.least("part.missed", 1.0, 2, "because of the weather")
        result.stated("part.stated", 7)
        result.table("Numbers", ["a"], [["1"]])
        self.assertTrue(bench_peers.measure(self.bench, "part", lambda _: result))
        with open(self.bench.measured_path("part"), encoding="utf-8") as file:
            rows = bench_report.write({"part": json.load(file)}, self.temporary, ["a data set"], [])
        self.assertEqual([sorted(row) for row in rows], [["met", "name", "target", "value"]] * 3)
        self.assertEqual([row["met"] for row in rows], [True, False, True])
        with open(self.path("build", "bench-peers.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), rows)
        with open(self.path("docs", "PERFORMANCE.md"), encoding="utf-8") as file:
            page = file.read()
        for text in ("1 of 2 met", "because of the weather", "SKIPPED: a data set", "### Numbers", "scripts/bench_peers.py part\n"):
            self.assertIn(text, page)

    # Broken twin: a page that shows every part's bare name tells nobody how to see an hour's soak again.
    def test_a_part_is_shown_as_it_was_asked_for(self):
        bench_peers.register()
        options = bench_peers.arguments_of(["soak", "--soak-minutes", "60", "--memory-customers", "1000000"])
        self.assertEqual(bench_peers.command_of("soak", options), "scripts/bench_peers.py soak --soak-minutes 60")
        self.assertEqual(bench_peers.command_of("memory", options), "scripts/bench_peers.py memory --memory-customers 1000000")
        self.assertEqual(bench_peers.command_of("ingest", options), "scripts/bench_peers.py ingest")

    def test_a_peer_picks_its_own_linear_algebra(self):
        os.environ["OPENBLAS_CORETYPE"] = "Haswell"
        self.addCleanup(os.environ.pop, "OPENBLAS_CORETYPE")
        self.assertNotIn("OPENBLAS_CORETYPE", bench_frame.peer_environment())


if __name__ == "__main__":
    unittest.main()
