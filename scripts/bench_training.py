"""The training parts of `make bench-peers`: rapport_training (bench/training_main.cc) beside implicit and irspack, epoch by
epoch in turn, on one matrix and one loss; then growth, threads, memory, and many factors."""
import array
import lzma
import os
import statistics

from bench_frame import Result, WrongAnswer, ratio, ratio_text, say, spread_text

FACTORS = (64, 128, 256)
# One loss for all, with nu = 0, where implicit's is the same up to a scale of the factors (bench/peer_trainer.py).
PROBLEM = ["--unobserved", "0.1", "--regularization", "0.1"]
# With where Rapport starts from (docs/MODELS.md section 2).
START = ["--spectral"]
OURS = [*PROBLEM, *START]
STEPS = 1  # of conjugate gradients, the fewest whose loss is at least as low as the peers' after as many epochs
GAP_EPOCHS = 3
PARITY_CUSTOMERS = 5_000  # and as many items: what d = 128 and 256 are held to the double reference on
LOSS_DIGITS = 1e-9  # what was timed and what was judged are the same fit
NDCG_EPOCHS = 16
NDCG_RACES = 5  # of which each epoch's median counts: the first epoch's memory is had at once or after a while
# What each may choose from for the wall time to its NDCG; the loss is then each one's own. As many for both; the time they take
# is not counted. Rapport's regularization grows with a row's length (nu = 1), so its numbers are smaller by the length.
TUNING_EPOCHS = 4
TUNING = {
    "Rapport": [{"unobserved": a, "regularization": l, "power": 1} for a in (.02, .1) for l in (3e-5, 3e-4, 1e-3)],
    "implicit": [{"unobserved": a, "regularization": l} for a in (.03, .1) for l in (.1, 1, 3)],
}
NDCG_STEPS = 2  # of conjugate gradients: with 1 it takes an epoch more


def rapport(bench, command, *arguments):
    return bench.run_json([bench.program("rapport_training"), command, *map(str, arguments)])


def power_law(bench, interactions=4.8e6, customers=70_000, items=20_000):
    """The file of the generated set; made once."""
    path = bench.path(f"power-law-{customers}-{items}-{int(interactions)}.matrix")
    if not os.path.exists(path):
        rapport(bench, "generate", path + ".new", "--customers", customers, "--items", items, "--interactions",
                int(interactions))
        os.rename(path + ".new", path)
    return path


def gowalla(bench):
    folder = bench.data_folder("gowalla_lightgcn")
    if folder is None:
        return None
    path = bench.path("gowalla.matrix")
    rows = {}
    with lzma.open(os.path.join(folder, "train.txt.xz"), "rt", encoding="ascii") as file:
        for line in file:
            customer, *items = map(int, line.split())
            rows[customer] = sorted(set(items))
    write_matrix(path, [rows.get(u, []) for u in range(max(rows) + 1)], 40_981)
    return path


def write_matrix(path, rows, columns):
    """The form of bench/matrix_file.h."""
    offsets, indices = array.array("Q", [0]), array.array("I")
    for row in rows:
        indices.extend(row)
        offsets.append(len(indices))
    with open(path, "wb") as file:
        array.array("Q", [len(rows), columns, len(indices)]).tofile(file)
        offsets.tofile(file)
        indices.tofile(file)


def shape_of(path):
    head = array.array("Q")
    with open(path, "rb") as file:
        head.fromfile(file, 3)
    return dict(zip(("customers", "items", "interactions"), head))


# ---- trainers in turn ----

def words_of(settings):
    return [str(word) for name, value in settings.items() for word in ("--" + name, value)]


def rapport_trainer(bench, matrix, d, epochs, *more, threads=1, dump=None, problem=OURS):
    return bench.worker([bench.program("rapport_training"), "train", matrix, "--factors", str(d), "--epochs", str(epochs),
                         "--threads", str(threads), *problem, *map(str, more),
                         *(["--dump", dump] if dump else [])]).wait_until_ready()


def peer_trainer(bench, python, library, matrix, d, epochs, threads=1, problem=PROBLEM):
    return bench.worker([python, "bench/peer_trainer.py", library, matrix, "--factors", str(d), "--epochs", str(epochs),
                         "--threads", str(threads), *problem]).wait_until_ready()


