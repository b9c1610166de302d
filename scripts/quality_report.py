"""What `make quality` measured, as docs/QUALITY.md, docs/plots/*.svg and the targets of build/quality.json.

Plots need matplotlib (Debian: python3-matplotlib); without it the pages are written without new plots, and that is said.
"""
import json
import os
import subprocess
import sys

import quality_joint
import quality_timing
from quality_joint import interval

# Published or set beside each figure in the targets' table.
GOWALLA = {
    "EASE": ("ease_100", .1764, .1466, "equal"),
    "iALS d = 512": ("ials_512", .1795, .148, "least"),
    "iALS d = 1024": ("ials_1024", .183, .150, "least"),
    "blend": ("blend", .189, .156, "least"),
}
GOWALLA_STRETCH = (.1920, .1597)  # BSPM-EM, Choi et al. 2023
EQUAL_WITHIN = .0005
BLEND_BELOW_AT_MOST = .005
TABLES = [("online-retail-ii", "Online Retail II"), ("movietweetings", "MovieTweetings"),
          ("ml-latest-small", "ml-latest-small")]
BLEND = "blend, as served"
OWN_BLEND = "blend, fitted for this task"
MIXES = {BLEND, OWN_BLEND, "iALS + repeats", "iALS + item kNN by baskets"}


class Targets:
    """Rows of build/quality.json in the order they are asked."""

    def __init__(self):
        self.rows = []

    def add(self, name, value, target, met):
        self.named("content." + name, value, target, met)

    def contact(self, name, value, target, met):
        self.named("contact." + name, value, target, met)

    def named(self, name, value, target, met):
        self.rows.append({"name": name, "value": value, "target": target, "met": bool(met)})

    def least(self, name, value, target):
        self.add(name, round(value, 5), target, value >= target)

    def above_zero(self, name, interval):
        self.add(name, [round(interval[k], 5) for k in ("mean", "lower", "upper")], "lower bound above 0",
                 interval["lower"] > 0)


def signed(value):
    return f"{value['mean']:+.4f} [{value['lower']:+.4f} {value['upper']:+.4f}]"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def row_of(evaluation, task, model):
    for one in evaluation["tables"]:
        if one["task"] == task:
            for row in one["rows"]:
                if row["model"] == model:
                    return row
    return None


# ---- evaluations with a time split ----

def evaluation_page(key, title, evaluation, plots, level="##"):
    text = f"{level} {title}\n```\n{evaluation['command']}\n```\n"
    before = evaluation["before"]
    parts = evaluation.get("parts", 1)
    text += (f"Fitted on {before['lines']:,} lines of {before['customers']:,} customers and {before['items']:,} items before "
             f"{evaluation['split'][:10]}, judged until {evaluation['until'][:10]}"
             + (f" in {parts} parts, refitted before each; a customer counts once" if parts > 1 else "") + ".\n\n")
    for one in evaluation["tables"]:
        if not one["rows"]:
            continue
        cases = f" ({one['cases']:,} cases)" if one.get("cases", 0) > one["customers"] else ""
        text += f"### {title}, {one['task']}: {one['customers']:,} customers{cases}, {one['relevantMean']:.1f} relevant items each\n"
        if one.get("note"):
            text += one["note"] + "\n\n"
        rows = [[row["model"], interval(row["ndcg10"]), interval(row["recall10"]), interval(row["recall20"]),
                 f"{row['coverage20']:.3f}", "" if row is one["rows"][-1] else signed(row["blendGain"]),
                 row.get("settings", "")] for row in one["rows"]]
        text += table(["", "NDCG@10", "Recall@10", "Recall@20", "coverage@20", "the blend's paired gain, NDCG@10",
                       "settings"], rows)
        name = f"{key}-{one['task'].replace(' ', '-')}"
        plots.append((name, f"{title}: {one['task']}, NDCG@10",
                      [(row["model"], row["ndcg10"]) for row in one["rows"]]))
        text += f"\n![{one['task']}](plots/{name}.svg)\n\n"
    runs = evaluation.get("tuning", [])
    if runs:
        models = sorted({run["model"] for run in runs})
        text += (f"Tuned on validation days before the split: {len(runs)} runs, {len(runs) // len(models)} for each of "
                 f"{len(models)} models, the defaults being the first.\n\n<details><summary>Every run</summary>\n\n")
        text += table(["model", "settings", "next basket", "new items"],
                      [[run["model"], run["settings"], f"{run['nextBasketNdcg10']:.4f}", f"{run['newItemsNdcg10']:.4f}"]
                       for run in runs])
        text += "\n</details>\n\n"
    return text


