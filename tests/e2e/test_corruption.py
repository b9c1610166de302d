"""Some tens of flipped bits over all files of a store; corruption.py makes ten thousand."""
import os
import shutil
import tempfile
import unittest

import corruption
from harness import rapport


class CorruptionTest(unittest.TestCase):
    def test_a_flipped_bit_is_refused_or_changes_nothing(self):
        counts, wrong = corruption.run(flips=51, seed=3, serve_every=5)
        print("\n" + corruption.table(counts))
        self.assertEqual(wrong, [])
        self.assertGreater(sum(n for (_, outcome), n in counts.items() if outcome == "refused"), 20)

    def test_a_store_that_says_something_else_is_noticed(self):
        """Broken twin: one event more, written with right checksums, is no refusal; the comparison has to see it."""
        place = tempfile.mkdtemp(prefix="rapport-flips-")
        self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        laboratory = corruption.Laboratory(place)
        self.assertEqual(laboratory.judge(laboratory.copy()), "right")
        copy = laboratory.copy()
        event = os.path.join(place, "one.jsonl")
        with open(event, "w", encoding="utf-8") as file:
            file.write('{"type":"track","event":"Product Viewed","userId":"%s","messageId":"false","timestamp":'
                       '"2024-05-01T10:00:00Z","properties":{"product_id":"x"}}\n' % laboratory.customers[0])
        self.assertEqual(rapport("import", "events", "--data", copy, event).returncode, 0)
        self.assertIn("another", laboratory.judge(copy))
        self.assertIn("another answer", laboratory.judge_served(copy))


if __name__ == "__main__":
    unittest.main()
