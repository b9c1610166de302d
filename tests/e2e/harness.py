"""Starts the real binary in a temporary folder and talks to it over HTTP: what every end-to-end test stands on.

Only the standard library. Nothing here waits a fixed time: a server is waited for until it says that it is ready, or
ends, or a deadline passes.
"""
import base64
import http.client
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_SECONDS = 60
STOP_SECONDS = 60
COMMAND_SECONDS = 300


def binary():
    """The binary under test: RAPPORT_BINARY, or the newest build."""
    named = os.environ.get("RAPPORT_BINARY")
    if named:
        return os.path.abspath(named)
    for preset in ("dev", "release", "asan"):
        path = os.path.join(ROOT, "build", preset, "rapport")
        if os.path.exists(path):
            return path
    raise unittest.SkipTest("no binary: build it with 'make build'")


def rapport(*arguments, stdin=b"", timeout=COMMAND_SECONDS):
    """Runs a rapport command; returns what subprocess.run returns, with output as text."""
    done = subprocess.run([binary(), *map(str, arguments)], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, cwd=ROOT)
    done.stdout = done.stdout.decode(errors="replace")
    done.stderr = done.stderr.decode(errors="replace")
    return done


def online_retail_folder():
    """The folder of the real data, or None with the reason said once."""
    base = os.environ.get("RAPPORT_DATA", os.path.join(os.path.dirname(ROOT), "shared", "data"))
    folder = os.path.join(base, "online_retail_ii")
    return folder if os.path.isdir(folder) else None


class Answer:
    """One HTTP answer: status, headers (lower-case names), body as bytes, and as JSON when it is."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Server:
    """One `rapport serve` on a free port. Use as a context manager; leaves nothing running."""

    def __init__(self, folder, *arguments, expect_start=True):
        self.folder = folder
        self.lines = []
        self._lines = queue.Queue()
        self.process = subprocess.Popen(
            [binary(), "serve", "--data", folder, "--listen", "127.0.0.1:0", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = None
        if expect_start:
            self._wait_until_started()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.decode(errors="replace"))
        self._lines.put(None)

    def next_line(self, deadline):
        line = self._lines.get(timeout=max(0.001, deadline - time.monotonic()))
        if line is not None:
            self.lines.append(line)
        return line

    def _wait_until_started(self):
        deadline = time.monotonic() + START_SECONDS
        while self.port is None:
            try:
                line = self.next_line(deadline)
            except queue.Empty:
                self.kill()
                raise AssertionError(f"the server did not start in {START_SECONDS} s: {''.join(self.lines)}")
            if line is None:
                raise AssertionError(f"the server ended with {self.process.wait()}: {''.join(self.lines)}")
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("event") == "server.started":
                self.port = said["port"]
        with open(os.path.join(self.folder, "operator.key"), encoding="ascii") as file:
            self.key = file.read().strip()

    def wait(self, timeout=STOP_SECONDS):
        """Exit code; everything that was said is in `lines` afterwards."""
        code = self.process.wait(timeout=timeout)
        self._reader.join(timeout=timeout)
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                break
            if line is not None:
                self.lines.append(line)
        self.process.stdout.close()
        return code

    def stop(self):
        """A graceful stop; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout=5)

    def freeze(self, timeout=10):
        """Stops every thread where it is; one inside a system call ends that and runs no further."""
        self.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + timeout
        while any(state not in "TtDZX" for state in self._thread_states()):
            assert time.monotonic() < deadline, "the server does not stop"

    def _thread_states(self):
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/stat", encoding="ascii", errors="replace") as file:
                yield file.read().rsplit(")", 1)[1].split()[0]

    # ---- requests ----

    def connect(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, key="operator", headers=None, connection=None):
        """One request. A dict or list body goes as JSON, bytes as they are."""
        headers = dict(headers or {})
        if key == "operator":
            headers.setdefault("Authorization", f"Bearer {self.key}")
        elif key:
            headers.setdefault("Authorization", f"Bearer {key}")
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        own = connection is None
        connection = connection or self.connect()
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            if own:
                connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body, **options):
        return self.request("POST", path, body, **options)

    def put_items(self, items):
        answer = self.request("PUT", "/v1/items", items)
        assert answer.status == 200, answer
        return answer

    def track(self, user, event, item=None, message=None, **more):
        body = {"type": "track", "userId": user, "event": event, "properties": {}}
        if item is not None:
            body["properties"]["product_id"] = item
        if message is not None:
            body["messageId"] = message
        body.update(more)
        return self.post("/v1/track", body)

    def recommended(self, user=None, **body):
        """Item ids of an answer for a user."""
        if user is not None:
            body["customer"] = {"userId": user}
        answer = self.post("/v1/recommendations", body)
        assert answer.status == 200, answer
        return [item["itemId"] for item in answer.json["items"]]

    def events(self, user):
        answer = self.get(f"/v1/customers/{quote(user)}/events?limit=1000")
        assert answer.status == 200, answer
        return answer.json["events"]


def quote(text):
    return urllib.parse.quote(text, safe="")


def basic(key):
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def product(item_id, **more):
    return {"itemId": item_id, "kind": "product", "title": f"Title of {item_id}", "price": "9.50", **more}


def flip(path, offset, bit=1):
    """Another bit at that byte of the file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bit]))


class TemporaryFolder(unittest.TestCase):
    """A test case with a fresh folder; `self.folder` is where its store may stand (not made yet)."""

    def setUp(self):
        self.temporary = tempfile.mkdtemp(prefix="rapport-e2e-")
        self.addCleanup(shutil.rmtree, self.temporary, ignore_errors=True)
        self.folder = os.path.join(self.temporary, "store")

    def path(self, *names):
        return os.path.join(self.temporary, *names)

    def write(self, name, content):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def serve(self, *arguments):
        server = Server(self.folder, *arguments)
        self.addCleanup(server.kill)
        return server

    def run_ok(self, *arguments, **options):
        done = rapport(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"rapport {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}")
        return done


def main():
    """For running one file of tests by hand."""
    unittest.main(module="__main__", argv=sys.argv)
