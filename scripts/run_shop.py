#!/usr/bin/env python3
"""Fills a store in build/run/NAME, trains, starts the server in the background, asks for one customer's
recommendations, and prints them with the request to ask for more. Called by scripts/run and scripts/stop.

Running it again imports the same data again (which changes nothing), trains again and restarts the server.
"""
import argparse
import glob
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.path.join("build", "rapport")
RUN = os.path.join("build", "run")
READY_SECONDS = 120
STOP_SECONDS = 60


def say(text):
    print(text, flush=True)


def fail(text):
    say(f"run: {text}")
    sys.exit(1)


def command(*arguments):
    """Runs a rapport command in the foreground, showing it."""
    say("\n$ " + shlex.join([BINARY, *arguments]))
    started = time.monotonic()
    if subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL).returncode != 0:
        fail("the command above failed; its messages say what to do")
    say(f"  ({time.monotonic() - started:.1f} s)")


# ---- the server in the background ----

def server_process(folder):
    """The id of the server started for this folder by an earlier run, or None."""
    try:
        with open(os.path.join(folder, "server.pid"), encoding="ascii") as file:
            process = int(file.read())
        program = os.readlink(f"/proc/{process}/exe")
    except (OSError, ValueError):
        return None
    # The number may have gone to another program since: only a rapport is ever stopped.
    return process if os.path.basename(program).split(" ")[0] == "rapport" else None


def stop_server(folder):
    process = server_process(folder)
    if process is not None:
        os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while server_process(folder) == process:
            if time.monotonic() > deadline:
                fail(f"the server {process} does not end; kill -9 {process} loses nothing that was acknowledged")
            time.sleep(0.05)
        say(f"stopped the server of {folder} (process {process})")
    if os.path.exists(os.path.join(folder, "server.pid")):
        os.remove(os.path.join(folder, "server.pid"))


def free_address(wanted):
    """`wanted` when nobody listens there, else any free port of the same host."""
    host, port = wanted.rsplit(":", 1)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
            return wanted
        except OSError:
            pass
    with socket.socket() as probe:
        probe.bind((host, 0))
        say(f"{wanted} is in use, so the server listens on port {probe.getsockname()[1]}")
        return f"{host}:{probe.getsockname()[1]}"


def start_server(folder, store):
    address = free_address(os.environ.get("RAPPORT_LISTEN", "127.0.0.1:8080"))
    arguments = [BINARY, "serve", "--data", store, "--listen", address]
    say("\n$ " + shlex.join(arguments) + "   (in the background)")
    log_path = os.path.join(folder, "server.log")
    with open(log_path, "ab") as log:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    with open(os.path.join(folder, "server.pid"), "w", encoding="ascii") as file:
        file.write(str(process.pid))
    deadline = time.monotonic() + READY_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            with open(log_path, encoding="utf-8", errors="replace") as file:
                say("".join(file.readlines()[-20:]))
            fail(f"the server did not become ready; its log is {log_path}")
        try:
            with urllib.request.urlopen(f"http://{address}/readyz", timeout=2):
                return f"http://{address}"
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)


# ---- the two shops ----

def fill_simulated(folder, store):
    data = os.path.join(folder, "data")
    command("simulate", "--customers", "2000", "--items", "1000", "--days", "120", "--seed", "1", "--out", data)
    command("import", "items", "--data", store, os.path.join(data, "items.jsonl"))
    command("import", "profiles", "--data", store, os.path.join(data, "profiles.jsonl"))
    command("import", "events", "--data", store, os.path.join(data, "events.jsonl"))
    return "customer-00001"


def fill_online_retail(source, store):
    files = sorted(glob.glob(os.path.join(source, "year*.csv.xz")) or glob.glob(os.path.join(source, "year*.csv")))
    if not files:
        fail(f"no year*.csv.xz in {source}: DATA is a folder with the two files of Online Retail II")
    command("import", "events", "--data", store, "--csv", "--map", "mappings/online_retail_ii.json", *files)
    return "17850"


def ask(server, store, customer):
    with open(os.path.join(store, "operator.key"), encoding="ascii") as file:
        key = file.read().strip()
    body = json.dumps({"customer": {"userId": customer}, "count": 10, "return": ["title", "price"]})
    request = urllib.request.Request(
        f"{server}/v1/recommendations", body.encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        fail(f"the server answered {error.code}: {error.read().decode(errors='replace')}")
    return body, answer, 1000 * (time.monotonic() - started)


def show(server, store, customer):
    body, answer, milliseconds = ask(server, store, customer)
    say(f"\nRecommendations for {customer} (level {answer['level']}, generation {answer['generation']}, "
        f"{milliseconds:.1f} ms):")
    for place, item in enumerate(answer["items"], 1):
        properties = item.get("properties", {})
        say(f"  {place:2}. {item['itemId']:<12} {properties.get('title') or '':<40} {properties.get('price') or '':>8}")
    if not answer["items"]:
        fail("the answer is empty")
    key_file = os.path.join(store, "operator.key")
    say("\nAsk again:")
    say(f'  curl -s {server}/v1/recommendations -H "Authorization: Bearer $(cat {key_file})" \\')
    say(f"    -H 'Content-Type: application/json' -d '{body}'")
    more = json.dumps({"recommendationId": answer["recommendationId"]})
    say("\nAsk for the next page of this list (the id is good for a day):")
    say(f'  curl -s {server}/v1/recommendations/next -H "Authorization: Bearer $(cat {key_file})" \\')
    say(f"    -H 'Content-Type: application/json' -d '{more}'")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="", help="folder of Online Retail II; empty: a simulated shop")
    parser.add_argument("--stop", action="store_true", help="stop the servers of earlier runs and do nothing else")
    arguments = parser.parse_args()
    source = os.path.abspath(arguments.data) if arguments.data else ""
    os.chdir(ROOT)
    if arguments.stop:
        for pid_file in glob.glob(os.path.join(RUN, "*", "server.pid")):
            stop_server(os.path.dirname(pid_file))
        return
    folder = os.path.join(RUN, "online_retail_ii" if source else "simulated")
    store = os.path.join(folder, "store")
    os.makedirs(folder, exist_ok=True)
    stop_server(folder)
    customer = fill_online_retail(source, store) if source else fill_simulated(folder, store)
    command("train", "--data", store, "--activate")
    server = start_server(folder, store)
    show(server, store, customer)
    say(f"\nThe server keeps running; its log is {os.path.join(folder, 'server.log')}. Stop it with: make stop")


if __name__ == "__main__":
    main()