def take_turns(trainers, epochs, dumps=None):
    """{name: {"cpu": [...], "wall": [...], ...what it says at the end}}; one epoch of each, then the next."""
    seen = {name: {"cpu": [], "wall": []} for name in trainers}
    for epoch in range(1, epochs + 1):
        for name, trainer in trainers.items():
            last = epoch == epochs and dumps and name in dumps
            answer = trainer.ask(**({"dump": dumps[name]} if last else {}))
            for key in ("cpu", "wall"):
                seen[name][key].append(answer[key])
    for name, trainer in trainers.items():
        seen[name].update(trainer.ask())
        trainer.stop()
    return seen


def later(values):
    """Without the first epoch, which transposes and sets up."""
    return values[1:] if len(values) > 1 else values


# ---- CPU time of an epoch at equal loss ----

def check_parity(bench, matrix, d, more=()):
    small = matrix
    if d > 64:
        small = power_law(bench, PARITY_CUSTOMERS * 70, PARITY_CUSTOMERS, PARITY_CUSTOMERS)
    return rapport(bench, "parity", small, "--factors", d, "--epochs", GAP_EPOCHS, *OURS, *more)["gap"]


def compare(bench, title, matrix, d, plant=None):
    """All trainers on one matrix; refuses to time a loss that is not the reference's."""
    epochs = bench.options.epochs
    planted = ["--plant", plant] if plant else []
    gaps = [check_parity(bench, matrix, d, ["--steps", steps, *planted]) for steps in (STEPS, 3)]
    trainers, dumps = {}, {}
    for steps in (STEPS, 3):
        name = our_name(steps)
        dumps[name] = bench.path(f"factors-{steps}")
        trainers[name] = rapport_trainer(bench, matrix, d, epochs, "--steps", steps, *planted, dump=dumps[name])
    python = bench.peers()
    for library in ("irspack", "implicit") if python else ():
        dumps[library] = bench.path(f"factors-{library}")
        trainers[library] = peer_trainer(bench, python, library, matrix, d, epochs)
    seen = take_turns(trainers, epochs, dumps)
    for name, prefix in dumps.items():
        seen[name]["loss"] = rapport(bench, "loss", matrix, prefix, "--factors", d, *OURS)["loss"]
    for steps in (STEPS, 3):
        losses = rapport(bench, "losses", matrix, "--factors", d, "--epochs", epochs, "--steps", steps, *OURS)["losses"]
        timed = seen[our_name(steps)]
        timed["losses"] = losses
        if not abs(timed["loss"] / losses[-1] - 1) <= LOSS_DIGITS:
            raise WrongAnswer(f"d = {d}: the factors that were timed have loss {timed['loss']}, the judged fit {losses[-1]}")
    floor = rapport(bench, "floor", matrix, "--factors", d, "--steps", STEPS)
    return {"title": title, "d": d, "gap": max(gaps), "seen": seen, "floor": floor, **shape_of(matrix)}


def our_name(steps):
    return f"Rapport, {steps} step{'s' if steps > 1 else ''}"


def our(case):
    return case["seen"][our_name(STEPS)]


def advantage(case, library):
    """How many times less CPU time an epoch takes; None where the loss after as many epochs is not as low."""
    ours, theirs = our(case), case["seen"][library]
    if ours["loss"] > theirs["loss"]:
        return None
    return ratio(later(theirs["cpu"]), later(ours["cpu"]))


def compare_rows(case):
    rows = []
    for name, run in case["seen"].items():
        gained = "" if name.startswith("Rapport") else "not at equal loss"
        if not name.startswith("Rapport") and advantage(case, name):
            gained = ratio_text(advantage(case, name))
        rows.append([case["title"], str(case["d"]), name, spread_text(later(run["cpu"])), gained, f"{run['cpu'][0]:.3f}",
                     f"{sum(run['cpu']):.3f}", f"{run['loss']:,.1f}"])
    return rows


def compare_targets(result, case):
    name = f"training.{case['title'].replace(' ', '_')}.d{case['d']}"
    for library, limit in (("irspack", 2.5), ("implicit", {64: 8, 128: 6.5, 256: 5}[case["d"]])):
        if library in case["seen"]:
            got = advantage(case, library)
            result.least(f"{name}.cpu_per_epoch_{library}_over_rapport", got["median"] if got else 0, limit, NOTE_EPOCH)
    share = case["floor"]["floorSeconds"] / statistics.median(later(our(case)["cpu"]))
    result.least(f"{name}.share_of_floor", share, 0.6, NOTE_FLOOR)


NOTE_EPOCH = ("tried and kept: no weighted copy of the rows, dots and sums in one visit, factors in huge pages; steps for short rows too; "
              "no product for the last step; four rows of 64 factors held in registers; turning factors and their Gram matrix in float where "
              "that is safe; a start from singular vectors, after which one step instead of three leaves a lower loss than the peers'. What is left is reading a row's factors from far "
              "memory once and from the near caches once more, and turning both sides, which at d = 256 runs at the processor's rate")