def best_single(one):
    return max((row for row in one["rows"] if row["model"] not in MIXES), key=lambda row: row["ndcg10"]["mean"])


def evaluation_targets(key, evaluation, targets, ratios):
    slug = key.replace("-", "_")
    for one in evaluation["tables"]:
        if not one["rows"]:
            continue
        task = one["task"].replace(" ", "_")
        blend = row_of(evaluation, one["task"], BLEND)
        best = best_single(one)
        ratios[f"{slug}.{task}"] = blend["ndcg10"]["mean"] / max(best["ndcg10"]["mean"], 1e-12)
        if key != "online-retail-ii":
            targets.above_zero(f"{slug}.{task}.gain_over_best_single", best["blendGain"])
    if key == "online-retail-ii":
        next_basket, new = row_of(evaluation, "next basket", BLEND), row_of(evaluation, "new items", BLEND)
        targets.least(f"{slug}.next_basket.ndcg10", next_basket["ndcg10"]["mean"], .280)
        targets.least(f"{slug}.next_basket.recall10", next_basket["recall10"]["mean"], .166)
        targets.above_zero(f"{slug}.next_basket.gain_over_personal_frequency",
                           row_of(evaluation, "next basket", "personal frequency")["blendGain"])
        targets.least(f"{slug}.new_items.ndcg10", new["ndcg10"]["mean"], .123)
        targets.least(f"{slug}.new_items.recall20", new["recall20"]["mean"], .103)
        for rival in ("item kNN by baskets", "item kNN by customers", "recent popularity"):
            targets.above_zero(f"{slug}.new_items.gain_over_{rival.replace(' ', '_')}",
                               row_of(evaluation, "new items", rival)["blendGain"])


def cold_targets(evaluation, targets):
    for one in evaluation["tables"]:
        for row in one["rows"]:
            if row["model"] in ("popularity", "attribute kNN"):
                targets.above_zero(f"{one['task'].replace(' ', '_')}.recall20_gain_over_{row['model'].replace(' ', '_')}",
                                   row["blendGainRecall20"])


def explanations_page(evaluation, targets):
    text = (f"## Explanations\n```\n{evaluation['command']}\n```\nOnline Retail II, {evaluation['cases']:,} shown items of customers "
            f"with {evaluation['historyMean']:.1f} items on average: the stated shares against what the score loses when each item of the "
            "history is really taken away; Spearman's rank correlation by case.\n\n")
    text += table(["", "rank correlation", "strongest reason is the strongest"],
                  [[row["reasons"], interval(row["rankCorrelation"]), f"{row['strongest']:.3f}"]
                   for row in evaluation["rows"]])
    for row in evaluation["rows"]:
        if not row["reasons"].endswith("as stated"):
            continue  # what they are held against
        targets.least(f"explanations.rank_correlation.{row['reasons'].split(':')[0]}", row["rankCorrelation"]["mean"],
                      .9)
    return text + "\n"


# ---- Gowalla ----

