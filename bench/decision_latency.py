#!/usr/bin/env python3
"""What one decision costs beside one page view, over HTTP, same machine, same customers, turn by turn.

    python3 bench/decision_latency.py --binary build/release/rapport [--customers 2000] [--items 1000] [--rounds 5] [--requests 400]

A simulated shop with contacts is imported, both models are trained, and one client asks in turn for a page of 20 items
and for a decision over 50 contents x 168 hours x 5 channels (kept on the disk, as always). The answers are checked first.
Told: p50 and p99 of both in each round, the median of their ratios over rounds, and the ratio without the disk (dryRun).
"""
import argparse
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


def fill(binary, folder, customers, items):
    shop, store = os.path.join(folder, "shop"), os.path.join(folder, "store")
    quiet = {"check": True, "stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    subprocess.run([binary, "simulate", "--customers", str(customers), "--items", str(items), "--days", "120", "--contacts", "20",
                    "--out", shop], **quiet)
    for kind in ("items", "profiles", "events"):
        path = os.path.join(shop, kind + ".jsonl")
        if os.path.exists(path):
            subprocess.run([binary, "import", kind, "--data", store, path], **quiet)
    subprocess.run([binary, "train", "--data", store, "--activate", "--force"], **quiet)
    subprocess.run([binary, "train", "--model", "response", "--data", store, "--activate", "--force"], **quiet)
    with open(os.path.join(shop, "profiles.jsonl"), encoding="utf-8") as file:
        return store, [row["userId"] for row in map(json.loads, file) if "userId" in row]


def willing(server, users):
    """Consent and addresses for everybody, and no cap: every decision weighs all its arms."""
    limits = {"caps": [], "quietHours": []}
    assert server.request("PUT", "/v1/limits", limits).status == 200
    channels = ["email", "sms", "push", "call", "in-app"]
    assert server.request("PUT", "/v1/channels", {"channels": [{"name": name} for name in channels]}).status == 200
    for user in users:
        words = [{"channel": channel, "purpose": "marketing", "given": True} for channel in channels]
        assert server.request("PUT", f"/v1/customers/{user}/consents", words).status == 200


class Client:
    def __init__(self, server):
        self.server, self.connection = server, server.connect()

    def ask(self, path, body):
        started = time.perf_counter()
        answer = self.server.post(path, body, connection=self.connection)
        latency_ms = (time.perf_counter() - started) * 1000
        assert answer.status == 200, answer
        return answer.json, latency_ms


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--out", help="the figures as JSON")
    arguments = parser.parse_args()
    os.environ["RAPPORT_BINARY"] = os.path.abspath(arguments.binary)
    import harness

    with tempfile.TemporaryDirectory() as folder:
        store, users = fill(os.path.abspath(arguments.binary), folder, arguments.customers, arguments.items)
        users = users[: arguments.requests]
        with harness.Server(store) as server:
            willing(server, users)
            client = Client(server)
            checked, _ = client.ask("/v1/decisions", {"customer": {"userId": users[0]}, "count": 50, "dryRun": True, "explain": True})
            assert checked["feasibleArms"] >= 50 * 168 * 5, checked["feasibleArms"]
            assert abs(sum(arm["propensity"] for arm in checked["shortlist"]) - 1) < 1e-9
            assert checked["responseGeneration"] > 0 and checked["contentGeneration"] > 0
            rows = []
            for number in range(-1, arguments.rounds):  # round -1 warms up
                page, kept, dry = [], [], []
                for user in users:
                    customer = {"userId": user}
                    page.append(client.ask("/v1/recommendations", {"customer": customer, "count": 20})[1])
                    kept.append(client.ask("/v1/decisions", {"customer": customer, "count": 50})[1])
                    dry.append(client.ask("/v1/decisions", {"customer": customer, "count": 50, "dryRun": True})[1])
                if number < 0:
                    continue
                row = {f"{name}_p{int(100 * share)}": percentile(values, share)
                       for name, values in (("page", page), ("kept", kept), ("dry", dry)) for share in (0.5, 0.99)}
                rows.append(row)
                print(f"round {number + 1}: page p50 {row['page_p50']:.2f} p99 {row['page_p99']:.2f} ms; decision "
                      f"{row['kept_p50']:.2f} / {row['kept_p99']:.2f}; not kept {row['dry_p50']:.2f} / {row['dry_p99']:.2f}", flush=True)
            figures = {}
            for kind in ("kept", "dry"):
                for share in ("p50", "p99"):
                    ratios = sorted(row[f"{kind}_{share}"] / row[f"page_{share}"] for row in rows)
                    figures[f"{kind}_{share}_ratio"] = statistics.median(ratios)
                    print(f"{kind} decision / page view, {share}: {statistics.median(ratios):.2f} [{ratios[0]:.2f} {ratios[-1]:.2f}]")
            if arguments.out:
                with open(arguments.out, "w", encoding="utf-8") as file:
                    json.dump(figures, file, indent=1)
            server.stop()


if __name__ == "__main__":
    main()