NOTE_FLOOR = ("the floor counts fused multiply-adds that never wait; Rapport's are not fused, so that all instruction sets give the "
              "same bits (fused they took 11 to 13 % less at d = 64, at most 2 % at 256), and a row's dots must end before its sums begin; the factors "
              "of popular items are read from far memory in every pass")


def floor_rows(cases):
    rows = []
    for case in cases:
        floor, cpu = case["floor"], statistics.median(later(our(case)["cpu"]))
        arithmetic = floor["operations"] / floor["operationsPerSecond"]
        rows.append([case["title"], str(case["d"]), f"{floor['operations'] / 1e9:.1f}",
                     f"{floor['operationsPerSecond'] / 1e9:.0f}", f"{arithmetic:.3f}", f"{floor['memorySeconds']:.3f}",
                     f"{cpu:.3f}", f"{floor['floorSeconds'] / cpu:.0%}"])
    return rows


def training(bench):
    result = Result("Training: CPU time of an epoch at equal loss")
    sets = [("power law", power_law(bench)), ("Gowalla", gowalla(bench))]
    cases = [compare(bench, title, matrix, d) for title, matrix in sets if matrix for d in FACTORS]
    shapes = {case["title"]: f"{case['title']}: {case['customers']:,} customers x {case['items']:,} items, "
                             f"{case['interactions']:,} interactions" for case in cases}
    versions = {run["versions"] for case in cases for run in case["seen"].values() if "versions" in run}
    result.text(f"{'; '.join(shapes.values())}. One thread each, one epoch of each in turn, {bench.options.epochs} epochs, the "
                "first, which holds the start, left out of the ratios. One loss for all (a = l = 0.1, nu = 0; Rapport starts from singular "
                "vectors, the peers from random numbers as they do; conjugate gradients everywhere, 3 steps for the peers as they "
                "come), computed in double by one evaluator from the factors that each leaves. "
                "Ratios are paired by epoch and stand only where Rapport's loss is at most the peer's. "
                f"Largest gap to the double reference over epochs 1 to {GAP_EPOCHS}: {max(case['gap'] for case in cases):.1e} "
                f"(d = 128 and 256 on {PARITY_CUSTOMERS:,} customers of the same law).\n\n"
                + "; ".join(sorted(versions)))
    result.table("CPU-seconds an epoch", ["", "d", "", "CPU-s an epoch", "the peer's over Rapport's", "the first, with the start", "all", "loss at the end"],
                 [row for case in cases for row in compare_rows(case)])
    result.text("Floor: the larger of its operations at the rate of fused multiply-adds in registers and of reading, in the "
                "matrix's order, every row that is named once per half-epoch (bench/training_floor.h).")
    result.table("Share of the floor", ["", "d", "10^9 operations", "10^9 / s", "arithmetic, s", "memory, s",
                                        f"{our_name(STEPS)}, s", "share"], floor_rows(cases))
    for case in cases:
        compare_targets(result, case)
    for title, matrix in sets:
        if matrix:
            time_to_ndcg(bench, result, title, matrix)
    result.measured = {"cases": cases}
    return result


# ---- wall time to almost the final NDCG ----

