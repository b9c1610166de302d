#!/usr/bin/env python3
"""A power cut during ingest: no acknowledged event may be lost; with fsync switched off some must be, or this proves
nothing.

    sudo python3 tests/e2e/durability_power_cut.py --binary build/rapport --rounds 100

The store stands on an ext4 image on a loop device. In the middle of ingest the file system is shut down by
EXT4_IOC_SHUTDOWN without flushing its log: nothing more reaches the image, and what was not fsynced is gone when it
is mounted again. The server is frozen (SIGSTOP) the moment before, because a machine without power answers nobody; and
because an fdatasync that is under way during this ioctl can return 0 although its data is gone (a bare loop of
write and fdatasync shows it in about one cut of five), which no real power cut lets anybody see. A system call under
way goes on while its process is frozen, so the cut still falls into the middle of fsyncs.

Needs root and loop devices. The image itself is a file, so this does not show what a disk does that lies about its own
cache.
"""
import argparse
import contextlib
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import durability  # noqa: E402
import harness  # noqa: E402

IMAGE_BYTES = 768 << 20
# linux/ext4.h: _IOR('X', 125, __u32), and the flag "go down without flushing the log".
EXT4_IOC_SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
EXT4_GOING_FLAGS_NOLOGFLUSH = 2


class CannotRun(Exception):
    """This machine has no root, no loop devices or no ext4."""


class Disk:
    """An ext4 image that can be mounted and cut off."""

    def __init__(self, folder):
        self.image, self.point = os.path.join(folder, "disk.img"), os.path.join(folder, "mount")
        os.mkdir(self.point)
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        self._run("mkfs.ext4", "-q", "-F", self.image)

    @staticmethod
    def _run(*arguments):
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise CannotRun(f"{' '.join(arguments)}: {done.stdout.decode(errors='replace').strip()}")

    @contextlib.contextmanager
    def mounted(self):
        self._run("mount", "-o", "loop", self.image, self.point)
        try:
            yield self.point
        finally:
            self._run("umount", self.point)

    def cut(self):
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", EXT4_GOING_FLAGS_NOLOGFLUSH))
        finally:
            os.close(descriptor)


def check_machine():
    """Raises CannotRun when this machine cannot cut the power of a file system."""
    if os.geteuid() != 0:
        raise CannotRun("not root")
    for tool in ("mkfs.ext4", "mount", "umount"):
        if not shutil.which(tool):
            raise CannotRun(f"no {tool}")
    with tempfile.TemporaryDirectory(prefix="rapport-probe-") as folder:
        disk = Disk(folder)
        with disk.mounted() as point:
            with open(os.path.join(point, "synced"), "w", encoding="ascii") as file:
                file.write("kept")
                file.flush()
                os.fsync(file.fileno())
            with open(os.path.join(point, "unsynced"), "w", encoding="ascii") as file:
                file.write("lost")
            disk.cut()
        with disk.mounted() as point:
            if not os.path.exists(os.path.join(point, "synced")) or os.path.exists(os.path.join(point, "unsynced")):
                raise CannotRun("the shut down file system did not keep exactly what was fsynced")


def cut_power(server, disk):
    server.freeze()
    disk.cut()
    server.kill()


def one_round(store_disk, folder, ledger, numbers, requests, serve_options):
    """Ingest, cut, power on again. (lost, twice), or raises when the store does not open afterwards."""
    out = os.path.join(folder, "events.jsonl")
    with store_disk.mounted() as point:
        store = os.path.join(point, "store")
        with harness.Server(store, *serve_options) as server:
            durability.send_open_again(server, ledger)
            durability.ingest(server, ledger, numbers, requests, lambda: cut_power(server, store_disk))
    with store_disk.mounted() as point:
        return durability.compare(durability.stored_messages(os.path.join(point, "store"), out), ledger)


def run(rounds, seed, serve_options=(), say=print):
    """(acknowledged, lost, doubled) over all rounds."""
    chance = random.Random(seed)
    lost_in_all, twice_in_all = set(), set()
    with tempfile.TemporaryDirectory(prefix="rapport-cut-") as folder:
        disk = Disk(folder)
        ledger, numbers = durability.Ledger(), [0] * durability.WRITERS
        for number in range(1, rounds + 1):
            requests = chance.randrange(1, 150)
            lost, twice = one_round(disk, folder, ledger, numbers, requests, serve_options)
            lost_in_all.update(lost)
            twice_in_all.update(twice)
            say(f"round {number}: cut after {requests} answers, {len(ledger.acknowledged)} acknowledged in all, "
                f"{len(lost)} lost, {len(twice)} twice")
    return len(ledger.acknowledged), len(lost_in_all), len(twice_in_all)


def run_without_fsync(seed, say=print):
    """The broken twin: (acknowledged, lost). A store that does not open at all has lost everything it acknowledged."""
    with tempfile.TemporaryDirectory(prefix="rapport-cut-") as folder:
        disk, ledger = Disk(folder), durability.Ledger()
        try:
            lost, _ = one_round(disk, folder, ledger, [0] * durability.WRITERS, 100,
                                ("--durability", "no-sync-for-tests"))
        except AssertionError as error:
            if not ledger.acknowledged:
                raise
            say(f"without fsync: the store did not open after the cut: {error}")
            return len(ledger.acknowledged), len(ledger.acknowledged)
    return len(ledger.acknowledged), len(lost)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.binary:
        os.environ["RAPPORT_BINARY"] = os.path.abspath(arguments.binary)
    try:
        check_machine()
    except CannotRun as reason:
        print(f"skipped: needs root and loop devices ({reason})")
        return 0

    def say(text):
        print(text, flush=True)

    acknowledged, lost, twice = run(arguments.rounds, arguments.seed, say=say)
    print(f"power cut, {arguments.rounds} rounds: {acknowledged} events acknowledged, {lost} lost, {twice} twice")
    unsynced, unsynced_lost = run_without_fsync(arguments.seed, say=say)
    print(f"the same with fsync switched off, 1 round: {unsynced} events acknowledged, {unsynced_lost} lost "
          f"({'so the test can fail' if unsynced_lost else 'SO THIS PROVES NOTHING'})")
    return 0 if lost == 0 and twice == 0 and acknowledged > 0 and unsynced_lost > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
