#!/usr/bin/env python3
"""What is left of a server that is asked for ten times what it can do: goodput, refusals, memory. Loopback only.

    cmake --build --preset release --target rapport rapport_http_load
    python3 bench/overload.py --binary build/release/rapport --load build/release/bench/rapport_http_load [--rounds 3] [--seconds 4]

A simulated shop is imported and trained. The server has one core, the load the other (--no-pin: they share). Capacity is what a closed
loop of 4 clients gets; then 0.5 to 10 times that are asked, open loop, --connections of them, rounds interleaved. Every answer of 200 is held
against the one that the same question got alone, and counts when it comes within --patience-ms. Told: goodput and its median over rounds, goodput at 10x over the peak, the times of refusals,
the server's memory, and what requests with a deadline of 0 ms cost. --out writes JSON, --svg the curve.
--queue-wait-ms 60000 is the broken twin: everybody waits, nobody is refused in time.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "e2e"))
from harness import Server  # noqa: E402

LOADS = (0.5, 0.8, 1.0, 1.5, 2, 3, 5, 10)


def fill(binary, folder, customers, items):
    shop, store = os.path.join(folder, "shop"), os.path.join(folder, "store")
    quiet = {"check": True, "stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    subprocess.run([binary, "simulate", "--customers", str(customers), "--items", str(items), "--out", shop], **quiet)
    for kind in ("items", "profiles", "events"):
        path = os.path.join(shop, kind + ".jsonl")
        if os.path.exists(path):
            subprocess.run([binary, "import", kind, "--data", store, path], **quiet)
    subprocess.run([binary, "train", "--data", store, "--activate", "--force"], **quiet)
    with open(os.path.join(shop, "profiles.jsonl"), encoding="utf-8") as file:
        users = [row["userId"] for row in map(json.loads, file) if "userId" in row]
    bodies = os.path.join(folder, "bodies.jsonl")
    with open(bodies, "w", encoding="utf-8") as file:
        for user in users[:200]:
            file.write(json.dumps({"customer": {"userId": user}, "count": 20}) + "\n")
    return store, bodies


def memory_mb(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name + ":"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, options, server, bodies):
        self.options, self.server, self.bodies = options, server, bodies

    def load(self, rate, connections, deadline_ms=""):
        pin = ["taskset", "-c", "1"] if self.options.pin else []
        before = cpu_seconds(self.server.process.pid)
        done = subprocess.run([*pin, self.options.load, str(self.server.port), self.server.key, self.bodies, str(rate),
                               str(self.options.seconds), str(connections), str(self.options.patience_ms), deadline_ms],
                              capture_output=True, timeout=120, check=False)
        if done.returncode != 0:
            sys.exit(done.stderr.decode())
        said = json.loads(done.stdout)
        said["serverCpuSeconds"] = cpu_seconds(self.server.process.pid) - before
        return said

    def capacity(self):
        return statistics.median(self.load(0, 4)["ok"] / self.options.seconds for _ in range(3))

    def round(self, capacity):
        out = {}
        for times in LOADS:
            said = self.load(times * capacity, self.options.connections)
            assert said["wrong"] == 0 and said["failed"] == 0, said
            out[times] = said
            print(f"  {times:>4}x asked {said['sent'] / self.options.seconds:8.0f}/s (unsent {said['unsent']:6d})  "
                  f"goodput {said['ok'] / self.options.seconds:7.0f}/s late {said['late']:5d} p99 {said['okMs']['p99']:7.1f} ms  refused "
                  f"{said['refused']:6d} p50 {said['refusedMs']['p50']:6.2f} p99 {said['refusedMs']['p99']:6.2f} max "
                  f"{said['refusedMs']['max']:6.1f} ms", flush=True)
        return out


def svg(path, rows):
    """Goodput over load, both in times of the capacity."""
    width, height, left, bottom = 640, 360, 60, 50
    x = lambda load: left + (width - left - 20) * load / 10  # noqa: E731
    y = lambda good: height - bottom - (height - bottom - 20) * good / 1.2  # noqa: E731
    points = " ".join(f"{x(row['load']):.1f},{y(row['goodput']):.1f}" for row in rows)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for tick in range(0, 11, 2):
        lines.append(f'<text x="{x(tick):.0f}" y="{height - bottom + 18}" text-anchor="middle">{tick}x</text>')
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        lines.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>'
                     f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    lines += [f'<polyline points="{points}" fill="none" stroke="#1f77b4" stroke-width="2"/>']
    lines += [f'<circle cx="{x(row["load"]):.1f}" cy="{y(row["goodput"]):.1f}" r="3" fill="#1f77b4"/>' for row in rows]
    lines += [f'<text x="{(left + width) / 2:.0f}" y="{height - 12}" text-anchor="middle">asked, in times of the capacity</text>',
              f'<text x="16" y="{height / 2:.0f}" text-anchor="middle" transform="rotate(-90 16 {height / 2:.0f})">'
              "answered right, in times of the capacity</text>", "</svg>"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--patience-ms", type=float, default=500, help="a right answer after that is late, and no goodput")
    parser.add_argument("--queue-wait-ms", type=int)
    parser.add_argument("--no-pin", dest="pin", action="store_false")
    parser.add_argument("--out")
    parser.add_argument("--svg")
    options = parser.parse_args()
    options.pin = options.pin and os.cpu_count() > 1 and shutil.which("taskset")
    os.environ["RAPPORT_BINARY"] = os.path.abspath(options.binary)
    with tempfile.TemporaryDirectory() as folder:
        store, bodies = fill(os.environ["RAPPORT_BINARY"], folder, options.customers, options.items)
        # Every page is worked for: kept answers would be too cheap to be overloaded with.
        # The load is one address, and those who wait in the queue hold their connections: it needs more than one shopper may have.
        config = {"server": {"threads": 1 if options.pin else 0, "requestsInFlightMax": 2000,
                             "connectionsMax": options.connections + 64, "connectionsPerAddressMax": options.connections + 64},
                  "recommend": {"answerLifeSeconds": 0}}
        if options.queue_wait_ms:
            config["server"]["queueWaitMsMax"] = options.queue_wait_ms
        with open(os.path.join(folder, "config.json"), "w", encoding="ascii") as file:
            json.dump(config, file)
        with Server(store, "--config", os.path.join(folder, "config.json")) as server:
            if options.pin:
                subprocess.run(["taskset", "-a", "-p", "-c", "0", str(server.process.pid)], check=True, capture_output=True)
            run(options, Bench(options, server, bodies))


def run(options, bench):
    pid = bench.server.process.pid
    capacity = bench.capacity()
    resident = memory_mb(pid, "VmRSS")
    print(f"capacity {capacity:.0f} pages of 20 a second (closed loop of 4), memory {resident:.0f} MB", flush=True)
    rounds = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", flush=True)
        rounds.append(bench.round(capacity))
    rows = []
    for times in LOADS:
        good = statistics.median(each[times]["ok"] / options.seconds for each in rounds)
        rows.append({"load": times, "goodputPerSecond": good, "goodput": good / capacity,
                     "refusedP99Ms": statistics.median(each[times]["refusedMs"]["p99"] for each in rounds),
                     "okP99Ms": statistics.median(each[times]["okMs"]["p99"] for each in rounds)})
    ratios = [each[10]["ok"] / max(said["ok"] for said in each.values()) for each in rounds]
    worked = bench.load(capacity / 2, 50)
    expired = bench.load(capacity / 2, 50, "0")
    per_page = 1000 * worked["serverCpuSeconds"] / worked["sent"]
    per_expired = 1000 * expired["serverCpuSeconds"] / expired["sent"]
    result = {"capacityPerSecond": capacity, "goodputAt10xOverPeak": statistics.median(ratios), "ratios": ratios,
              "rows": rows, "memoryMb": {"before": resident, "peak": memory_mb(pid, "VmHWM")},
              "cpuMsPerPage": per_page, "cpuMsPerExpired": per_expired}
    print(f"goodput at 10x over the peak: {statistics.median(ratios):.3f} "
          f"(rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})")
    print(f"refusals at 10x: p99 {rows[-1]['refusedP99Ms']:.2f} ms")
    print(f"memory: {resident:.0f} MB before, {result['memoryMb']['peak']:.0f} MB at most")
    print(f"server's time: {per_page:.3f} ms for a page, {per_expired:.3f} ms for one whose deadline has passed")
    if options.out:
        with open(options.out, "w", encoding="ascii") as file:
            json.dump(result, file, indent=1)
    if options.svg:
        svg(options.svg, rows)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s in all")