def gowalla_page(rows, plots):
    test = [row for row in rows if row["stage"] == "test"]
    validation = [row for row in rows if row["stage"] == "validation"]
    text = "## Gowalla, the published split\n```\nbuild/release/bench/rapport_published_split TRAIN TEST\n```\n"
    text += (f"Full ranking over the catalogue, {test[0]['customers']:,} customers; every setting and the blend's weights were chosen "
             "on a validation split of the training half (a fifth of each customer's items), the test half measured once. "
             "Customer power p: an item of a customer with n of them weighs (n / mean n)^-p.\n\n")
    text += table(["", "Recall@20", "NDCG@20", "settings", "fit, s"],
                  [[row["model"], interval(row["recall20"]), interval(row["ndcg20"]), settings_text(row["settings"]),
                    f"{row['fitSeconds']:.0f}"] for row in test])
    plots.append(("gowalla", "Gowalla: NDCG@20", [(row["model"], row["ndcg20"]) for row in test]))
    text += "\n![Gowalla](plots/gowalla.svg)\n\n<details><summary>Every run on the validation split</summary>\n\n"
    text += table(["", "settings", "Recall@20", "NDCG@20"],
                  [[row["model"], settings_text(row["settings"]), f"{row['recall20']['mean']:.4f}",
                    f"{row['ndcg20']['mean']:.4f}"] for row in validation])
    return text + "\n</details>\n\n"


def settings_text(settings):
    words = {"unobservedWeight": "unobserved weight", "lowPassShare": "low-pass share", "customerPower": "customer power"}
    parts = []
    for name, value in settings.items():
        if isinstance(value, list):
            value = " ".join(f"{one:.2f}" for one in value)
        parts.append(f"{words.get(name, name)} {value}")
    return ", ".join(parts)


def gowalla_targets(rows, targets, ratios):
    test = {row["model"]: row for row in rows if row["stage"] == "test"}
    for model, (slug, recall, ndcg, kind) in GOWALLA.items():
        for measure, target in (("recall20", recall), ("ndcg20", ndcg)):
            if model not in test:
                targets.add(f"gowalla.{slug}.{measure}", "not measured", target, False)
                continue
            value = test[model][measure]["mean"]
            if kind == "equal":
                targets.add(f"gowalla.{slug}.{measure}", round(value, 5), f"{target} within {EQUAL_WITHIN}",
                            abs(value - target) <= EQUAL_WITHIN + 5e-5)  # the published figure is rounded
            else:
                targets.least(f"gowalla.{slug}.{measure}", value, target)
    singles = [row for name, row in test.items() if name != "blend" and not name.startswith("implicit")]
    if "blend" in test:
        for measure, target in zip(("recall20", "ndcg20"), GOWALLA_STRETCH):
            targets.least(f"gowalla.blend.stretch.{measure}", test["blend"][measure]["mean"], target)
        ratios["gowalla"] = test["blend"]["ndcg20"]["mean"] / max(row["ndcg20"]["mean"] for row in singles)


# ---- decisions ----

def decisions_page(measured, targets):
    kinds = {"kept": "kept on the disk before it is answered", "dry": "the same without keeping it (`dryRun`)"}
    for share in ("p50", "p99"):
        value = measured[f"kept_{share}_ratio"]
        targets.contact(f"decision.over_page_view.{share}", round(value, 2), "at most 3", value <= 3)
    return ("## A decision beside a page view\n```\n" + measured["command"] + "\n```\n"
            "Latency over HTTP, one client, turn by turn: a decision over 50 contents x 168 hours x 5 channels against a page of 20 items.\n\n"
            + table(["decision / page view", "p50", "p99"],
                    [[words, f"{measured[f'{kind}_p50_ratio']:.2f}", f"{measured[f'{kind}_p99_ratio']:.2f}"]
                     for kind, words in kinds.items()]) + "\n")


# ---- the pages ----

