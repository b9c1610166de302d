#!/usr/bin/env python3
"""`make quality`: judges every model on every data set at hand; writes docs/QUALITY.md (tables), docs/plots/*.svg and
build/quality.json, an array of {name, value, target, met}.

    scripts/quality.py                    everything; about an hour and a half on 2 cores, most of it Gowalla
    scripts/quality.py online-retail-ii   only these parts; what the others measured last stands as it was
    scripts/quality.py --report           writes the pages from what was measured last

Each part leaves its section in docs/measured/quality/PART.json, which is committed with the page, so that a part measured
anew in another clone leaves the others as they stand; and what it measured in build/quality/PART.json. A data set that is
not there is said to be skipped.
"""
import argparse
import csv
import datetime
import json
import lzma
import os
import shutil
import subprocess
import sys
import time

import quality_report

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.path.join(ROOT, "build", "rapport")
JOINT = os.path.join(ROOT, "build", "release", "bench", "rapport_joint")
PUBLISHED_SPLIT = os.path.join(ROOT, "build", "release", "bench", "rapport_published_split")
ALLOCATION = os.path.join(ROOT, "build", "release", "bench", "rapport_allocation")
BANK_MARKETING = os.path.join(ROOT, "build", "release", "bench", "rapport_bank_marketing")
WORK = os.path.join(ROOT, "build", "quality")
SECTIONS = os.path.join(ROOT, "docs", "measured", "quality")
DATA = os.environ.get("DATA") or os.path.join(os.path.dirname(ROOT), "shared", "data")
TUNING_RUNS = 8
FILLED = set()  # stores that this run has filled


def say(text):
    print(text, flush=True)


def run(arguments, **more):
    started = time.monotonic()
    say("$ " + " ".join(os.path.relpath(a, ROOT) if os.path.isabs(a) and a.startswith(ROOT) else a for a in arguments))
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, cwd=ROOT, **more)
    if done.returncode != 0:
        say(f"quality: the command above failed with {done.returncode}")
        sys.exit(1)
    say(f"  ({time.monotonic() - started:.0f} s)")


def folder_of(name):
    """The data set's folder, or None, said loudly."""
    path = os.path.join(DATA, name)
    if os.path.isdir(path):
        return path
    say(f"SKIPPED: {name}: there is no {name} in the data folder (set DATA=FOLDER)")
    return None


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def evaluate(store, *options):
    """What `rapport evaluate --json` says."""
    out = os.path.join(WORK, "evaluation.json")
    run([BINARY, "evaluate", "--data", store, *options, "--out", out], stdout=subprocess.DEVNULL)
    return {"command": "rapport evaluate --data STORE " + " ".join(options), **read_json(out)}


def fresh_store(name):
    """A folder for a store, and whether it has to be filled: it is filled once in a run of this script."""
    path = os.path.join(WORK, name)
    if path in FILLED:
        return path, False
    shutil.rmtree(path, ignore_errors=True)
    FILLED.add(path)
    return path, True


# ---- parts ----

def online_retail_store():
    folder = folder_of("online_retail_ii")
    if folder is None:
        return None
    store, empty = fresh_store("store-online-retail-ii")
    if empty:
        files = sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".csv.xz"))
        run([BINARY, "import", "events", "--data", store, "--csv", "--map", "mappings/online_retail_ii.json",
             "--rejects", os.path.join(WORK, "rejects.jsonl"), *files], stdout=subprocess.DEVNULL)
    return store


def online_retail_ii():
    store = online_retail_store()
    return store and {"evaluation": evaluate(store, "--protocol", "online-retail-ii", "--tune", str(TUNING_RUNS))}


def cold_start():
    store = online_retail_store()
    return store and {"evaluation": evaluate(store, "--protocol", "online-retail-ii", "--task", "cold")}


def explanations():
    store = online_retail_store()
    return store and {"evaluation": evaluate(store, "--protocol", "online-retail-ii", "--task", "explanations")}


def generalisation():
    """Strong generalisation, on every data set that is a log."""
    measured = {}
    store = online_retail_store()
    if store:
        measured["Online Retail II"] = evaluate(store, "--protocol", "online-retail-ii", "--task",
                                                "strong-generalisation")
    for title, make in (("MovieTweetings", movietweetings_store), ("ml-latest-small", ml_latest_small_store)):
        store = make()
        if store:
            measured[title] = evaluate(store, "--task", "strong-generalisation")
    return measured or None


