"""2,000 slow connections from eight addresses: silent ones, heads and bodies that come a byte at a time. A good client
beside them succeeds in 99.9 % of its requests at least, on new connections and on one that it keeps.

The broken twin is the same server with places, caps and deadlines as if there were no limits to need: there the slow
ones take every place and the good client is kept out.
"""
import http.client
import json
import resource
import selectors
import socket
import threading
import time
import unittest

from harness import TemporaryFolder

SLOW, ADDRESSES, GOOD = 2000, 8, 1500
SECONDS_MAX = 60
HEAD = b"POST /v1/track HTTP/1.1\r\nHost: shop\r\nX-Slow: "
BODY = b"POST /v1/recommendations HTTP/1.1\r\nHost: shop\r\nContent-Length: 4000000\r\nAuthorization: Bearer %s\r\n\r\n"


class SlowCrowd(threading.Thread):
    """Keeps SLOW connections open, sends each a byte now and then, and opens anew whatever was closed."""

    def __init__(self, port, key):
        super().__init__(daemon=True)
        self.port, self.key = port, key.encode()
        self.stopped = threading.Event()
        self.full = threading.Event()
        self.open, self.opened, self.closed = {}, 0, 0
        self.selector = selectors.DefaultSelector()

    def connect(self, n):
        slow = socket.socket()
        slow.bind((f"127.0.0.{2 + n % ADDRESSES}", 0))
        slow.setblocking(False)
        slow.connect_ex(("127.0.0.1", self.port))
        self.opened += 1
        self.open[slow] = n
        self.selector.register(slow, selectors.EVENT_READ)

    def drop(self, slow):
        self.closed += 1
        self.selector.unregister(slow)
        n = self.open.pop(slow)
        slow.close()
        return n

    def run(self):
        waiting = list(range(SLOW))
        while not self.stopped.is_set():
            for n in waiting[:200]:
                self.connect(n)
            waiting = waiting[200:]
            if self.opened >= SLOW:
                self.full.set()
            for ready, _ in self.selector.select(timeout=0.05):
                try:
                    if ready.fileobj.recv(65536):
                        continue
                except BlockingIOError:
                    continue
                except OSError:
                    pass
                waiting.append(self.drop(ready.fileobj))
            for slow, n in list(self.open.items())[:: 1 + len(self.open) // 300]:
                if n % 4 == 0:
                    continue  # says nothing at all
                try:
                    slow.send(HEAD if n % 4 == 1 else BODY % self.key if n % 4 == 2 else b"G")
                except OSError:
                    pass
        for slow in list(self.open):
            self.drop(slow)


class SlowClientsTest(TemporaryFolder):
    def crowd(self, config, files_max=None):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < SLOW + 500:
            self.skipTest(f"skipped: {SLOW} connections need {SLOW + 500} open files, the limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        server = self.serve("--config", self.write("config.json", json.dumps({"server": config})))
        server.put_items([{"itemId": f"i{n}", "kind": "product", "title": f"t{n}", "price": "1.00"} for n in range(50)])
        if files_max:
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (files_max, files_max))
        crowd = SlowCrowd(server.port, server.key)
        crowd.start()
        self.addCleanup(crowd.join, 20)
        self.addCleanup(crowd.stopped.set)
        self.assertTrue(crowd.full.wait(SECONDS_MAX), "the slow clients did not get there")
        return server, crowd

    def ask(self, server, count, seconds_max):
        """From an address that is counted like any other; every third request on a new connection."""
        good, slowest, connection = 0, 0, None
        end = time.monotonic() + seconds_max
        for n in range(count):
            if time.monotonic() > end:
                break
            if n % 3 == 0 and connection:
                connection.close()
                connection = None
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10,
                                                        source_address=("127.0.1.1", 0))
            started = time.monotonic()
            try:
                connection.request("POST", "/v1/recommendations", json.dumps({"customer": {"userId": f"u{n}"}}),
                                   {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"})
                response = connection.getresponse()
                good += response.status == 200 and len(json.loads(response.read())["items"]) > 0
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
            slowest = max(slowest, time.monotonic() - started)
        return good, slowest

    def test_a_good_client_is_served_beside_2000_slow_ones(self):
        server, crowd = self.crowd({"trustedAddresses": [], "headerTimeoutMs": 5000, "bodyTimeoutMs": 5000})
        good, slowest = self.ask(server, GOOD, SECONDS_MAX)
        print(f"\n  {good} of {GOOD} requests answered beside {crowd.opened} slow connections opened "
              f"({len(crowd.open)} open, {crowd.closed} cut off), slowest {1000 * slowest:.0f} ms", flush=True)
        self.assertGreaterEqual(good, 0.999 * GOOD)
        crowd.stopped.set()
        crowd.join(20)
        self.assertEqual(server.stop(), 0)

    def test_broken_twin_without_caps_they_keep_everybody_out(self):
        # Nobody is counted, no deadline comes, nobody gives way: what is left is the system's own limit.
        limit = {"trustedAddresses": [f"127.0.0.{2 + n}" for n in range(ADDRESSES)], "connectionsMax": 100000,
                 "headerTimeoutMs": 600000, "bodyTimeoutMs": 600000, "idleTimeoutMs": 600000}
        server, _ = self.crowd(limit, files_max=700)
        good, _ = self.ask(server, 3, 40)
        print(f"\n  without limits: {good} of 3", flush=True)
        self.assertLess(good, 3)


if __name__ == "__main__":
    unittest.main()