def plot(plots, folder):
    """In the first Python that has matplotlib: this one, or the distribution's."""
    if not plots:
        return
    os.makedirs(folder, exist_ok=True)
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "import matplotlib"], capture_output=True).returncode == 0:
            subprocess.run([python, os.path.abspath(__file__), folder], input=json.dumps(plots), text=True, check=True)
            return
    print("SKIPPED: plots: matplotlib is not installed (apt-get install python3-matplotlib)", flush=True)


def draw(plots, folder):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "rapport"  # the same figures, the same bytes
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    from matplotlib import pyplot
    for name, title, points in plots:
        if isinstance(points, dict):
            draw_lines(name, title, points["lines"], folder, pyplot)
            continue
        figure, axes = pyplot.subplots(figsize=(7.5, 0.6 + 0.34 * len(points)))
        places = range(len(points) - 1, -1, -1)
        for place, (label, value) in zip(places, points):
            color = "#b5371f" if label.startswith("blend") else "#33658a"
            axes.plot([value["lower"], value["upper"]], [place, place], color=color, linewidth=2)
            axes.plot(value["mean"], place, "o", color=color, markersize=5)
        axes.set_yticks(list(places), [label for label, _ in points])
        axes.set_ylim(-0.6, len(points) - 0.4)
        axes.set_xlim(left=0)
        axes.grid(axis="x", color="#dddddd")
        axes.set_axisbelow(True)
        axes.set_title(title + " (95 % intervals)", fontsize=10)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(os.path.join(folder, name + ".svg"), bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)


def allocation_page(measured, targets):
    """A batch under shared limits: seconds, gap, limits exceeded."""
    rows = measured["rows"]
    for row in rows:
        kind = "10_limits" if row["limits"] == 10 else str(row["limits"])
        targets.contact(f"allocation.seconds_{kind}", round(row["seconds"], 1), "at most 60", row["seconds"] <= 60)
        targets.contact(f"allocation.gap_{kind}", round(row["gap"], 6), "below .001", row["gap"] < .001)
    wrong = sum(row["limitsExceeded"] + (0 if row["right"] else 1) for row in rows)
    targets.contact("allocation.limits_exceeded", wrong, "0", wrong == 0 and len(rows) == 2)
    return f"## Allocation\n\n`{measured['command']}`\n\n" + table(
        ["limits", "customers", "seconds", "of them reading", "CPU seconds", "gap", "exceeded", "sends"],
        [[str(row["limits"]), f"{row['customers']:,}", f"{row['seconds']:.1f}", f"{row['readSeconds']:.1f}",
          f"{row['cpuSeconds']:.1f}", f"{100 * row['gap']:.4f} %", str(row["limitsExceeded"]), f"{row['sends']:,}"]
         for row in rows]) + "\n"


# ---- judging decisions ----

def estimators_page(rows, targets):
    text = ("## Off-policy estimators: coverage\n```\nbuild/release/bench/rapport_estimators\n```\n"
            "Share of simulated logs whose 95 % interval holds the truth, beside two broken twins.\n\n")
    sound = [row for row in rows if row["twin"] == "as it is"]
    text += table(["regime", "", "logs", "refused", "effective decisions", "largest weight"]
                  + [one["estimator"] for one in rows[0]["estimators"]],
                  [[row["regime"], row["twin"], str(row["logs"]), str(row["refused"]), f"{row['effectiveDecisions']:.0f}",
                    f"{row['weightLargest']:.0f}"]
                   + ["" if row["refused"] == row["logs"] else f"{100 * one['coverage']:.1f} %" for one in row["estimators"]]
                   for row in rows])
    for place, one in enumerate(rows[0]["estimators"]):
        for row in sound:
            covered = row["estimators"][place]["coverage"]
            name = f"{one['estimator']}.{row['regime']}".lower().replace(",", "").replace(" ", "_").replace("-", "_")
            targets.contact(f"estimators.coverage.{name}", round(covered, 4), ".93 to .97",
                            .93 <= covered <= .97 and row["refused"] < row["logs"])
    return text + "\n"


