#!/usr/bin/env python3
"""How much a training disturbs page views: p99 of a recommendation while one runs over p99 while none does.

    python3 bench/training_interference.py --binary build/release/rapport --data STORE [--rounds 5] [--seconds 8]

STORE is a copy that may be changed (a model is registered in each round). Phases alternate, quiet then training, and
the ratio is taken within each round; the median over rounds is told, because a shared machine has bad moments. Pages
are asked for at a fixed rate by one client (open loop: a slow answer does not spare the next question), spread over the
customers of the store. `--threads` is the configuration's training.threads.
"""
import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "e2e"))


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Pages:
    def __init__(self, server, users, rate):
        self.server, self.users, self.rate, self.turn = server, users, rate, 0
        self.connection = None

    def load(self, seconds, still=lambda: True):
        """Latencies in ms, from when each question was due."""
        self.connection = self.server.connect()  # the one before may have been idle for too long
        latencies, begin = [], time.perf_counter()
        while True:
            due = begin + len(latencies) / self.rate
            if due - begin > seconds or (len(latencies) % 16 == 0 and not still()):
                return latencies
            while time.perf_counter() < due:
                time.sleep(max(0.0, min(0.001, due - time.perf_counter())))
            user = self.users[self.turn % len(self.users)]
            self.turn += 1
            answer = self.server.post("/v1/recommendations", {"customer": {"userId": user}, "count": 20},
                                      connection=self.connection)
            assert answer.status == 200, answer
            latencies.append((time.perf_counter() - due) * 1000)


def training_runs(server):
    return server.get("/v1/models").json.get("training", {}).get("state") == "running"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rate", type=float, default=200, help="pages a second")
    parser.add_argument("--threads", type=int, default=0, help="training.threads")
    parser.add_argument("--customers", type=int, default=500)
    arguments = parser.parse_args()
    os.environ["RAPPORT_BINARY"] = os.path.abspath(arguments.binary)
    import harness

    with tempfile.TemporaryDirectory() as folder:
        profiles = os.path.join(folder, "profiles.jsonl")
        subprocess.run([arguments.binary, "export", "profiles", "--data", arguments.data, "--out", profiles], check=True,
                       stderr=subprocess.DEVNULL)
        with open(profiles, encoding="utf-8") as file:
            users = [row["userId"] for row in map(json.loads, file) if "userId" in row]
        config = os.path.join(folder, "config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"training": {"threads": arguments.threads}}, file)
        users = users[:: max(1, len(users) // arguments.customers)]
        with harness.Server(os.path.abspath(arguments.data), "--config", config) as server:
            pages = Pages(server, users, arguments.rate)
            pages.load(3)  # warm
            ratios, quiet_p99, busy_p99, asked = [], [], [], 0
            for number in range(arguments.rounds):
                quiet = pages.load(arguments.seconds)
                started = server.post("/v1/models/train", {"activate": False, "force": True})
                assert started.status == 202, started
                busy = pages.load(arguments.seconds, lambda: training_runs(server))
                asked += len(quiet) + len(busy)
                quiet_p99.append(percentile(quiet, 0.99))
                busy_p99.append(percentile(busy, 0.99))
                ratios.append(busy_p99[-1] / quiet_p99[-1])
                print(f"round {number + 1}: p50 {percentile(quiet, 0.5):.2f} -> {percentile(busy, 0.5):.2f} ms, "
                      f"p99 {quiet_p99[-1]:.2f} -> {busy_p99[-1]:.2f} ms, ratio {ratios[-1]:.2f}, "
                      f"{len(busy)} pages while training", flush=True)
                while training_runs(server):
                    time.sleep(0.2)
            print(f"median of {arguments.rounds} rounds: p99 while training / p99 without = "
                  f"{statistics.median(ratios):.2f} ({statistics.median(busy_p99):.2f} / "
                  f"{statistics.median(quiet_p99):.2f} ms), {asked} pages, none failed")
            server.stop()


if __name__ == "__main__":
    main()
