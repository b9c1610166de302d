#!/usr/bin/env python3
"""Builds and runs every suite and adds up their tests. The last line is "N passed, N failed, N skipped".

    scripts/test                 everything, as in .ci/run
    scripts/test dev e2e         only these suites

Suites: asan (all GoogleTest programs under AddressSanitizer and UndefinedBehaviorSanitizer, and the include walls),
tsan (the rooms with threads under ThreadSanitizer), plain (the rooms with tests that sanitizers leave out, without any),
e2e (the release binary, driven from outside), fuzz (each libFuzzer target for
some seconds, where clang is there); and, only when named,
dev (as asan, without sanitizers: the quick one for daily work) and e2e-asan (as e2e, with the binary that the sanitizers
watch). Everything goes to build/; results of each suite to build/results/.
"""
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOMS = ["base", "data", "models", "engine", "server"]
ROOMS_WITH_THREADS = ["base", "data", "engine", "server"]
ROOMS_LEFT_PLAIN = ["base", "data"]  # have tests that skip themselves under sanitizers: the C library's own heap, millions of rows
SUITES = ["dev", "asan", "tsan", "plain", "e2e", "fuzz", "e2e-asan"]
SUITES_OF_CI = ["asan", "tsan", "plain", "e2e", "fuzz"]  # dev would test the same again
FUZZ_TARGETS = ["http_head", "json_body", "filter", "csv_mapping", "model_file", "tokens"]  # as tests/fuzz/targets.h
FUZZ_SECONDS = 10  # each; tests/fuzz/replay_test.cc goes over the seeds in every suite of GoogleTest besides
CTEST_TIMEOUT_SECONDS = "1500"  # of a whole program; the longest takes 400 on two quiet cores
SANITIZER_OPTIONS = {
    "asan": {
        # The distribution's RocksDB is not instrumented: a container that it fills looks overflown.
        "ASAN_OPTIONS": "detect_container_overflow=0:strict_string_checks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    },
    "tsan": {
        "TSAN_OPTIONS": "second_deadlock_stack=1:halt_on_error=1:suppressions="
                        + os.path.join(ROOT, "tests", "thread_sanitizer.supp"),
        # Judging is the same parallel loops over and over, minutes of them: those that compare thread counts are enough.
        "GTEST_FILTER": "-ColdEvaluationTest.*:ForeignFactorsTest.*:GeneralisationTest.*:ExplanationsTest.*"
                        ":LearningSignatureTest.*:JudgingTest.A*:JudgingTest.P*:JudgingTest.T*"
                        ":TrainerTest.A*:TrainerTest.O*:TrainerTest.S*"
                        ":ResponseTrainingTest.A*:ResponseTrainingTest.L*"
                        ":ContactLoggingTest.P*:ContactLoggingTest.W*:ContactLoggingTest.N*:ContactLoggingTest.TheF*"
                        # Thousands of calls from one thread.
                        ":OpenApiWalk.*",
    },
}


class Counts:
    """Tests of one suite; a program that ends without a result counts as one failure."""

    def __init__(self, passed=0, failed=0, skipped=0, failures=()):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.failures = list(failures)  # a text for each that is known by name

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def say(text):
    print(text, flush=True)


def run_quietly(name, arguments, environment=None):
    """Runs with its output in build/results/NAME.log; shows the end of it when the command fails."""
    path = os.path.join("build", "results", name + ".log")
    with open(path, "wb") as log:
        code = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                              env={**os.environ, **(environment or {})}).returncode
    if code != 0:
        with open(path, encoding="utf-8", errors="replace") as log:
            say("".join(log.readlines()[-200:]))
        say(f"{name}: failed with {code}; all of it is in {path}")
    return code


def build(preset, targets):
    started = time.monotonic()
    code = run_quietly(f"{preset}-configure", ["cmake", "--preset", preset])
    if code == 0:
        code = run_quietly(f"{preset}-build", ["cmake", "--build", "--preset", preset, "--target", *targets])
    say(f"{preset}: built in {time.monotonic() - started:.0f} s" if code == 0 else f"{preset}: did not build")
    return code == 0


