"""implicit's ALS with its own defaults on a published split, measured as rapport_published_split measures:
    python bench/implicit_published_split.py TRAIN TEST
Prints one JSON line of the same form. Needs the packages of bench/requirements.txt."""
import json
import lzma
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # implicit asks for it
import implicit
import numpy
import scipy.sparse

DEPTH = 20


def pairs(path):
    opener = lzma.open if path.endswith(".xz") else open
    rows, columns = [], []
    with opener(path, "rt", encoding="ascii") as file:
        for line in file:
            numbers = [int(word) for word in line.split()]
            rows += [numbers[0]] * (len(numbers) - 1) if numbers else []
            columns += numbers[1:]
    return numpy.array(rows), numpy.array(columns)


def interval(values):
    draws = numpy.random.default_rng(1).integers(0, len(values), (1000, len(values)))
    means = numpy.sort(values[draws].mean(axis=1))
    return {"mean": float(values.mean()), "lower": float(means[25]), "upper": float(means[974])}


def main():
    (train_rows, train_columns), (test_rows, test_columns) = pairs(sys.argv[1]), pairs(sys.argv[2])
    shape = (max(train_rows.max(), test_rows.max()) + 1, max(train_columns.max(), test_columns.max()) + 1)
    train = scipy.sparse.csr_matrix((numpy.ones(len(train_rows), numpy.float32), (train_rows, train_columns)), shape)
    train.data[:] = 1
    test = scipy.sparse.csr_matrix((numpy.ones(len(test_rows), numpy.float32), (test_rows, test_columns)), shape)
    model = implicit.als.AlternatingLeastSquares(random_state=1)
    started = time.monotonic()
    model.fit(train, show_progress=False)
    fit_seconds = time.monotonic() - started
    discounts = 1 / numpy.log2(numpy.arange(DEPTH) + 2)
    ideal = numpy.cumsum(discounts)
    customers = numpy.flatnonzero(numpy.diff(test.indptr))
    recall, ndcg = [], []
    for block in numpy.array_split(customers, max(1, len(customers) // 1000)):
        shown, _ = model.recommend(block, train[block], N=DEPTH, filter_already_liked_items=True)
        for customer, items in zip(block, shown):
            relevant = test.indices[test.indptr[customer]:test.indptr[customer + 1]]
            hits = numpy.isin(items, relevant)
            recall.append(hits.sum() / len(relevant))
            ndcg.append((hits * discounts).sum() / ideal[min(DEPTH, len(relevant)) - 1])
    print(json.dumps({"stage": "test", "model": f"implicit {implicit.__version__}, its defaults",
                      "settings": {"factors": model.factors, "regularization": model.regularization, "alpha": model.alpha,
                                   "iterations": model.iterations},
                      "customers": len(customers), "recall20": interval(numpy.array(recall)),
                      "ndcg20": interval(numpy.array(ndcg)), "fitSeconds": fit_seconds}))


if __name__ == "__main__":
    main()
