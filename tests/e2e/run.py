#!/usr/bin/env python3
"""Runs the end-to-end tests against a built binary: python3 tests/e2e/run.py --binary build/dev/rapport [NAME...]

NAME is a test file, class or method as unittest has it (test_commands, test_commands.CommandsTest). With --report the
counts are written as JSON for scripts/run_tests.py.
"""
import argparse
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class CountingResult(unittest.TextTestResult):
    """Counts a sub-test that failed once, and each test that passed."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the rapport binary; otherwise the newest build")
    parser.add_argument("--report", help="write the counts here as JSON")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    if arguments.binary:
        os.environ["RAPPORT_BINARY"] = os.path.abspath(arguments.binary)
    loader = unittest.TestLoader()
    here = os.path.dirname(os.path.abspath(__file__))
    tests = loader.loadTestsFromNames(arguments.names) if arguments.names else loader.discover(here)
    result = unittest.TextTestRunner(verbosity=2, resultclass=CountingResult).run(tests)
    failed = len(result.failures) + len(result.errors)
    counts = {"passed": result.passed, "failed": failed, "skipped": len(result.skipped),
              "failures": [f"{test}: {text.strip().splitlines()[-1]}" for test, text in result.failures + result.errors]}
    if arguments.report:
        with open(arguments.report, "w", encoding="utf-8") as file:
            json.dump(counts, file)
    print(f"{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped")
    return 0 if failed == 0 and result.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
