"""A few rounds of both durability tests; `make durability` runs a hundred."""
import unittest

import durability_kill
import durability_power_cut


class DurabilityTest(unittest.TestCase):
    def test_kill_during_ingest_loses_nothing(self):
        acknowledged, lost, twice = durability_kill.run(rounds=5, seed=1)
        self.assertGreater(acknowledged, 0)
        self.assertEqual((lost, twice), (0, 0))

    def test_power_cut_during_ingest_loses_nothing_and_without_fsync_it_does(self):
        try:
            durability_power_cut.check_machine()
        except durability_power_cut.CannotRun as reason:
            self.skipTest(f"NEEDS ROOT AND LOOP DEVICES: {reason}")
        acknowledged, lost, twice = durability_power_cut.run(rounds=3, seed=1)
        self.assertGreater(acknowledged, 0)
        self.assertEqual((lost, twice), (0, 0))
        acknowledged, lost = durability_power_cut.run_without_fsync(seed=1)
        self.assertGreater(lost, 0, f"{acknowledged} acknowledged without fsync and none lost: this proves nothing")


if __name__ == "__main__":
    unittest.main()