def open_bandit_page(rows, targets):
    text = ("## Open Bandit small\n```\nbuild/release/bench/rapport_open_bandit FOLDER\n```\n"
            "Click rate of BTS from the uniform policy's log, and the BTS log's own mean. So few clicks tell little: the check is "
            "of the format and the formulas.\n\n")
    lines = []
    for row in rows:
        lines.append([row["campaign"], "BTS log's own mean", rate(row["own"]), f"{row['ownClicks']:.0f}", ""])
        for one in row["estimators"]:
            lines.append([row["campaign"], one["estimator"], rate(one["value"]), f"{row['clicks']:.0f}",
                          f"{one['standardErrorsApart']:+.2f}"])
            name = one["estimator"].lower().replace("-", "_")
            targets.contact(f"open_bandit.{row['campaign']}.{name}", round(one["standardErrorsApart"], 3),
                            "own mean within 1.96 standard errors", abs(one["standardErrorsApart"]) <= 1.96)
    return text + table(["campaign", "", "click rate", "clicks", "standard errors apart"], lines) + "\n"


def rate(value):
    return f"{value['mean']:.5f} [{value['lower']:.5f} {value['upper']:.5f}]"


def hillstrom_page(rows, targets):
    text = ("## Hillstrom e-mail: whom to send which\n```\nbuild/release/bench/rapport_hillstrom FOLDER\n```\n"
            "Cross-fitted; area between the Qini curve and a random order, in responses per customer.\n\n")
    lines = []
    for row in rows:
        for one in row["models"]:
            lines.append([row["outcome"], one["model"], rate(one["coefficient"]), rate(one["overBestArm"]),
                          rate(one["gainSentToAll"])])
        lines.append([row["outcome"], "shared less two models", "", rate(row["sharedOverTwoModels"]), ""])
        shared, difference = row["models"][1]["coefficient"], row["sharedOverTwoModels"]
        if row["outcome"] == "visit":
            targets.contact("hillstrom.qini.visit", [round(shared[k], 5) for k in ("mean", "lower", "upper")],
                            "lower bound above 0", shared["lower"] > 0)
        targets.contact(f"hillstrom.qini.{row['outcome']}.over_two_models",
                        [round(difference[k], 5) for k in ("mean", "lower", "upper")], "not below 0 beyond noise",
                        difference["upper"] >= 0)
    return text + table(["outcome", "model", "Qini coefficient", "over the best single arm to anybody, in random order",
                         "sent to all, over the best single arm"], lines) + "\n"


