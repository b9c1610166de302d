"""What the parts of `make bench-peers` share: where things are, how programs and peers are run, ratios, and the one form
in which a part hands back what it measured.

A part is a function PART(bench) -> Result, or None when nothing could be measured. A Result is blocks of the page in
order, and targets; it is kept as docs/measured/PART.json, with the command, the machine and what was skipped:
    {"title", "blocks": [{"kind": "text" | "command" | "table" | "plot", ...}],
     "targets": [{"name", "value", "target", "met", "note"}], "measured": anything, "command", "machine", "skipped"}
"""
import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Settings of a workplace that would choose a peer's linear algebra for it: a peer picks its own.
NOT_FOR_PEERS = ("OPENBLAS_", "MKL_", "BLIS_", "GOTO_", "OMP_", "NVPL_")


def say(text):
    print(text, flush=True)


class WrongAnswer(Exception):
    """An answer that is checked before it is timed was wrong: the bench stops, nothing of it is reported."""


class Bench:
    """One run: paths, options of the command line, the peers' environment. Used by one thread."""

    def __init__(self, options, root=ROOT):
        self.root = root
        self.options = options
        self.work = os.path.join(root, "build", "bench-peers")
        self.programs = os.path.join(root, "build", "release", "bench")
        self.binary = os.path.join(root, "build", "rapport")
        self.data = os.environ.get("DATA") or os.path.join(os.path.dirname(root), "shared", "data")
        self.skipped = []
        self._peers = None
        os.makedirs(self.work, exist_ok=True)

    def skip(self, what):
        """Says loudly, here and on the page, that something was not measured."""
        say(f"SKIPPED: {what}")
        self.skipped.append(what)

    def data_folder(self, name):
        path = os.path.join(self.data, name)
        if os.path.isdir(path):
            return path
        self.skip(f"{name}: there is no {name} in the data folder (set DATA=FOLDER)")
        return None

    def program(self, name):
        return os.path.join(self.programs, name)

    def path(self, name):
        return os.path.join(self.work, name)

    def measured_path(self, part):
        return os.path.join(self.root, "docs", "measured", part + ".json")

    def run_json(self, arguments):
        """Runs to the end; the JSON of its last line. A program that ends with 3 found a wrong answer."""
        say("  $ " + " ".join(self.short(a) for a in arguments))
        done = subprocess.run(arguments, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              env=peer_environment())
        if done.returncode == 3:
            raise WrongAnswer(done.stdout.strip().splitlines()[-1] if done.stdout.strip() else " ".join(arguments))
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}")
        return json.loads(done.stdout.splitlines()[-1])

    def short(self, path):
        return os.path.relpath(path, self.root) if os.path.isabs(path) and path.startswith(self.root) else path

    def peers(self):
        """The Python that has the packages of bench/requirements.txt, in a throw-away environment made here; None, said
        loudly, where it cannot be made."""
        if self._peers is None:
            self._peers = self._make_peers() or ""
        return self._peers or None

    def _make_peers(self):
        folder = self.path("peers")
        python = os.path.join(folder, "bin", "python")
        wanted = os.path.join(self.root, "bench", "requirements.txt")
        with open(wanted, encoding="utf-8") as file:
            text = file.read()
        mark = os.path.join(folder, "requirements.txt")
        if os.path.exists(mark) and open(mark, encoding="utf-8").read() == text:
            return python
        say("making the peers' environment (bench/requirements.txt)")
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", wanted],
                           check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skip(f"every peer: {error}; they need python3-venv, a compiler and a package index")
            return None
        with open(mark, "w", encoding="utf-8") as file:
            file.write(text)
        return python

    def worker(self, arguments):
        return Worker(self, arguments)


def peer_environment(**more):
    """This environment without what would choose a linear algebra for the peer."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(NOT_FOR_PEERS)}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", **more}  # implicit asks for it: it brings its own threads


class Worker:
    """A program that answers each line of JSON on its input with one on its output, and rests in between: so that
    several take turns, each alone on the machine."""

    def __init__(self, bench, arguments):
        say("  $ " + " ".join(bench.short(a) for a in arguments))
        self.name = bench.short(arguments[0])
        self.process = subprocess.Popen(arguments, cwd=bench.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=peer_environment())

    def ask(self, **question):
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # its end is told below
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()} instead of an answer")
        answer = json.loads(line)
        if "wrong" in answer:
            raise WrongAnswer(answer["wrong"])
        return answer

    def wait_until_ready(self):
        """For programs that say {"ready"} first: what they load would take time from whoever has its turn."""
        if "ready" not in json.loads(self.process.stdout.readline() or "{}"):
            raise RuntimeError(f"{self.name} ended with {self.process.wait()} before it was ready")
        return self

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        self.stop()


# ---- ratios ----

def ratio(over, under):
    """over / under of runs that took turns: {"median", "low", "high", "runs"} of the paired ratios."""
    values = sorted(a / b for a, b in zip(over, under))
    if not values:
        raise ValueError("no runs to compare")
    return {"median": statistics.median(values), "low": values[0], "high": values[-1], "runs": len(values)}


def ratio_text(value, digits=2):
    return f"{value['median']:.{digits}f}x [{value['low']:.{digits}f} {value['high']:.{digits}f}]"


def spread_text(values, scale=1.0, digits=3):
    ordered = sorted(value * scale for value in values)
    return f"{statistics.median(ordered):.{digits}f} [{ordered[0]:.{digits}f} {ordered[-1]:.{digits}f}]"


# ---- what a part hands back ----

class Result:
    def __init__(self, title):
        self.title = title
        self.blocks, self.targets, self.measured = [], [], {}

    def text(self, markdown):
        self.blocks.append({"kind": "text", "text": markdown})

    def command(self, line):
        self.blocks.append({"kind": "command", "text": line})

    def table(self, title, header, rows):
        """Cells are text."""
        self.blocks.append({"kind": "table", "title": title, "header": header, "rows": rows})

    def plot(self, name, title, x_label, y_label, series, log_x=False, log_y=False):
        """docs/plots/NAME.svg; series = [{"label", "x": [...], "y": [...]}]."""
        self.blocks.append({"kind": "plot", "name": name, "title": title, "x_label": x_label, "y_label": y_label,
                            "series": series, "log_x": log_x, "log_y": log_y})

    def target(self, name, value, target, met, note=""):
        """`note`: what was tried and what limits it, shown where the target is missed."""
        self.targets.append({"name": name, "value": value, "target": target, "met": bool(met), "note": note})

    def least(self, name, value, target, note=""):
        self.target(name, round(value, 4), f">= {target}", value >= target, note)

    def most(self, name, value, target, note=""):
        self.target(name, round(value, 4), f"<= {target}", value <= target, note)

    def stated(self, name, value):
        """A figure that is only asked for, not judged."""
        self.target(name, value, "stated", True)

    def to_json(self):
        return {"title": self.title, "blocks": self.blocks, "targets": self.targets, "measured": self.measured}