def ratings_store(name, ratings, titles):
    """Every rating as one view at its time, through the real import."""
    store, empty = fresh_store("store-" + name)
    if not empty:
        return store
    items, events = os.path.join(WORK, name + "-items.jsonl"), os.path.join(WORK, name + "-events.jsonl")
    with open(items, "w", encoding="utf-8") as file:
        for movie, (title, genres) in titles.items():
            file.write(json.dumps({"itemId": movie, "kind": "product", "title": title or movie,
                                   "categories": [genre for genre in genres if genre]}) + "\n")
    with open(events, "w", encoding="utf-8") as file:
        for number, (user, movie, seconds) in enumerate(ratings):
            when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            file.write(json.dumps({"type": "track", "userId": user, "event": "Product Viewed", "timestamp": when,
                                   "messageId": f"rating-{number}", "properties": {"product_id": movie}}) + "\n")
    rejects = os.path.join(WORK, "rejects.jsonl")
    for kind, path in (("items", items), ("events", events)):
        run([BINARY, "import", kind, "--data", store, "--rejects", rejects, path], stdout=subprocess.DEVNULL)
        os.remove(path)
    return store


def movietweetings_store():
    folder = folder_of("movietweetings_100k")
    if folder is None:
        return None
    with lzma.open(os.path.join(folder, "movies.dat.xz"), "rt", encoding="utf-8") as file:
        movies = [line.rstrip("\n").split("::") for line in file if "::" in line]
    with lzma.open(os.path.join(folder, "ratings.dat.xz"), "rt", encoding="utf-8") as file:
        ratings = [line.strip().split("::") for line in file]
    return ratings_store("movietweetings", [(r[0], r[1], int(r[3])) for r in ratings],
                         {m[0]: (m[1], m[2].split("|")) for m in movies})


def movietweetings():
    store = movietweetings_store()
    return store and {"evaluation": evaluate(store, "--split", "2013-07-31", "--until", "2013-09-02", "--tune",
                                             str(TUNING_RUNS))}


def ml_latest_small_store():
    folder = folder_of("ml_latest_small")
    if folder is None:
        return None
    with lzma.open(os.path.join(folder, "movies.csv.xz"), "rt", encoding="utf-8", newline="") as file:
        titles = {m["movieId"]: (m["title"], m["genres"].split("|")) for m in csv.DictReader(file)}
    with lzma.open(os.path.join(folder, "ratings.csv.xz"), "rt", encoding="utf-8", newline="") as file:
        ratings = [(r["userId"], r["movieId"], int(r["timestamp"])) for r in csv.DictReader(file)]
    return ratings_store("ml-latest-small", ratings, titles)


def ml_latest_small():
    store = ml_latest_small_store()
    # Most customers rate in one sitting, and only 18 to 29 are on both sides of any one cut: hence many cuts.
    return store and {"evaluation": evaluate(store, "--split", "2009-01-01", "--until", "2018-10-01", "--parts", "20",
                                             "--tune", str(TUNING_RUNS), "--tune-days", "730")}


def contact_activity():
    """When customers are here, on every log of theirs at hand."""
    measured = {}
    for title, make, options in (("Online Retail II", online_retail_store, ["--protocol", "online-retail-ii"]),
                                 ("MovieTweetings", movietweetings_store, [])):
        store = make()
        if store:
            measured[title] = evaluate(store, "--task", "timing", *options)
    return measured or None


def contact_bank():
    """Answers to phone calls, in date order."""
    folder = folder_of("uci_bank_marketing")
    if folder is None:
        return None
    out = os.path.join(WORK, "bank.json")
    run([BANK_MARKETING, os.path.join(folder, "bank-additional-full.csv.xz"), "--out", out], stdout=subprocess.DEVNULL)
    return {"command": "build/release/bench/rapport_bank_marketing bank-additional-full.csv.xz", **read_json(out)}


