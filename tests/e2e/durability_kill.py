#!/usr/bin/env python3
"""kill -9 in a loop during ingest: no acknowledged event may be lost, none may be there twice after clients retry.

    python3 tests/e2e/durability_kill.py --binary build/rapport --rounds 100

Each round: start the server, send again what the last kill left open, write from eight connections at once, kill -9
after a random number of answers, read the store with `rapport export` (which recovers it) and compare. The last line
says what was counted; exit 0 when nothing was lost and nothing doubled.
"""
import argparse
import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import durability  # noqa: E402
import harness  # noqa: E402


def run(rounds, seed, say=print):
    """(acknowledged, lost, doubled) over all rounds."""
    chance = random.Random(seed)
    lost_in_all, twice_in_all = set(), set()
    with tempfile.TemporaryDirectory(prefix="rapport-kill-") as folder:
        store, out = os.path.join(folder, "store"), os.path.join(folder, "events.jsonl")
        ledger, numbers = durability.Ledger(), [0] * durability.WRITERS
        for number in range(1, rounds + 1):
            with harness.Server(store) as server:
                retried = len(ledger.open)
                durability.send_open_again(server, ledger)
                # Often early, so that recovery, start and retries are cut as well as steady ingest.
                requests = chance.choice([1, 2, chance.randrange(1, 20), chance.randrange(20, 300)])
                durability.ingest(server, ledger, numbers, requests, server.kill)
            lost, twice = durability.compare(durability.stored_messages(store, out), ledger)
            lost_in_all.update(lost)
            twice_in_all.update(twice)
            say(f"round {number}: killed after {requests} answers, {retried} events sent again, "
                f"{len(ledger.acknowledged)} acknowledged in all, {len(lost)} lost, {len(twice)} twice")
        with harness.Server(store) as server:
            durability.send_open_again(server, ledger)
            if server.stop() != 0:
                raise AssertionError("the last stop was not clean: " + "".join(server.lines))
        counts = durability.stored_messages(store, out)
        lost, twice = durability.compare(counts, ledger)
        lost_in_all.update(lost)
        twice_in_all.update(twice)
        if set(counts) != ledger.acknowledged:
            raise AssertionError("the store holds events that nobody sent")
        return len(ledger.acknowledged), len(lost_in_all), len(twice_in_all)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.binary:
        os.environ["RAPPORT_BINARY"] = os.path.abspath(arguments.binary)
    acknowledged, lost, twice = run(arguments.rounds, arguments.seed, lambda text: print(text, flush=True))
    print(f"kill -9, {arguments.rounds} rounds: {acknowledged} events acknowledged, {lost} lost, {twice} twice")
    return 0 if lost == 0 and twice == 0 and acknowledged > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