def time_to_ndcg(bench, result, title, matrix, d=64):
    """Both on all cores, each with the settings of TUNING that give it the best NDCG. The level that both have to reach is implicit's
    own at the end; how long each takes to its own stands beside it. An epoch's time is the median of NDCG_RACES."""
    python = bench.peers()
    if not python:
        return
    train, held, prefix = (bench.path("ndcg-" + name) for name in ("train.matrix", "held.matrix", "factors"))
    rapport(bench, "split", matrix, train, held)
    threads = os.cpu_count()

    def trainer(name, settings, epochs, dump=None):
        if name == "implicit":
            return peer_trainer(bench, python, name, train, d, epochs, threads, words_of(settings))
        return rapport_trainer(bench, train, d, epochs, "--steps", NDCG_STEPS, threads=threads, dump=dump,
                               problem=[*words_of(settings), *START])

    def ndcg_after(name, settings, epochs):
        """Trained anew: Rapport writes its factors at the end only."""
        with trainer(name, settings, epochs, prefix) as one:
            for epoch in range(epochs + 1):
                one.ask(**({"dump": prefix} if name == "implicit" and epoch == epochs - 1 else {}))
        return rapport(bench, "ndcg", train, held, prefix, "--factors", d)["ndcg20"]

    chosen = {name: max(candidates, key=lambda settings: ndcg_after(name, settings, TUNING_EPOCHS))
              for name, candidates in TUNING.items()}
    ndcg = {"Rapport": [], "implicit": []}

    def race(first):
        """{name: wall seconds of each epoch}, in turn; the first race also tells implicit's NDCG after each."""
        walls = {name: [] for name in TUNING}
        with trainer("implicit", chosen["implicit"], NDCG_EPOCHS) as peer, trainer("Rapport", chosen["Rapport"], NDCG_EPOCHS) as ours:
            for _ in range(NDCG_EPOCHS):
                walls["Rapport"].append(ours.ask()["wall"])
                walls["implicit"].append(peer.ask(**({"dump": prefix} if first else {}))["wall"])
                if first:
                    ndcg["implicit"].append(rapport(bench, "ndcg", train, held, prefix, "--factors", d)["ndcg20"])
            peer.ask()
            ours.ask()
        return walls

    races = [race(first=n == 0) for n in range(NDCG_RACES)]
    walls = {name: [statistics.median(race[name][e] for race in races) for e in range(NDCG_EPOCHS)] for name in TUNING}
    ndcg["Rapport"] = [ndcg_after("Rapport", chosen["Rapport"], epochs) for epochs in range(1, NDCG_EPOCHS + 1)]

    def reached(name, level):
        """Epochs and seconds to .5 % below the level; None where it is never reached."""
        epochs = next((e for e, value in enumerate(ndcg[name], 1) if value >= .995 * level), None)
        return epochs and (epochs, sum(walls[name][:epochs]))

    def said(time):
        return ("never", "") if time is None else (str(time[0]), f"{time[1]:.2f}")
    level = ndcg["implicit"][-1]
    result.table(f"{title}: wall time to within .5 % of NDCG@20 after {NDCG_EPOCHS} epochs, d = {d}, {threads} threads",
                 ["", f"settings, the best of {len(TUNING['Rapport'])}", "NDCG@20 at the end", "epochs to its own", "s", "epochs to implicit's", "s"],
                 [[name, ", ".join(f"{key} {value:g}" for key, value in chosen[name].items()), f"{ndcg[name][-1]:.4f}",
                   *said(reached(name, ndcg[name][-1])), *said(reached(name, level))] for name in ndcg])
    ours = reached("Rapport", level)
    result.least(f"training.{title.replace(' ', '_')}.wall_to_ndcg_implicit_over_rapport",
                 reached("implicit", level)[1] / ours[1] if ours else 0, 8,
                 "Rapport needs one epoch after its start from singular vectors; what is left is that start, the epoch and the transposed matrix")
    result.plot(f"training-ndcg-{title.lower().replace(' ', '-')}", f"{title}: NDCG@20 on held-out cells, d = {d}",
                "seconds of training", "NDCG@20",
                [{"label": name, "x": [sum(walls[name][:e + 1]) for e in range(NDCG_EPOCHS)], "y": ndcg[name]}
                 for name in ndcg])


# ---- growth, threads, memory ----