def gowalla():
    folder = folder_of("gowalla_lightgcn")
    if folder is None:
        return None
    out = os.path.join(WORK, "gowalla.jsonl")
    run([PUBLISHED_SPLIT, os.path.join(folder, "train.txt.xz"), os.path.join(folder, "test.txt.xz"), "--out", out],
        stdout=subprocess.DEVNULL)
    with open(out, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {"rows": rows + implicit_rows(folder)}


def allocation():
    """A batch of decisions for a million customers: 10 limits, and 840."""
    done = subprocess.run([ALLOCATION, "--data", os.path.join(WORK, "store-allocation")], cwd=ROOT, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0:
        say("quality: a plan was wrong, or there was none: see above")
    return {"command": "build/release/bench/rapport_allocation", "rows": rows} if rows else None


def implicit_rows(folder):
    """The peer that most people use, in an environment of its own; said loudly where it cannot be had."""
    environment = os.path.join(WORK, "peers")
    python = os.path.join(environment, "bin", "python")
    try:
        if not os.path.exists(python):
            subprocess.run([sys.executable, "-m", "venv", environment], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", "bench/requirements.txt"], check=True, cwd=ROOT)
        done = subprocess.run([python, "bench/implicit_published_split.py", os.path.join(folder, "train.txt.xz"),
                               os.path.join(folder, "test.txt.xz")], check=True, cwd=ROOT, stdout=subprocess.PIPE)
        return [json.loads(done.stdout)]
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"SKIPPED: implicit: {error}; it needs python3-venv and a package index")
        return []


def from_bench(program, *arguments):
    """The JSON rows of a program of bench/."""
    out = os.path.join(WORK, program + ".json")
    run([os.path.join(ROOT, "build", "release", "bench", program), *arguments, "--out", out], stdout=subprocess.DEVNULL)
    return read_json(out)


def estimators():
    """Do the off-policy estimators' intervals cover the truth?"""
    return {"rows": from_bench("rapport_estimators")}


def open_bandit():
    folder = folder_of("open_bandit_small")
    return folder and {"rows": from_bench("rapport_open_bandit", folder)}


def hillstrom():
    folder = folder_of("hillstrom_email")
    return folder and {"rows": from_bench("rapport_hillstrom", folder)}


def joint_decision():
    """No data needed: the simulated world. Its seeds for measuring are the program's defaults."""
    out = os.path.join(WORK, "joint.json")
    run([JOINT, "--out", out], stdout=subprocess.DEVNULL)
    return read_json(out)


def decisions():
    """One decision beside one page view, over HTTP, on a simulated shop."""
    out = os.path.join(WORK, "decision-latency.json")
    command = ["bench/decision_latency.py", "--binary", BINARY, "--out", out]
    run([sys.executable, *command], stdout=subprocess.DEVNULL)
    return {"command": "python3 bench/decision_latency.py --binary build/release/rapport", **read_json(out)}


PARTS = {"online-retail-ii": online_retail_ii, "cold-start": cold_start, "explanations": explanations,
         "movietweetings": movietweetings, "ml-latest-small": ml_latest_small, "strong-generalisation": generalisation,
         "gowalla": gowalla, "allocation": allocation, "estimators": estimators, "open-bandit": open_bandit,
         "hillstrom": hillstrom, "decisions": decisions, "joint-decision": joint_decision,
         "contact-activity": contact_activity, "contact-bank": contact_bank}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="of " + ", ".join(PARTS))
    parser.add_argument("--report", action="store_true", help="only write the pages again")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    os.makedirs(WORK, exist_ok=True)
    os.makedirs(SECTIONS, exist_ok=True)
    for name, part in PARTS.items():
        if arguments.report or (arguments.parts and name not in arguments.parts):
            continue
        say(f"\n---- {name}")
        measured = part()
        if measured is not None:
            write_json(os.path.join(WORK, name + ".json"), measured)
            write_json(os.path.join(SECTIONS, name + ".json"), quality_report.render(name, measured))
    pieces = {name: read_json(os.path.join(SECTIONS, name + ".json")) for name in PARTS
              if os.path.exists(os.path.join(SECTIONS, name + ".json"))}
    rows = quality_report.write(pieces, ROOT)
    missed = [row["name"] for row in rows if not row["met"]]
    say(f"\nquality: {len(rows) - len(missed)} of {len(rows)} targets met; docs/QUALITY.md, build/quality.json")
    for name in missed:
        say(f"  missed: {name}")


if __name__ == "__main__":
    main()
