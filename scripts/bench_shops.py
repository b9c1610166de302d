"""The shops that `make bench-peers` serves: made once under build/bench-peers/ and used again."""
import json
import os
import random
import shutil
import subprocess
import time

from bench_frame import say


def made_once(bench, name, write_files):
    """The folder of a shop's files, which write_files(folder, run) makes, and its store with a model in service."""
    folder = bench.path(name)
    if os.path.exists(os.path.join(folder, "ready")):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    say(f"  making {name}")
    files, store = os.path.join(folder, "shop"), os.path.join(folder, "store")
    run = lambda *words: subprocess.run([bench.binary, *map(str, words)], check=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.makedirs(folder)
    write_files(files, run)
    for kind in ("items", "profiles", "events"):
        path = os.path.join(files, kind + ".jsonl")
        if os.path.exists(path):
            run("import", kind, "--data", store, path)
    run("train", "--data", store, "--activate", "--force")
    open(os.path.join(folder, "ready"), "w", encoding="ascii").close()
    return folder


def shop(bench, customers, items, days):
    """A simulated one: "shop-CUSTOMERS-ITEMS-DAYS"."""
    return made_once(bench, f"shop-{customers}-{items}-{days}", lambda files, run: run(
        "simulate", "--customers", customers, "--items", items, "--days", days, "--out", files))


def factors_store(bench, folder):
    """The store of shop() again, with a generation of factors alone in service (no blend): the model that issues mean by
    "the factor model"."""
    store, ready = os.path.join(folder, "store-factors"), os.path.join(folder, "ready-factors")
    if not os.path.exists(ready):
        say(f"  training factors alone for {os.path.basename(folder)}")
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(os.path.join(folder, "store"), store)
        subprocess.run([bench.binary, "train", "--data", store, "--no-blend", "--activate", "--force"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        open(ready, "w", encoding="ascii").close()
    return store


def wide_shop(bench, customers, items, events, days):
    """As shop(), of more items than `rapport simulate` knows tastes for in minutes, with so many views of each customer:
    "wide-shop-CUSTOMERS-ITEMS-EVENTS-DAYS"."""
    return made_once(bench, f"wide-shop-{customers}-{items}-{events}-{days}",
                     lambda files, run: write_wide_shop(files, customers, items, events, days))


def write_wide_shop(files, customers, items, events, days):
    """200 groups, popularity a power of the rank within the group, three groups a customer likes and one view in five of any.
    Each customer's views stand in order; everybody's first ones come first, so that nothing is held in memory."""
    os.makedirs(files)
    draw, groups = random.Random(1), 200
    with open(os.path.join(files, "items.jsonl"), "w", encoding="ascii") as file:
        for item in range(items):
            file.write(json.dumps({"itemId": f"item-{item:07d}", "kind": "product", "title": f"Thing {item} of group {item % groups}",
                                   "categories": [f"group-{item % groups}"], "price": f"{2 + 40 * draw.random():.2f}", "stock": 50}) + "\n")
    likes = bytes(draw.randrange(groups) for _ in range(3 * customers))
    begin, between, ranks, chance = 1735689600, days * 86400 / events, items // groups, draw.random  # from 2025-01-01
    with open(os.path.join(files, "events.jsonl"), "w", encoding="ascii") as file:
        for event in range(events):
            for customer in range(customers):
                kind = chance()
                group = likes[3 * customer + int(kind * 3.75)] if kind < 0.8 else int(chance() * groups)
                item = int(ranks * chance() ** 2.5) * groups + group
                when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin + between * (event + chance())))
                file.write(f'{{"type":"track","userId":"customer-{customer:05d}","event":"Product Viewed","timestamp":"{when}",'
                           f'"messageId":"m-{customer}-{event}","properties":{{"product_id":"item-{item:07d}"}}}}\n')


HISTORY_MIN = 20


def names(folder):
    """Customers of a shop with at least HISTORY_MIN events under their user id; kept beside it for wrk."""
    path = os.path.join(folder, "names.txt")
    if not os.path.exists(path):
        counts, mark = {}, '"userId":"'
        with open(os.path.join(folder, "shop", "events.jsonl"), encoding="utf-8") as file:
            for line in file:
                at = line.find(mark)
                if at >= 0:
                    name = line[at + len(mark):line.index('"', at + len(mark))]
                    counts[name] = counts.get(name, 0) + 1
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(name + "\n" for name in sorted(counts) if counts[name] >= HISTORY_MIN)
    with open(path, encoding="utf-8") as file:
        return file.read().split()