def training_growth(bench):
    result = Result("Training: growth, threads, memory")
    sizes = [n for n in (500_000, 5_000_000, 50_000_000) if n <= bench.options.interactions_max]
    costs, rows = [], []
    for n in sizes:
        matrix = power_law(bench, n, n // 70, int(20_000 * (n / 5e6) ** .5))
        shape = shape_of(matrix)
        with rapport_trainer(bench, matrix, 64, 4, "--steps", STEPS) as trainer:
            runs = [trainer.ask() for _ in range(4)]
            peak = trainer.ask()["peakBytes"]
        cpu = [run["cpu"] for run in runs[1:]]
        costs.append(statistics.median(cpu) / shape["interactions"] * 1e9)
        needed = shape["interactions"] * 16 + (shape["customers"] + shape["items"]) * 64 * 4
        rows.append([f"{shape['interactions']:,}", f"{shape['customers']:,}", f"{shape['items']:,}", spread_text(cpu),
                     f"{costs[-1]:.0f}", f"{peak / 2**20:.0f}", f"{peak / needed:.2f}"])
        result.most(f"training.peak_memory_at_{n}", peak / needed, 1.5) if n >= 5_000_000 else None
        if n >= 50_000_000:
            os.remove(matrix)
    result.text("The generated set at several sizes, items growing as the root of the interactions; d = 64, one thread. Needed "
                "memory: 16 bytes an interaction, for both orientations, and the factors.")
    result.table("", ["interactions", "customers", "items", "CPU-s an epoch", "ns an interaction", "peak, MiB",
                      "peak over needed"], rows)
    result.plot("training-growth", "CPU time of an epoch per interaction, d = 64", "interactions", "ns",
                [{"label": "Rapport", "x": sizes, "y": costs}], log_x=True)
    if len(sizes) == 3:
        result.most("training.cost_per_interaction_50M_over_5M", costs[2] / costs[1], 1.5,
                    "714,285 customers' factors are 183 MB: read in tiles of 16 MiB, each visited by all items (models/als_tiles.h), in huge pages. Tried: "
                    "tiles of 2 to 48 MiB (slower); rows solved exactly, which visit them once (three times the processor time)")
    else:
        bench.skip("the curve's largest set: --interactions-max is below 50000000")
    threads(bench, result)
    result.measured = {"sizes": sizes, "costs": costs}
    return result


def threads(bench, result, d=128, epochs=6):
    matrix = power_law(bench)
    trainers = {str(n): rapport_trainer(bench, matrix, d, epochs, "--steps", STEPS, threads=n) for n in (1, 2)}
    seen = take_turns(trainers, epochs)
    gained = ratio(later(seen["1"]["wall"]), later(seen["2"]["wall"]))
    result.table(f"Threads: wall seconds of an epoch, power law, d = {d}", ["one thread", "two", "one over two"],
                 [[spread_text(later(seen["1"]["wall"])), spread_text(later(seen["2"]["wall"])), ratio_text(gained)]])
    if (os.cpu_count() or 1) >= 2:
        result.least("training.two_threads_against_one", gained["median"], 1.9,
                     "the eigenvectors of the Gram matrix are found by one thread; the two cores share one memory")


# ---- many factors ----

WIDE = [*PROBLEM, "--init", "0.01"]
WIDE_SOLVERS = {"exact": ["--solver", "exact"], "conjugate gradients, 3 steps": ["--steps", "3"],
                "iALS++, blocks of 64": ["--solver", "blocks", "--block", "64"],
                "iALS++, blocks of 128": ["--solver", "blocks", "--block", "128"]}


def training_wide(bench, epochs=4):
    """CPU time until the loss that the exact solver has after three epochs."""
    result = Result("Training with many factors")
    matrix = power_law(bench, 600_000, 6_000, 3_000)
    rows = []
    widths = [d for d in (512, 1024) if d <= bench.options.factors_max]
    if 1024 not in widths:
        bench.skip("training with 1,024 factors: many minutes; ask for it with --factors-max 1024")
    for d in widths:
        parity = [rapport(bench, "parity", power_law(bench, 30_000, 400, 300), "--factors", d, "--epochs", 1, *WIDE, *more)
                  for more in WIDE_SOLVERS.values()]
        say(f"  largest gap to the reference {max(one['gap'] for one in parity):.1e}")
        trainers = {name: rapport_trainer(bench, matrix, d, epochs, *more, problem=WIDE) for name, more in WIDE_SOLVERS.items()}
        seen = take_turns(trainers, epochs)
        losses = {name: rapport(bench, "losses", matrix, "--factors", d, "--epochs", epochs, *WIDE, *more)["losses"]
                  for name, more in WIDE_SOLVERS.items()}
        level = losses["exact"][2] * (1 + 1e-4)
        reached = {}
        for name in WIDE_SOLVERS:
            at = next((e for e, loss in enumerate(losses[name], 1) if loss <= level), None)
            reached[name] = sum(seen[name]["cpu"][:at]) if at else None
            rows.append([str(d), name, spread_text(later(seen[name]["cpu"])), str(at or f"not in {epochs}"),
                         f"{reached[name]:.2f}" if at else "", f"{losses[name][-1]:,.2f}"])
        blocks = min((value for name, value in reached.items() if name.startswith("iALS++") and value), default=None)
        for rival, key in (("exact", "exact"), ("conjugate gradients, 3 steps", "conjugate_gradients")):
            value = (reached[rival] or float("inf")) / blocks if blocks else 0
            result.least(f"training.wide.d{d}.{key}_over_blocks", value, 1.0,
                         "steps in principal axes cost two and a half passes over a row, whatever its length; a block costs its matrix beside")
    shape = shape_of(matrix)
    result.text(f"{shape['customers']:,} customers x {shape['items']:,} items, {shape['interactions']:,} interactions, one thread: "
                "CPU time until the loss that the exact solver has after three epochs (within 1e-4), epochs in turn.")
    result.table("", ["d", "", "CPU-s an epoch", "epochs to that loss", "CPU-s to that loss", f"loss after {epochs}"], rows)
    return result
