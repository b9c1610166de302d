"""What both durability tests share: writers that remember what was acknowledged, and the check of what is there.

Each event has a message id of its own. A writer counts an event as acknowledged when its request was answered 200, and
as open when the connection broke or the answer was not 200: open events are sent again after the restart, as a
client with retries does. Then every event, acknowledged or open, must be there exactly once.
"""
import collections
import http.client
import json
import os
import threading

from harness import rapport

WRITERS = 8
EVENTS_PER_REQUEST = 5


class Ledger:
    """Message ids by what the clients know of them. Thread-safe; `reached` is set at the wanted number of answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = set()
        self.open = {}           # message id -> event, to be sent again
        self.answers = 0         # requests answered 200 since the last arm()
        self.wanted = 0
        self.reached = threading.Event()

    def arm(self, wanted):
        with self.lock:
            self.answers, self.wanted = 0, wanted
            self.reached.clear()

    def sending(self, events):
        with self.lock:
            self.open.update((event["messageId"], event) for event in events)

    def answered(self, events):
        with self.lock:
            for event in events:
                self.acknowledged.add(event["messageId"])
                self.open.pop(event["messageId"], None)
            self.answers += 1
            if self.answers >= self.wanted:
                self.reached.set()


def make_event(writer, number):
    return {"type": "track", "userId": f"user-{writer}", "event": "Product Viewed", "messageId": f"w{writer}-{number}",
            "properties": {"product_id": f"item-{number % 50}", "padding": "x" * (number % 300)}}


class Writer(threading.Thread):
    """Sends batches until the connection breaks or `stop` is set. `number` goes on over the rounds."""

    def __init__(self, server, ledger, writer, number, stop):
        super().__init__(daemon=True)
        self.server, self.ledger, self.writer, self.number, self.stop = server, ledger, writer, number, stop

    def run(self):
        connection = self.server.connect(timeout=60)
        try:
            while not self.stop.is_set():
                events = [make_event(self.writer, self.number + i) for i in range(EVENTS_PER_REQUEST)]
                self.number += EVENTS_PER_REQUEST
                self.ledger.sending(events)
                answer = self.server.post("/v1/batch", {"batch": events}, connection=connection)
                if answer.status != 200:
                    return
                self.ledger.answered(events)
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()


def ingest(server, ledger, numbers, requests, cut):
    """Writers at work until `requests` were answered; then `cut()` in the middle of their work; waits for them to end."""
    ledger.arm(requests)
    stop = threading.Event()
    writers = [Writer(server, ledger, w, numbers[w], stop) for w in range(WRITERS)]
    for writer in writers:
        writer.start()
    if not ledger.reached.wait(timeout=120):
        raise AssertionError(f"only {ledger.answers} of {requests} requests were answered in 120 s")
    cut()
    stop.set()
    for writer in writers:
        writer.join(timeout=90)
        if writer.is_alive():
            raise AssertionError("a writer got no answer and no broken connection in 90 s")
        numbers[writer.writer] = writer.number


def send_open_again(server, ledger):
    """The clients' retries after a restart: the same message ids."""
    pending = list(ledger.open.values())
    for start in range(0, len(pending), 100):
        batch = pending[start:start + 100]
        answer = server.post("/v1/batch", {"batch": batch})
        if answer.status != 200:
            raise AssertionError(f"a retry was answered {answer}")
        ledger.answered(batch)


def stored_messages(store, out):
    """Message ids in the store with how often each is there, through `rapport export`."""
    if os.path.exists(out):
        os.remove(out)
    done = rapport("export", "events", "--data", store, "--out", out)
    if done.returncode != 0:
        raise AssertionError(f"export failed after the cut: {done.stderr}")
    counts = collections.Counter()
    with open(out, encoding="utf-8") as file:
        for line in file:
            counts[json.loads(line)["messageId"]] += 1
    return counts


def compare(counts, ledger):
    """(acknowledged events that are missing, events that are there more than once)"""
    lost = sorted(ledger.acknowledged - counts.keys())
    twice = sorted(message for message, count in counts.items() if count > 1)
    return lost, twice
