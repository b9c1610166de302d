"""A peer's trainer for scripts/bench_training.py: one epoch for each line on its input, as `rapport_training train`:
    python bench/peer_trainer.py implicit|irspack MATRIX --factors 64 --threads 1 --unobserved A --regularization L --epochs N
Says {"ready"} once everything is loaded. Answers {"epoch", "cpu", "wall"}; with {"dump": PREFIX} in the line the factors are
written after the epoch, untimed.
One line more after the last epoch answers {"peakBytes", "versions"}.

The same loss as Rapport's with nu = 0, in each library's own words:
    irspack    alpha0 = a, reg = l, nu = 0, its IALSPP loss
    implicit   c (1 - z)^2 on what was seen and z^2 elsewhere, c = 1 + 1 / a: completing the square, this is Rapport's loss
               of z / t, t = 1 + a, so its regularization is l t / a and its factors are divided by sqrt t when written
"""
import argparse
import json
import resource
import sys
import time

import numpy
import scipy.sparse
import threadpoolctl


def matrix_of(path):
    with open(path, "rb") as file:
        rows, columns, entries = (int(n) for n in numpy.fromfile(file, numpy.uint64, 3))
        offsets = numpy.fromfile(file, numpy.uint64, rows + 1).astype(numpy.int64)
        indices = numpy.fromfile(file, numpy.uint32, entries).astype(numpy.int32)
    return scipy.sparse.csr_matrix((numpy.ones(entries, numpy.float32), indices, offsets), (rows, columns))


class Turns:
    """Waits for a line, lets one epoch run, answers."""

    def __init__(self):
        self.epoch = 0

    def ready(self):
        print(json.dumps({"ready": True}), flush=True)
        self.wait()

    def wait(self):
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        self.question = json.loads(line)
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def answer(self, factors):
        cpu, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        self.epoch += 1
        if "dump" in self.question:
            for name, values in zip(("customers", "items"), factors()):
                numpy.ascontiguousarray(values, numpy.float32).tofile(f"{self.question['dump']}.{name}")
        print(json.dumps({"epoch": self.epoch, "cpu": cpu, "wall": wall}), flush=True)


def implicit(matrix, options, turns):
    import implicit
    a = options.unobserved
    scale = 1 + a
    matrix.data[:] = 1 + 1 / a
    model = implicit.als.AlternatingLeastSquares(
        factors=options.factors, regularization=options.regularization * scale / a, iterations=options.epochs,
        num_threads=options.threads, random_state=1)

    def after(*_):
        turns.answer(lambda: (model.user_factors / scale ** .5, model.item_factors / scale ** .5))
        turns.wait()
    turns.ready()
    model.fit(matrix, show_progress=False, callback=after)
    return f"implicit {implicit.__version__}"


def irspack(matrix, options, turns):
    import importlib.metadata
    from irspack.recommenders._ials import LossType, SolverType
    from irspack.recommenders.ials import IALSTrainer
    turns.ready()
    trainer = IALSTrainer(matrix, options.factors, options.unobserved, options.regularization, 0.0, .1, SolverType.CG,
                          3, 64, LossType.IALSPP, 1, options.threads, 3, 1)
    for _ in range(options.epochs):
        trainer.run_epoch()
        turns.answer(lambda: (trainer.core_trainer.user, trainer.core_trainer.item))
        turns.wait()
    return f"irspack {importlib.metadata.version('irspack')}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["implicit", "irspack"])
    parser.add_argument("matrix")
    for name, kind in (("factors", int), ("threads", int), ("epochs", int), ("unobserved", float),
                       ("regularization", float)):
        parser.add_argument("--" + name, type=kind, required=True)
    options = parser.parse_args()
    turns = Turns()
    version = globals()[options.library](matrix_of(options.matrix), options, turns)
    blas = [f"{one['internal_api']} {one['version']} ({one.get('architecture', '?')}, {one['num_threads']} threads)"
            for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
    print(json.dumps({"peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "versions": ", ".join([version, f"numpy {numpy.__version__}", *blas])}), flush=True)


if __name__ == "__main__":
    main()
