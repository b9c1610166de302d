"""What the parts of `make bench-peers` measured, as docs/PERFORMANCE.md, docs/plots/*.svg and build/bench-peers.json, an
array of {name, value, target, met}. Knows no part by name: the form is that of bench_frame.Result.

Plots are drawn by the peers' environment or the distribution's python3-matplotlib; without either that is said.
"""
import json
import os
import platform
import subprocess
import sys

COLORS = ["#1f6f8b", "#d1495b", "#edae49", "#66a182", "#8d6a9f", "#555555", "#00798c"]


def write(measured, root, skipped, plot_pythons):
    """`measured`: {part: what Result.to_json gave}. Returns the rows of build/bench-peers.json."""
    rows = [row for part in measured.values() for row in part["targets"]]
    plots = []
    machines = list(dict.fromkeys(part["machine"] for part in measured.values()))
    text = head(rows, skipped, machines)
    for part in measured.values():
        text += f"## {part['title']}\n```\n{part['command']}\n```\n"
        text += f"On {part['machine']}.\n\n" if len(machines) > 1 else ""
        text += "".join(block_text(block, plots) for block in part["blocks"])
    with open(os.path.join(root, "docs", "PERFORMANCE.md"), "w", encoding="utf-8") as file:
        file.write(text.rstrip() + "\n")
    kept = [{key: row[key] for key in ("name", "value", "target", "met")} for row in rows]
    with open(os.path.join(root, "build", "bench-peers.json"), "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)
    draw_somewhere(plots, os.path.join(root, "docs", "plots"), plot_pythons)
    return kept


def head(rows, skipped, machines):
    judged = [row for row in rows if row["target"] != "stated"]
    text = ("# Performance\n\nWritten by `make bench-peers`: Rapport beside what people would use instead, on the same data, in one run, "
            "taking turns. Answers are checked before anything is timed. Machines are noisy: absolutes are stated, ratios are judged; "
            "figures are medians, in brackets the lowest and highest of the runs.\n\n")
    text += ("Machines differ from part to part and are named with each.\n\n" if len(machines) > 1
             else f"Machine: {machines[0] if machines else machine()}.\n\n")
    for what in skipped:
        text += f"SKIPPED: {what}\n\n"
    text += f"## Targets: {sum(row['met'] for row in judged)} of {len(judged)} met\n"
    text += table(["", "measured", "target", "met"],
                  [[f"`{row['name']}`", value_text(row["value"]), row["target"],
                    "" if row["target"] == "stated" else "yes" if row["met"] else "**no**"] for row in rows])
    missed = [row for row in judged if not row["met"] and row.get("note")]
    if missed:
        names = {}  # of the rows that share a reason
        for row in missed:
            names.setdefault(row["note"], []).append(f"`{row['name']}`")
        text += "\nMissed, and why:\n" + "".join(f"- {', '.join(rows)}: {note}\n" for note, rows in names.items())
    return text + "\n"


def machine():
    model = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line.split(":", 1) for line in file if ":" in line]
        facts = {key.strip(): value.strip() for key, value in lines}
        wide = [flag for flag in ("avx2", "avx512f", "avx512_vnni") if flag in facts.get("flags", "").split()]
        model = (f"{facts.get('model name', model)}, family {facts.get('cpu family', '?')} model {facts.get('model', '?')}, "
                 f"{', '.join(wide)}")
    except OSError:
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}; {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release().split('-')[0]}"


def value_text(value):
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def block_text(block, plots):
    if block["kind"] == "text":
        return block["text"].rstrip() + "\n\n"
    if block["kind"] == "command":
        return f"```\n{block['text']}\n```\n"
    if block["kind"] == "table":
        return (f"### {block['title']}\n" if block["title"] else "") + table(block["header"], block["rows"]) + "\n"
    plots.append(block)
    return f"![{block['title']}](plots/{block['name']}.svg)\n\n"


# ---- plots ----

def draw_somewhere(plots, folder, pythons):
    """In the first Python that has matplotlib."""
    if not plots:
        return
    os.makedirs(folder, exist_ok=True)
    for python in (*pythons, sys.executable, "/usr/bin/python3"):
        if python and os.path.exists(python) and subprocess.run([python, "-c", "import matplotlib"],
                                                                capture_output=True).returncode == 0:
            subprocess.run([python, os.path.abspath(__file__), folder], input=json.dumps(plots), text=True, check=True)
            return
    print("SKIPPED: plots: matplotlib is not installed (apt-get install python3-matplotlib)", flush=True)


def draw(plot, folder, pyplot):
    figure, axes = pyplot.subplots(figsize=(7.5, 4.2))
    for number, series in enumerate(plot["series"]):
        axes.plot(series["x"], series["y"], "o-", color=COLORS[number % len(COLORS)], markersize=4,
                  label=series["label"])
    if plot["log_x"]:
        axes.set_xscale("log")
    if plot["log_y"]:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(plot["x_label"])
    axes.set_ylabel(plot["y_label"])
    axes.set_title(plot["title"], fontsize=10)
    axes.grid(color="#dddddd")
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(os.path.join(folder, plot["name"] + ".svg"), metadata={"Date": None})
    pyplot.close(figure)


def main():
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "rapport"  # the same bytes for the same figures
    from matplotlib import pyplot
    for plot in json.load(sys.stdin):
        draw(plot, sys.argv[1], pyplot)


if __name__ == "__main__":
    main()
