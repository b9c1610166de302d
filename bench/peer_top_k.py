"""A peer's search for the best 100 for scripts/bench_top_k.py, on one thread, one query at a time:
    python bench/peer_top_k.py flat|ivf|hnsw FOLDER ITEMS      (a Python that has faiss or hnswlib, and numpy)
First line out: {"buildSeconds", "settings", "recall", "version"}; then {"seconds"} of CPU per query for each line
{"queries": N}. FOLDER has items.f32, queries.f32 and truth.u32 (64 x 100 rows, made by rapport_top_k). Settings: the least
effort whose recall is at least .99 (hnsw: at most ef 10000). hnsw: with the norm augmentation (items one dimension longer, sqrt(M^2 - |y|^2), so that
the nearest in L2 is the largest product)."""
import json
import os
import sys
import time

import numpy

BEST, RECALL, EFFORT_MAX = 100, .99, 10_000


def load(folder, items):
    y = numpy.fromfile(os.path.join(folder, "items.f32"), numpy.float32).reshape(items + 1, -1)
    x = numpy.fromfile(os.path.join(folder, "queries.f32"), numpy.float32).reshape(-1, y.shape[1])
    truth = numpy.fromfile(os.path.join(folder, "truth.u32"), numpy.uint32).reshape(len(x), BEST)
    return y[1:].copy(), x, truth.astype(numpy.int64) - 1


def recall_of(search, x, truth):
    return float(numpy.mean([len(numpy.intersect1d(search(row), right)) / BEST
                             for row, right in zip(x[:, None, :], truth)]))


def flat(y, x, truth):
    import faiss
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(y.shape[1])
    index.add(y)
    return lambda row: index.search(row, BEST)[1][0], "exact"


def ivf(y, x, truth):
    import faiss
    faiss.omp_set_num_threads(os.cpu_count())
    lists = int(4 * len(y) ** .5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(y.shape[1]), y.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = 64
    index.train(y)
    index.add(y)
    faiss.omp_set_num_threads(1)

    def search(row):
        return index.search(row, BEST)[1][0]
    index.nprobe = 1
    while index.nprobe < lists and recall_of(search, x, truth) < RECALL:
        index.nprobe = min(lists, max(index.nprobe + 1, int(index.nprobe * 1.25)))
    return search, f"{lists} lists, nprobe {index.nprobe}"


def hnsw(y, x, truth):
    import hnswlib
    norms = (y.astype(numpy.float64) ** 2).sum(axis=1)
    longer = numpy.hstack([y, numpy.sqrt(norms.max() - norms)[:, None].astype(numpy.float32)])
    index = hnswlib.Index("l2", longer.shape[1])
    index.init_index(len(y), ef_construction=200, M=16, random_seed=1)
    index.add_items(longer, num_threads=os.cpu_count())
    index.set_num_threads(1)

    def search(row):
        return index.knn_query(numpy.hstack([row, [[numpy.float32(0)]]]), BEST)[0][0]
    effort = BEST
    index.set_ef(effort)
    while effort < EFFORT_MAX and recall_of(search, x, truth) < RECALL:
        effort = int(effort * 1.25)
        index.set_ef(effort)
    return search, f"M 16, ef {effort}"


def version_of(kind):
    """Of the package that was searched with, and what it was compiled to use where it says so."""
    if kind == "hnsw":
        import importlib.metadata
        return importlib.metadata.version("hnswlib")
    import faiss
    options = faiss.get_compile_options().split() if hasattr(faiss, "get_compile_options") else []
    return " ".join([faiss.__version__, *(word for word in options if word.startswith("AVX"))])


def main():
    kind, folder, items = sys.argv[1], sys.argv[2], int(sys.argv[3])
    y, x, truth = load(folder, items)
    started = time.process_time()
    search, settings = globals()[kind](y, x, truth)
    built = time.process_time() - started
    sys.stdin.readline()
    print(json.dumps({"buildSeconds": built, "settings": settings, "recall": recall_of(search, x, truth),
                      "version": version_of(kind)}), flush=True)
    for line in sys.stdin:
        count = json.loads(line)["queries"]
        rows = [x[q % len(x)][None, :] for q in range(count)]
        started = time.process_time()
        for row in rows:
            search(row)
        print(json.dumps({"seconds": (time.process_time() - started) / count}), flush=True)


if __name__ == "__main__":
    main()
