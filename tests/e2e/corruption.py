#!/usr/bin/env python3
"""Flips one bit after another in a store's folder, model files too, and asks the binary what it makes of it.

    python3 tests/e2e/corruption.py --binary build/release/rapport --flips 10000 [--serve-every 100]

Each flip: a fresh copy, one bit, `rapport check`. It refuses, and says why; or it accepts, and then everything that is exported must
be the truth. Every so many flips the copy is served instead, and each answer must be the truth's or a 5xx. The store is what a
kill -9 leaves: tables, a log of acknowledged writes, models. Counts by kind of file at the end; exit 1 when any answer was
wrong. tests/data/corruption_test.cc does the same inside one process, on every way of reading.
"""
import argparse
import collections
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Server, rapport  # noqa: E402

CUSTOMERS = 60
KINDS = ("events", "items", "profiles", "decisions")
# Which kind of file is next: most flips where most bytes are, and the small ones a share of their own.
TURNS = ("table", "log", "model", "table", "manifest", "log", "table", "CURRENT", "model", "secret", "table", "log", "RAPPORT",
         "manifest", "table", "OPTIONS", "IDENTITY")


def kind_of(path):
    name = os.path.basename(path)
    if name.endswith(".sst"):
        return "table"
    if name.endswith(".log"):
        return "log"
    if name.endswith(".model"):
        return "model"
    for start in ("MANIFEST", "OPTIONS"):
        if name.startswith(start):
            return start if start == "OPTIONS" else "manifest"
    return name


class Laboratory:
    def __init__(self, place, seed=1):
        self.place, self.random = place, random.Random(seed)
        self.crashed = os.path.join(place, "crashed")
        self.build(os.path.join(place, "live"))
        self.files = collections.defaultdict(list)
        for at, _, names in os.walk(self.crashed):
            for name in names:
                path = os.path.join(at, name)
                if os.path.getsize(path) > 0 and name not in ("lock", "LOCK", "operator.key", "server.json"):
                    self.files[kind_of(path)].append(os.path.relpath(path, self.crashed))
        self.truth = self.exported(self.copy())
        self.answers = None

    def build(self, live):
        shop = os.path.join(self.place, "shop")
        for command in (("simulate", "--customers", CUSTOMERS, "--items", 40, "--days", 30, "--seed", 2, "--out", shop),
                        ("import", "items", "--data", live, os.path.join(shop, "items.jsonl")),
                        ("import", "events", "--data", live, os.path.join(shop, "events.jsonl")),
                        ("train", "--data", live, "--activate")):
            done = rapport(*command)
            assert done.returncode == 0, done.stderr
        with open(os.path.join(shop, "events.jsonl"), encoding="utf-8") as file:
            self.customers = sorted({json.loads(line).get("userId") for line in file} - {None})[:12]
        with Server(live) as server:
            for number in range(60):
                answer = server.track(self.customers[number % 12], "Product Viewed", f"new-{number % 5}", f"log-{number}")
                assert answer.status == 200, answer
            server.process.kill()
            server.process.wait()
        os.remove(os.path.join(live, "server.json"))
        shutil.move(live, self.crashed)

    def copy(self):
        copy = os.path.join(self.place, "copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.crashed, copy)
        return copy

    def exported(self, data):
        """Digest of everything that is exported, or None with a refusal."""
        digest = hashlib.sha256()
        for kind in KINDS:
            done = rapport("export", kind, "--data", data, "--out", "-")
            if done.returncode != 0:
                return None
            digest.update(done.stdout.encode())
        return digest.hexdigest()

    def served(self, data):
        """Answers by request; None instead of a 5xx. None when the server does not start."""
        try:
            server = Server(data)
        except AssertionError:
            return None
        answers = {}
        with server:
            for customer in self.customers:
                answer = server.get(f"/v1/customers/{customer}/events?limit=1000")
                answers[customer, "events"] = None if answer.status >= 500 else answer.body
                answer = server.get(f"/v1/customers/{customer}/export")
                export = None if answer.status >= 500 else answer.json
                if export is not None:
                    export.pop("exportedAt", None)
                answers[customer, "export"] = export
                answer = server.post("/v1/recommendations", {"customer": {"userId": customer}, "count": 5})
                items = None if answer.status >= 500 else [item["itemId"] for item in answer.json.get("items", [])]
                answers[customer, "page"] = items
            ready = server.get("/readyz").json
            answers["model"] = ready["model"].get("inService")
            server.stop()
            if any('"model.left_out"' in line for line in server.lines):
                answers["model"] = "left out, and told"
        return answers

    def flip(self, kind):
        copy = self.copy()
        path = self.random.choice(self.files[kind])
        where = os.path.join(copy, path)
        byte, bit = self.random.randrange(os.path.getsize(where)), self.random.randrange(8)
        with open(where, "r+b") as file:
            file.seek(byte)
            old = file.read(1)[0]
            file.seek(byte)
            file.write(bytes([old ^ (1 << bit)]))
        return copy, f"{path} byte {byte} bit {bit}"

    def judge(self, copy):
        """ "right", "refused", or what is wrong."""
        checked = rapport("check", "--data", copy)
        if checked.returncode not in (0, 1):
            return f"check ended with {checked.returncode}: {checked.stderr[-300:]}"
        if checked.returncode == 1:
            return "refused" if checked.stderr.strip() else "refused without a word"
        told = self.exported(copy)
        return "refused" if told is None else "right" if told == self.truth else "check accepts it, and the export is another"

    def judge_served(self, copy):
        if self.answers is None:
            self.answers = self.served(self.copy_untouched())
        answers = self.served(copy)
        if answers is None:
            return "refused"
        left_out = answers.pop("model") == "left out, and told"
        refused = left_out
        for request, answer in answers.items():
            if answer is None:
                refused = True
            elif answer != self.answers[request] and not (left_out and request[1] == "page"):
                return f"another answer for {request}"
        return "refused" if refused else "right"

    def copy_untouched(self):
        place = os.path.join(self.place, "untouched")
        shutil.copytree(self.crashed, place)
        return place


def run(flips, seed=1, serve_every=0, report=None):
    """(counts by kind of file and outcome, what was wrong)"""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = tempfile.mkdtemp(prefix="rapport-flips-", dir=memory)
    counts, wrong = collections.Counter(), []
    try:
        laboratory = Laboratory(place, seed)
        for number in range(flips):
            kind = TURNS[number % len(TURNS)]
            copy, what = laboratory.flip(kind)
            serves = serve_every and number % serve_every == serve_every - 1
            outcome = laboratory.judge_served(copy) if serves else laboratory.judge(copy)
            if outcome not in ("right", "refused"):
                wrong.append(f"{what}: {outcome}")
                outcome = "WRONG"
            counts[kind, outcome] += 1
            if report and number % 500 == 499:
                report(f"{number + 1} flips, {len(wrong)} wrong")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return counts, wrong


def table(counts):
    kinds = sorted({kind for kind, _ in counts})
    return "\n".join(f"{kind:10} right {counts[kind, 'right']:6}  refused {counts[kind, 'refused']:6}  "
                     f"wrong {counts[kind, 'WRONG']:6}" for kind in kinds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--flips", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve-every", type=int, default=100)
    arguments = parser.parse_args()
    if arguments.binary:
        os.environ["RAPPORT_BINARY"] = os.path.abspath(arguments.binary)
    counts, wrong = run(arguments.flips, arguments.seed, arguments.serve_every, lambda text: print(text, flush=True))
    print(table(counts))
    for what in wrong[:50]:
        print("WRONG", what)
    print(f"{sum(counts.values())} flips, {len(wrong)} wrong answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
