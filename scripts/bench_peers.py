#!/usr/bin/env python3
"""`make bench-peers`: Rapport beside its peers; writes docs/PERFORMANCE.md, docs/plots/*.svg and
build/bench-peers.json, an array of {name, value, target, met}.

    scripts/bench_peers.py                 everything
    scripts/bench_peers.py training        only these parts; what the others measured last stands as it was
    scripts/bench_peers.py --report        writes the page from what was measured last

Each part leaves what it measured in docs/measured/PART.json, which is committed with the page: a part measured anew in
another clone leaves the others as they stand. A data set or a peer that is not there is said to be skipped. An answer that is wrong is not timed: the part ends and so does the command, with 1.
"""
import argparse
import json
import os
import sys
import time

import bench_report
from bench_frame import ROOT, Bench, WrongAnswer, say

# name: function(bench) -> bench_frame.Result or None. The order is that of the page.
PARTS = {}


def register():
    """Imported late, so that --help needs nothing."""
    for module, parts in (("bench_training", ("training", "training_growth", "training_wide")),
                          ("bench_top_k", ("top_k",)), ("bench_serving", ("page_view", "page_view_scale", "freshness", "ingest", "memory", "soak"))):
        try:
            loaded = __import__(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            continue
        for part in parts:
            PARTS[part.replace("_", "-")] = getattr(loaded, part)


# What a part can be asked for: (part, option, type, default, help).
OPTIONS = [
    ("training", "--epochs", int, 6, "timed epochs of each trainer"),
    ("training-growth", "--interactions-max", int, 50_000_000, "largest set of the growth curve"),
    ("training-wide", "--factors-max", int, 512, "most factors of the part on many factors; 1024 takes many minutes more"),
    ("page-view-scale", "--catalogue-max", int, 100_000, "most items of the part page-view-scale; 1000000 takes minutes more"),
    ("memory", "--memory-customers", int, 100_000,
     "customers of the part memory; 1000000, which is 50 million events, takes three quarters of an hour more and 25 GB of disk"),
    ("soak", "--soak-minutes", float, 2, "length of the soak"),
]


def value_of(options, option):
    return getattr(options, option[2:].replace("-", "_"))


def command_of(name, options):
    """What measures this part again as it was asked for now."""
    asked = [f" {option} {value_of(options, option):g}" if kind is float else f" {option} {value_of(options, option)}"
             for part, option, kind, default, _ in OPTIONS if part == name and value_of(options, option) != default]
    return f"scripts/bench_peers.py {name}" + "".join(asked)


def arguments_of(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="of " + ", ".join(PARTS))
    parser.add_argument("--report", action="store_true", help="only write the page again")
    for _, option, kind, default, what in OPTIONS:
        parser.add_argument(option, type=kind, default=default, help=f"{what} (default {default})")
    options = parser.parse_args(words)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return options


def measure(bench, name, part):
    """Whether the part was honest; what it measured is kept."""
    say(f"\n---- {name}")
    started, before = time.monotonic(), len(bench.skipped)
    try:
        result = part(bench)
    except WrongAnswer as error:
        say(f"WRONG ANSWER: {name}: {error}: nothing of this part is reported")
        return False
    if result is not None:
        kept = {**result.to_json(), "command": command_of(name, bench.options), "machine": bench_report.machine(), "skipped": bench.skipped[before:]}
        os.makedirs(os.path.dirname(bench.measured_path(name)), exist_ok=True)
        with open(bench.measured_path(name), "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)
            file.write("\n")
    say(f"---- {name}: {time.monotonic() - started:.0f} s")
    return True


def main(words):
    register()
    options = arguments_of(words)
    bench = Bench(options)
    honest = True
    for name, part in PARTS.items():
        if not options.report and (not options.parts or name in options.parts):
            honest = measure(bench, name, part) and honest
    measured = {}
    for name in PARTS:
        if os.path.exists(bench.measured_path(name)):
            with open(bench.measured_path(name), encoding="utf-8") as file:
                measured[name] = json.load(file)
    skipped = list(dict.fromkeys(what for part in measured.values() for what in part["skipped"]))
    skipped += [f"{name}: not measured yet (scripts/bench_peers.py {name})" for name in PARTS if name not in measured]
    rows = bench_report.write(measured, ROOT, skipped, [bench.path("peers/bin/python")])
    missed = [row["name"] for row in rows if not row["met"]]
    say(f"\nbench-peers: {len(rows) - len(missed)} of {len(rows)} targets met; docs/PERFORMANCE.md, build/bench-peers.json")
    for name in missed:
        say(f"  missed: {name}")
    return 0 if honest else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