def draw_lines(name, title, lines, folder, pyplot):
    figure, axes = pyplot.subplots(figsize=(7.5, 4.2))
    for label, color, points in lines:
        places = [place for place, _ in points]
        axes.fill_between(places, [value["lower"] for _, value in points], [value["upper"] for _, value in points],
                          color=color, alpha=.2, linewidth=0)
        axes.plot(places, [value["mean"] for _, value in points], "o-", color=color, markersize=4, label=label)
    axes.set_xlabel("interaction dial")
    axes.set_ylim(0, 1)
    axes.grid(color="#dddddd")
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    axes.set_title(title + " (95 % intervals)", fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(os.path.join(folder, name + ".svg"), bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


# ---- a part, and all of them ----

def evaluation_part(key, title):
    def render(measured, targets, ratios, plots):
        evaluation_targets(key, measured["evaluation"], targets, ratios)
        return evaluation_page(key, title, measured["evaluation"], plots)
    return render


def gowalla_part(measured, targets, ratios, plots):
    gowalla_targets(measured["rows"], targets, ratios)
    return gowalla_page(measured["rows"], plots)


def cold_start_part(measured, targets, _, plots):
    cold_targets(measured["evaluation"], targets)
    return evaluation_page("cold-start", "Cold start", measured["evaluation"], plots)


def generalisation_part(measured, _, ratios, plots):
    text = "## Strong generalisation\n"
    for title, evaluation in measured.items():
        key = "strong-generalisation-" + title.lower().replace(" ", "-")
        text += evaluation_page(key, title, evaluation, plots, "###")
        own = row_of(evaluation, "strong generalisation", OWN_BLEND)
        best = best_single(evaluation["tables"][0])
        ratios[key.replace("-", "_")] = own["ndcg10"]["mean"] / max(best["ndcg10"]["mean"], 1e-12)
    return text


def joint_part(measured, targets, _, plots):
    targets.rows += quality_joint.targets(measured)
    return quality_joint.page(measured, table, plots)


# part: function(measured, targets, ratios, plots) -> the section's text; the order is that of the page.
SECTIONS = {
    "gowalla": gowalla_part, **{key: evaluation_part(key, title) for key, title in TABLES}, "cold-start": cold_start_part,
    "explanations": lambda measured, targets, *_: explanations_page(measured["evaluation"], targets),
    "strong-generalisation": generalisation_part,
    "allocation": lambda measured, targets, *_: allocation_page(measured, targets),
    "estimators": lambda measured, targets, *_: estimators_page(measured["rows"], targets),
    "open-bandit": lambda measured, targets, *_: open_bandit_page(measured["rows"], targets),
    "hillstrom": lambda measured, targets, *_: hillstrom_page(measured["rows"], targets),
    "contact-activity": lambda measured, targets, *_: quality_timing.activity_section(measured, targets.named, table),
    "contact-bank": lambda measured, targets, *_: quality_timing.bank_section(measured, targets.named, table),
    "decisions": lambda measured, targets, *_: decisions_page(measured, targets),
    "joint-decision": joint_part,
}


def render(part, measured):
    """One part's section as it is kept in docs/measured/quality/PART.json: {"body", "targets", "ratios", "plots"}."""
    targets, ratios, plots = Targets(), {}, []
    body = SECTIONS[part](measured, targets, ratios, plots)
    return {"body": body, "targets": targets.rows, "ratios": ratios, "plots": plots}


def write(pieces, root):
    """Pages and targets of the parts there are, {part: what render gave}; gives the targets' rows back."""
    known = [pieces[part] for part in SECTIONS if part in pieces]
    targets = Targets()
    targets.rows = [row for piece in known for row in piece["targets"]]
    ratios = {name: ratio for piece in known for name, ratio in piece["ratios"].items()}
    for name, ratio in ratios.items():
        targets.least(f"blend_over_best_single.{name}", ratio, 1 - BLEND_BELOW_AT_MOST)
    if ratios:
        above = sum(ratio > 1 for ratio in ratios.values())
        targets.add("blend_over_best_single.above", above, "at least 2", above >= 2)
    page = ("# Quality\n\nWritten by `make quality`; do not edit. How it is judged: [JUDGING.md](JUDGING.md). Intervals are 95 %, bootstrap by "
            "customer; a gain is paired.\n\n## Targets\n\n")
    page += table(["target", "value", "wanted", "met"],
                  [[row["name"], show(row["value"]), str(row["target"]), "yes" if row["met"] else "**no**"]
                   for row in targets.rows])
    body = "".join(piece["body"].rstrip("\n") + "\n\n" for piece in known)
    with open(os.path.join(root, "docs", "QUALITY.md"), "w", encoding="utf-8") as file:
        file.write((page + "\n" + body).rstrip("\n") + "\n")
    with open(os.path.join(root, "build", "quality.json"), "w", encoding="utf-8") as file:
        json.dump(targets.rows, file, indent=1)
        file.write("\n")
    plot([drawing for piece in known for drawing in piece["plots"]], os.path.join(root, "docs", "plots"))
    return targets.rows


def show(value):
    if isinstance(value, list):
        return f"{value[0]:+.4f} [{value[1]:+.4f} {value[2]:+.4f}]"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    draw(json.load(sys.stdin), sys.argv[1])