def count_googletest(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    counts = Counts()
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            if test.get("failures"):
                counts.failed += 1
                counts.failures.append(f"{suite['name']}.{test['name']}: {test['failures'][0]['failure']}")
            elif test.get("result") in ("SKIPPED", "SUPPRESSED") or test.get("status") == "NOTRUN":
                counts.skipped += 1
            else:
                counts.passed += 1
    return counts


def count_ctest(preset, folder):
    """GoogleTest programs by their tests, other tests as one each."""
    counts = Counts()
    for case in xml.parse(os.path.join(folder, "ctest.xml")).getroot().iter("testcase"):
        name, passed = case.get("name"), case.get("status") == "run"
        report = os.path.join(folder, f"{name}_test.json")
        one = Counts(passed=int(passed), failed=int(not passed))
        if os.path.exists(report):
            one = count_googletest(report)
            # A sanitizer's finding at exit, or a crash: the program failed although no test of it did.
            if not passed and one.failed == 0:
                one.failed = 1
                one.failures.append(f"{name}: no test failed, and the program did (a finding at its end?)")
        elif passed and name in ROOMS:
            one = Counts(failed=1)
            say(f"{preset}: {name} passed but wrote no result")
        if not passed and not one.failures:
            one.failures.append(f"{name}: ended in the middle")
        say(f"{preset}: {name}: {one}")
        counts.add(one)
    return counts


def run_ctest(preset, rooms, others):
    """Builds a preset's test programs and runs them. Every room without tests yet is left out."""
    rooms = [r for r in rooms if any(n.endswith(".cc") for n in os.listdir(os.path.join("tests", r)))]
    if not build(preset, [f"{room}_test" for room in rooms]):
        return Counts(failed=1)
    folder = os.path.join(ROOT, "build", "results", preset)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    environment = {"GTEST_OUTPUT": f"json:{folder}/", **SANITIZER_OPTIONS.get(preset, {})}
    run = ["ctest", "--parallel", "2", "--test-dir", f"build/{preset}", "--output-on-failure", "--no-tests=error",
           "--timeout", CTEST_TIMEOUT_SECONDS, "-R", f"^({'|'.join(rooms + others)})$",
           "--output-junit", os.path.join(folder, "ctest.xml")]
    if preset == "tsan" and shutil.which("setarch"):
        # Newer kernels place mappings where this compiler's thread sanitizer does not expect them.
        if subprocess.run(["setarch", "-R", "true"], stderr=subprocess.DEVNULL).returncode == 0:
            run = ["setarch", "-R", *run]
    started = time.monotonic()
    code = run_quietly(f"{preset}-ctest", run, environment)
    say(f"{preset}: ran in {time.monotonic() - started:.0f} s")
    counts = count_ctest(preset, folder)
    if code != 0:
        with open(os.path.join("build", "results", f"{preset}-ctest.log"), encoding="utf-8", errors="replace") as log:
            counts.failures += [line.strip() for line in log if "SUMMARY: " in line]  # a sanitizer's
    return counts


def run_e2e(suite, preset):
    # The bench's own test drives two of its programs, and none may fall behind; sanitizers are built without them.
    programs = ["rapport_benches"] if preset == "release" else []
    if not build(preset, ["rapport", *programs]):
        return Counts(failed=1)
    clients = os.path.join("tests", "e2e")
    arguments = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", clients]
    if run_quietly("e2e-npm", arguments) != 0:
        return Counts(failed=1)
    report = os.path.join("build", "results", f"{suite}.json")
    if os.path.exists(report):
        os.remove(report)
    started = time.monotonic()
    subprocess.run([sys.executable, os.path.join(clients, "run.py"), "--binary", f"build/{preset}/rapport",
                    "--report", report], stdin=subprocess.DEVNULL,
                   env={**os.environ, **SANITIZER_OPTIONS.get(preset, {})})
    say(f"{suite}: ran in {time.monotonic() - started:.0f} s")
    if not os.path.exists(report):
        return Counts(failed=1)
    with open(report, encoding="utf-8") as file:
        return Counts(**json.load(file))


def run_fuzz():
    """What libFuzzer finds in a few seconds, from the committed seeds and what earlier runs in this clone kept."""
    if subprocess.run(["scripts/install-packages", "fuzz"], stdin=subprocess.DEVNULL).returncode != 0 or not shutil.which("clang++-14"):
        say("fuzz: SKIPPED: clang 14 and its run-time library cannot be installed here")
        return Counts(skipped=len(FUZZ_TARGETS))
    if not build("fuzz", [f"fuzz_{target}" for target in FUZZ_TARGETS]):
        return Counts(failed=1)
    counts, started = Counts(), time.monotonic()
    for target in FUZZ_TARGETS:
        code = run_quietly(f"fuzz-{target}", ["scripts/fuzz", str(FUZZ_SECONDS), target])
        found = Counts(passed=1) if code == 0 else Counts(failed=1, failures=[f"{target}: see build/fuzz/crashes"])
        counts.add(found)
    say(f"fuzz: ran in {time.monotonic() - started:.0f} s")
    return counts


def main(chosen):
    unknown = [suite for suite in chosen if suite not in SUITES]
    if unknown:
        say(f"no such suite: {' '.join(unknown)}; there are: {' '.join(SUITES)}")
        return 2
    os.chdir(ROOT)
    os.makedirs(os.path.join("build", "results"), exist_ok=True)
    total, started = Counts(), time.monotonic()
    for suite in chosen or SUITES_OF_CI:
        if suite == "e2e":
            counts = run_e2e(suite, "release")
        elif suite == "e2e-asan":
            counts = run_e2e(suite, "asan")
        elif suite == "fuzz":
            counts = run_fuzz()
        elif suite == "plain":
            counts = run_ctest("release", ROOMS_LEFT_PLAIN, [])
        elif suite == "tsan":
            counts = run_ctest(suite, ROOMS_WITH_THREADS, [])
        else:
            counts = run_ctest(suite, [*ROOMS, "fuzz"], ["include_walls"])
        say(f"{suite}: {counts}\n")
        counts.failures = [f"{suite}: {failure}" for failure in counts.failures]
        total.add(counts)
    for failure in total.failures:  # last, where whoever sees only the end finds them
        say("FAILED " + failure)
    say(f"all suites in {(time.monotonic() - started) / 60:.1f} minutes")
    say(str(total))
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
