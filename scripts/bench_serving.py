"""Parts of `make bench-peers` about the running server: page views beside nginx, freshness, ingest beside bare RocksDB,
memory, and a soak. Load comes from wrk; the server has one core and the load the other where a rate is compared.

The simulated shop is made once under build/bench-peers/ and used again. Answers are checked before they are timed.
"""
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

from bench_frame import ROOT, Result, WrongAnswer, ratio, ratio_text, spread_text
from bench_shops import factors_store, names, shop, wide_shop

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 16
PAGE = {"count": 20, "return": ["title"]}
NEVER_KEPT = {"recommend": {"answerLifeSeconds": 0}}
COLD = {"recommend": {"answerLifeSeconds": 0, "historyCacheCustomers": 1}}


def tools(bench, *names):
    """Whether these programs are there; says which package brings the missing one."""
    for name in names:
        if shutil.which(name) is None:
            bench.skip(f"page views and ingest: {name} is not installed (apt-get install {name})")
            return False
    return True


def pinned(core, arguments):
    return ["taskset", "-c", str(core), *arguments] if core is not None and os.cpu_count() > 1 else arguments


class Serving:
    """A `rapport serve` of its own on a copy of a store (none: an empty one), ended and removed at the end."""

    def __init__(self, bench, store, config, core=None, threads=1):
        self.folder = bench.path(f"serving-{os.getpid()}-{time.monotonic_ns()}")
        os.makedirs(self.folder)
        self.data = os.path.join(self.folder, "data")
        if store:
            shutil.copytree(store, self.data)
        path = os.path.join(self.folder, "config.json")
        config = {**config, "server": {"listen": "127.0.0.1:0", "threads": threads, "queueWaitMsMax": 10000, **config.get("server", {})}}  # throughput is measured here, not refusals
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        self.process = subprocess.Popen(
            pinned(core, [bench.binary, "serve", "--data", self.data, "--config", path]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("event") == "server.started":
                self.port = said["port"]
                break
        else:
            raise RuntimeError("the server did not start")
        threading.Thread(target=lambda: [None for _ in self.process.stdout], daemon=True).start()
        with open(os.path.join(self.data, "operator.key"), encoding="ascii") as file:
            self.key = file.read().strip()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=120)

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, method, path, body=None, connection=None):
        mine = connection or self.connect()
        text = None if body is None else json.dumps(body)
        mine.request(method, path, text, {"Authorization": "Bearer " + self.key, "Content-Type": "application/json"})
        answer = mine.getresponse()
        data = answer.read()
        if connection is None:
            mine.close()
        return answer.status, data

    def page(self, customer, connection=None, **more):
        status, data = self.ask("POST", "/v1/recommendations", {"customer": {"userId": customer}, **PAGE, **more}, connection)
        if status != 200:
            raise WrongAnswer(f"a page was answered {status}: {data[:200]!r}")
        return json.loads(data)

    def metric(self, name):
        for line in self.ask("GET", "/metrics")[1].decode().splitlines():
            if line.split(" ")[0] == name:
                return float(line.split(" ")[1])
        return None

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        return 0


class Nginx:
    """nginx with one worker, answering every request with the same bytes from memory."""

    def __init__(self, bench, body, core):
        self.folder = bench.path("nginx")
        os.makedirs(self.folder, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        body = body.replace("\\", "").replace("'", "").replace("$", "")
        pieces = [body[at:at + 3000] for at in range(0, len(body), 3000)]  # one word of its configuration is 4 KiB at most
        sets = " ".join(f"set $piece{number} '{piece}';" for number, piece in enumerate(pieces))
        text = "".join(f"${{piece{number}}}" for number in range(len(pieces)))
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"""worker_processes 1; daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/fastcgi; uwsgi_temp_path {self.folder}/uwsgi; scgi_temp_path {self.folder}/scgi;
  server {{ listen 127.0.0.1:{self.port}; location / {{ default_type application/json; {sets} return 200 "{text}"; }} }} }}
""")
        self.process = subprocess.Popen(pinned(core, ["nginx", "-c", path, "-p", self.folder]), stderr=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + 10
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("POST", "/", "{}")
                got = connection.getresponse().read().decode()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError("nginx did not start")
        if abs(len(got) - len(body)) > 16:
            raise WrongAnswer("nginx does not answer with the page's bytes")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


def wrk(bench, url, key, script, core=1, connections=CONNECTIONS, seconds=SECONDS, **more):
    """One run of load; requests a second, failures and latencies."""
    environment = {**os.environ, "KEY": key, **{name: str(value) for name, value in more.items()}}
    done = subprocess.run(pinned(core, ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
                                        os.path.join(bench.root, "bench", script), url]),
                          stdout=subprocess.PIPE, text=True, env=environment, check=True, stdin=subprocess.DEVNULL)
    said = json.loads(done.stdout.strip().splitlines()[-1])
    said["per_second"] = said["requests"] / said["seconds"]
    if said["failed"] or said["requests"] == 0:
        raise WrongAnswer(f"{said['failed']} of {said['requests']} requests to {script} failed")
    return said


# ---- page views ----

def check_page(page, again, explained=None):
    """What is wrong with a page, or None: 20 different items with titles, the same again, reasons where asked for."""
    items = [item["itemId"] for item in page["items"]]
    if len(items) != PAGE["count"] or len(set(items)) != len(items):
        return f"{len(set(items))} different items of {PAGE['count']}"
    if any("title" not in item.get("properties", {}) for item in page["items"]):
        return "an item without its title"
    if page["level"] not in ("personal", "session"):
        return f"level {page['level']}: not scored for the customer"
    if items != [item["itemId"] for item in again["items"]]:
        return "the page with caches is another than without"
    if explained is not None:
        if items != [item["itemId"] for item in explained["items"]]:
            return "the page with reasons is another than without"
        if any(not item.get("reasons") for item in explained["items"]):
            return "an item without a reason"
    return None


def check_pages(cold, warm, known, checked=40):
    one, two = cold.connect(), warm.connect()
    for number in range(checked):
        customer = known[number * 7919 % len(known)]
        first, kept = warm.page(customer, two), warm.page(customer, two)
        wrong = check_page(cold.page(customer, one), first, warm.page(customer, two, explain=True))
        wrong = wrong or (None if first == kept else "asked again with nothing changed, another answer")
        if wrong:
            raise WrongAnswer(f"{customer}: {wrong}")
    return cold.page(known[0], one, explain=True)


def page_view(bench):
    if not tools(bench, "wrk", "nginx", "taskset"):
        return None
    customers = 20000
    folder = shop(bench, customers, 20000, 120)
    store, known = os.path.join(folder, "store"), names(folder)
    factors = factors_store(bench, folder)
    result = Result("Page views beside nginx")
    result.text(f"20,000 items, d = 64, {len(known):,} customers in turn, each with 20 to some hundred events, pages of 20 with titles; requests over keep-alive connections "
                "from wrk on one core, the server with one thread on the other, nginx with one worker there in turn, answering every "
                "request with one such page's bytes from memory. Cold: neither the customer's history nor the page is kept, each is read, "
                "folded in and all items scored. History in memory: as after an event of a customer whose history was at hand, which the event brings up to date; "
                "folded in and scored as in the cold page. Warm: asked again with nothing changed.")
    result.text("The factor model: a generation trained with `--no-blend`, ranked by iALS and what the customer orders again: history read, fold-in, "
                "all items scored. The blend: fifteen models, of which that is one; what a shop with a log of some months gets, since it finds more "
                "(docs/QUALITY.md). The targets are about the factor model; both are measured in the same turns.")
    with Serving(bench, store, COLD, core=0) as cold, Serving(bench, store, {}, core=0) as warm, \
            Serving(bench, factors, COLD, core=0) as cold_factors, Serving(bench, factors, {}, core=0) as warm_factors, \
            Serving(bench, factors, NEVER_KEPT, core=0) as kept:
        check_pages(cold_factors, warm_factors, known)
        sample = check_pages(cold, warm, known)
        with Nginx(bench, json.dumps(sample, separators=(",", ":")), core=0) as nginx:
            rows = measure_pages(bench, {"factors": (cold_factors, warm_factors), "blend": (cold, warm)}, kept, nginx, folder)
        latencies = {model: half_load(server, rows[f"{model}: cold"], known) for model, server in (("factors", cold_factors), ("blend", cold))}
    report_pages(result, rows, latencies)
    return result


def measure_pages(bench, servers, kept, nginx, folder):
    """{row: runs}, the rows in turn: nginx, for each model (cold server, warm server) the ways to ask, and `kept`, which
    keeps histories and no pages."""
    asks = {"nginx": (nginx, "", {}, None), "factors: history in memory": (kept, kept.key, {"CUSTOMERS": 500}, kept)}
    for model, (cold, warm) in servers.items():
        asks.update({f"{model}: cold": (cold, cold.key, {}, cold), f"{model}: cold with reasons": (cold, cold.key, {"EXPLAIN": 1}, cold),
                     f"{model}: cold, 64 waiting": (cold, cold.key, {"connections": 64}, cold),
                     f"{model}: warm": (warm, warm.key, {"CUSTOMERS": 500}, warm),
                     f"{model}: warm with reasons": (warm, warm.key, {"CUSTOMERS": 500, "EXPLAIN": 1}, warm)})
    rows = {name: [] for name in asks}
    for _ in range(ROUNDS):
        for name, (host, key, more, server) in asks.items():
            before = server.cpu_seconds() if server else 0
            said = wrk(bench, host.url, key, "page_views.lua", **{"NAMES": os.path.join(folder, "names.txt"), **more})
            said["cpu_us"] = (server.cpu_seconds() - before) / said["requests"] * 1e6 if server else 0
            rows[name].append(said)
    return rows


def half_load(server, runs, known, seconds=6):
    """Latencies at half of the highest load, sent on a clock whether answered or not, from four connections."""
    rate = statistics.median(run["per_second"] for run in runs) / 2
    latencies, threads, workers = [], [], 4
    started = time.monotonic() + 0.2

    def send(worker):
        connection = server.connect()
        for number in range(worker, int(rate * seconds), workers):
            due = started + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            server.page(known[number * 7919 % len(known)], connection)
            latencies.append((time.monotonic() - due) * 1000)

    for worker in range(workers):
        threads.append(threading.Thread(target=send, args=(worker,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    latencies.sort()
    at = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))]
    return {"rate": rate, "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999)}


PAGE_LIMITS = {
    "cold": "what is left is HTTP with its system calls (as much as the warm page), RocksDB's seek and walk over the history, the fold-in, the scan with "
            "its certificate, and memory that is cold for every customer. Tried: history decoded in place, top-k by blocks' "
            "highest scores, items' memory asked for ahead, signatures by a library that is quick with short texts. Tried and left out: another allocator "
            "(jemalloc, .89 of the CPU time, loaded in front), since memory at rest and under load would have to be measured anew",
    "warm": "the rest is the HTTP layer: a request without any work reaches little more",
    "together": "as cold: the scan of all items, which requests could share, is the smaller part of the page, so they are not scored together"}


def report_pages(result, rows, latencies):
    rate = {name: [run["per_second"] for run in runs] for name, runs in rows.items()}
    result.table("", ["", "requests/s", "over nginx", "CPU of the server, us a request"],
                 [[name, spread_text(rate[name], digits=0), ratio_text(ratio(rate[name], rate["nginx"]), 3),
                   spread_text([run["cpu_us"] for run in runs], digits=1) if runs[0]["cpu_us"] else ""]
                  for name, runs in rows.items()])
    over = lambda name: ratio(rate[name], rate["nginx"])["median"]
    for name, key, target in (("cold", "cold", 0.2), ("warm", "warm", 0.5), ("together", "cold, 64 waiting", 0.3)):
        result.least(f"page-view.{name}.over_nginx", over(f"factors: {key}"), target, PAGE_LIMITS[name])
        result.stated(f"page-view.blend.{name}.over_nginx", round(over(f"blend: {key}"), 4))
    for model, said in latencies.items():
        for name in ("p50_ms", "p99_ms", "p999_ms"):
            result.stated(f"page-view.{model}.half-load.{name}", round(said[name], 3))
        result.text(f"The {model} at half of their cold maximum ({said['rate']:.0f} pages a second, sent on a clock, measured from when each was due): "
                    f"p50 {said['p50_ms']:.2f} ms, p99 {said['p99_ms']:.2f} ms, p99.9 {said['p999_ms']:.2f} ms.")


def page_view_scale(bench):
    """CPU a page at other sizes of the catalogue."""
    if not tools(bench, "wrk", "taskset"):
        return None
    result = Result("CPU of a page view by the size of the catalogue")
    rows, scans = [], scan_microseconds(bench)
    for items in (20000, 100000, 1000000):
        if items > bench.options.catalogue_max:
            bench.skip(f"pages of {items:,} items: minutes to make and gigabytes to train; ask for them with --catalogue-max {items}")
            continue
        folder = wide_shop(bench, 20000, items, 60, 50) if items == 1000000 else shop(bench, 20000, items, 120 if items == 20000 else 60)
        names(folder)
        stores = {"": os.path.join(folder, "store")}
        if items == 20000:
            stores = {"": factors_store(bench, folder), "blend.": os.path.join(folder, "store")}
        for model, store in stores.items():
            runs, scan_us = cold_page_us(bench, store, folder), scans.get(items)
            page_us = statistics.median(runs)
            rows.append([f"{items:,}" + (", the blend" if model else ""), spread_text(runs, digits=0), f"{scan_us:.0f}" if scan_us else "",
                         f"{scan_us / page_us:.2f}" if scan_us else ""])
            result.stated(f"page-view.{model}cpu_us.{items}", round(page_us, 1))
            if scan_us:
                result.stated(f"page-view.{model}scan_share.{items}", round(scan_us / page_us, 3))
    result.table("", ["items", "CPU, us a cold page", "the scan of all items alone (part top-k), us", "its share"], rows)
    if not scans:
        bench.skip("the share spent scanning: the part top-k has not been measured")
    result.text("The log of the shop with 20,000 items is long enough for the blend of all models; it is measured with the factors alone (`--no-blend`) and "
                "with the blend. That of 100,000 is not: its pages are ranked by factors and repeats. A million items with a view or two each are "
                "a thin log: their factors are fitted with an eighth of the unobserved weight (docs/MODELS.md section 2). The scan stands beside as part top-k measured it, with other "
                "factors and for the best 100.")
    return result


def cold_page_us(bench, store, folder, runs=3):
    """CPU of the server, us a cold page, of each run."""
    said = []
    with Serving(bench, store, COLD, core=0) as server:
        for _ in range(runs):
            before = server.cpu_seconds()
            run = wrk(bench, server.url, server.key, "page_views.lua", NAMES=os.path.join(folder, "names.txt"))
            said.append((server.cpu_seconds() - before) / run["requests"] * 1e6)
    return said


def scan_microseconds(bench):
    """{items: us of CPU of one search of the best 100}, as the part on top-k measured it last; {} where it has not."""
    path = bench.measured_path("top-k")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        cases = json.load(file)["measured"]["cases"]
    return {case["items"]: 1e6 * statistics.median(case["seconds"]["rapport"]) for case in cases}


# ---- freshness ----

def freshness(bench):
    """What the next page costs after an acknowledged event, beyond the same page without one."""
    if not tools(bench, "taskset"):
        return None
    folder = shop(bench, 20000, 20000, 120)
    store, known = os.path.join(folder, "store"), names(folder)
    result = Result("From an acknowledged event to a changed page")
    extra, changed, asked = [], 0, 600
    with Serving(bench, store, NEVER_KEPT, core=0) as server:
        connection = server.connect()
        # The customers with about 200 events.
        chosen = [name for name in known[:600]
                  if 150 <= len(json.loads(server.ask("GET", f"/v1/customers/{name}/events?limit=300", None, connection)[1])
                                .get("events", [])) <= 250][:40]
        if not chosen:
            raise WrongAnswer("no customer with about 200 events")
        unseen = {"filter": "NOT viewed"}
        timed = lambda who: (time.perf_counter_ns(), server.page(who, connection, **unseen), time.perf_counter_ns())
        for number in range(asked):
            who = chosen[number % len(chosen)]
            top = server.page(who, connection, **unseen)["items"][0]["itemId"]
            plain = [timed(who) for _ in range(3)]
            status, _ = server.ask("POST", "/v1/track", {"userId": who, "event": "Product Viewed",
                                                         "properties": {"product_id": top}}, connection)
            if status != 200:
                raise WrongAnswer(f"an event was answered {status}")
            begin, page, end = timed(who)
            changed += top not in [item["itemId"] for item in page["items"]]
            extra.append((end - begin - statistics.median(e - b for b, _, e in plain)) / 1000)
    if changed != asked:
        raise WrongAnswer(f"{asked - changed} of {asked} pages after a view still showed the item under NOT viewed")
    extra.sort()
    p50, p99 = extra[len(extra) // 2], extra[int(len(extra) * 0.99)]
    result.text(f"{asked} times: the page's first item is viewed, and once that is acknowledged the page is asked for under `NOT viewed`: the "
                f"item was gone from the next page in {changed} of {asked} cases. Extra time of that page over the median of three without an "
                f"event before, customers with 150 to 250 events, over HTTP: median {p50:.0f} us, p99 {p99:.0f} us.")
    result.target("freshness.next_request", changed / asked, "== 1", changed == asked)
    result.stated("freshness.over_http.extra_us_p50", round(p50, 1))
    result.stated("freshness.over_http.extra_us_p99", round(p99, 1))
    inside(bench, store, result)
    return result


def inside(bench, store, result):
    """The same without HTTP and its client, where a difference of microseconds can be seen."""
    scratch = bench.path("freshness")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(store, scratch)
    said = bench.run_json(pinned(0, [bench.program("rapport_freshness"), scratch, "--customers", "1000"]))
    shutil.rmtree(scratch)
    extra = said["extra_us"]
    result.text("Over HTTP the waiting for a durable write and the client's own jitter are in it. In the process itself "
                f"(`rapport_freshness`, {said['customers']} customers, median of {said['events_median']} events): the page after the customer's own "
                "event against the same page after somebody else's, both right after a durable write, in processor time of the thread that asks.")
    result.table("", ["us", "p50", "p90", "p99"],
                 [[title, *(f"{said[what][k]:.1f}" for k in ("p50", "p90", "p99"))] for title, what in (
                     ("extra after the own event", "extra_us"), ("two equal pages", "noise_us"),
                     ("finding the customer's view, after the own event", "view_us"), ("the same, after another's", "view_kept_us"))])
    result.text(f"The whole page takes {said['page_us_p50']:.0f} us there. The view of the customer that was there is brought up to date by the "
                "event's own bytes; nothing is read from the store. The rest of the extra is the page's own: sessions, neighbours and texts that the "
                "new item brings into the processor's caches.")
    result.stated("freshness.extra_us_p50", extra["p50"])
    result.most("freshness.extra_us_p99", extra["p99"], 100, "bringing the view up to date is the smaller part; the new item's sessions and neighbours are not in the processor's caches. Tried: "
                "the view takes the event instead of being read anew (p50 over HTTP was 414 us)")


# ---- ingest ----

def ingest(bench):
    if not tools(bench, "wrk"):
        return None
    bare = bench.program("rapport_bare_store")
    result = Result("Ingest beside bare RocksDB")
    files = os.path.join(shop(bench, 20000, 20000, 120), "shop")
    appends, imports = [], []
    for number in range(3):
        appends.append(append_run(bench, bare, number))
        imports.append(import_run(bench, bare, files))
    stand_beside = ("reading JSON, duplicates, identities and the item sets' merges stand beside the writing: the bare side is "
                    "given finished keys and values")
    limits = {"append": stand_beside,
              "import": stand_beside + ". Tried: groups of a million events as sorted files instead of the log (half of the processor time), lines of "
                        "JSON understood on all cores, read by simdjson (a tenth of the processor time). What is left is trees of JSON and operations made of them, "
                        "deciding and the files; the bare side uses one core"}
    for name, runs, target, title in (("append", appends, 0.6, "64 clients, batches of 20, each acknowledged when durable"),
                                      ("import", imports, 0.6, "`rapport import events` of 300,000 lines of JSON")):
        over = ratio([run["rapport"] for run in runs], [run["bare"] for run in runs])
        result.table("", [title, "events/s"],
                     [["Rapport", spread_text([run["rapport"] for run in runs], digits=0)],
                      ["bare RocksDB, the same keys", spread_text([run["bare"] for run in runs], digits=0)],
                      ["ratio", ratio_text(over)]])
        result.least(f"ingest.{name}.over_bare", over["median"], target, limits[name])
    result.text("Bare append: batches of 64 events, each synced, one writer. Bare import: sorted into one file for each family, taken in. "
                "Both write the very keys and values that the store holds of these events (bench/bare_store_main.cc), which are read back and compared.")
    return result


def bare_run(bench, bare, store, mode, events):
    scratch = bench.path("bare")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    said = bench.run_json([bare, store, mode, scratch, str(events), "64"])
    shutil.rmtree(scratch)
    return said["events"] / said["seconds"]


def append_run(bench, bare, number):
    with Serving(bench, None, {}, threads=0) as server:
        said = wrk(bench, server.url, server.key, "event_batches.lua", core=None, connections=64, seconds=6,
                   CUSTOMERS=20000, ITEMS=20000, RUN=f"run{number}")
        events = int(server.metric("rapport_store_events"))
        if events < 20 * said["requests"]:
            raise WrongAnswer(f"{20 * said['requests']} events were acknowledged and {events} are kept")
        server.stop()
        return {"rapport": 20 * said["requests"] / said["seconds"],
                "bare": bare_run(bench, bare, server.data, "append", min(events, 200000))}


def import_run(bench, bare, files, lines=300000):
    path = bench.path("events.jsonl")
    with open(os.path.join(files, "events.jsonl"), encoding="utf-8") as source, open(path, "w", encoding="utf-8") as out:
        for number, line in enumerate(source):
            if number == lines:
                break
            out.write(line)
    store = bench.path("import-store")
    shutil.rmtree(store, ignore_errors=True)
    started = time.monotonic()
    subprocess.run([bench.binary, "import", "events", "--data", store, path], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    rate = bare_run(bench, bare, store, "import", lines)
    shutil.rmtree(store)
    return {"rapport": lines / seconds, "bare": rate}


# ---- memory and soak ----

MEMORY_BYTES = 2 << 30  # what the server is told to plan with


def memory(bench):
    """Resident memory at rest and under pages and events, in a server told to plan with MEMORY_BYTES: the process stays below
    twice that, as docs/OPERATIONS.md says."""
    if not tools(bench, "wrk"):
        return None
    customers, items = bench.options.memory_customers, 100000
    folder = wide_shop(bench, customers, items, 50, 60)
    known = os.path.join(folder, "names.txt")
    names(folder)
    result = Result("Memory")
    with Serving(bench, os.path.join(folder, "store"), {"memoryBytes": MEMORY_BYTES}, threads=0) as server:
        events = server.metric("rapport_store_events")
        server.page("customer-00001")
        rest = server.resident_bytes()
        writer = threading.Thread(target=lambda: write_events(server, customers, items, seconds=60))
        writer.start()
        wrk(bench, server.url, server.key, "page_views.lua", core=None, seconds=60, NAMES=known)
        writer.join()
        load, peak = server.resident_bytes(), server.resident_bytes("VmHWM")
        written = server.metric("rapport_store_events") - events
    mib = lambda size: round(size / 2**20)
    result.text(f"{customers:,} customers, {events:,.0f} events, {items:,} items, a model in service, `memoryBytes` {mib(MEMORY_BYTES):,} MiB: resident "
                f"{mib(rest):,} MiB at rest, {mib(load):,} MiB after 60 s of pages for customers in turn and {written:,.0f} new events beside them, "
                f"{mib(peak):,} MiB at most. Histories stay on the disk: what grows with the customers is the bounded cache of histories and the answers' "
                "memory, both with their limits in docs/OPERATIONS.md; what grows with the items is the catalogue and the model.")
    result.stated("memory.resident_mib.at_rest", mib(rest))
    result.stated("memory.resident_mib.under_load", mib(load))
    result.most("memory.peak_over_twice_planned", peak / (2 * MEMORY_BYTES), 1)
    return result


def write_events(server, customers, items, seconds):
    """Views of customers far apart, in batches of 20, one after the other."""
    connection, number, end = server.connect(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        batch = [{"type": "track", "userId": f"customer-{(number * 20 + i) * 7919 % customers:05d}", "event": "Product Viewed",
                  "properties": {"product_id": f"item-{(number * 20 + i) * 17 % items:07d}"}} for i in range(20)]
        if server.ask("POST", "/v1/batch", {"batch": batch}, connection)[0] != 200:
            raise WrongAnswer("a batch was refused")
        number += 1


def soak(bench):
    """Pages at about 70 % of what the machine does, events, trainings and swaps at once."""
    folder = shop(bench, 20000, 20000, 120)
    store, known = os.path.join(folder, "store"), names(folder)
    minutes = bench.options.soak_minutes
    result = Result("Soak")
    with Serving(bench, store, {}, threads=0) as server:
        state = {"pages": 0, "events": 0, "failed": 0, "trained": 0, "swaps": 0}
        samples, threads, end = [], [], time.monotonic() + minutes * 60
        rate = soak_rate(server, known)

        def guarded(work):
            def run():
                connection, number = server.connect(), 0
                while time.monotonic() < end:
                    try:
                        work(connection, number)
                    except (OSError, http.client.HTTPException, WrongAnswer):
                        state["failed"] += 1
                        connection = server.connect()
                    number += 1
            threads.append(threading.Thread(target=run))

        def pages(connection, number):
            time.sleep(4 / (0.7 * rate))
            server.page(known[number * 7919 % len(known)], connection)
            state["pages"] += 1

        def events(connection, number):
            batch = [{"type": "track", "userId": f"customer-{(number * 20 + i) * 31 % 20000 + 1:05d}", "event": "Product Viewed",
                      "properties": {"product_id": f"item-{(number * 20 + i) * 17 % 20000 + 1:05d}"}} for i in range(20)]
            if server.ask("POST", "/v1/batch", {"batch": batch}, connection)[0] != 200:
                raise WrongAnswer("a batch was refused")
            state["events"] += 20
            time.sleep(0.1)

        def models(connection, number):
            status, _ = server.ask("POST", "/v1/models/train", {"activate": True, "force": True}, connection)
            state["trained"] += status == 202
            _, known = server.ask("GET", "/v1/models", None, connection)
            usable = [model["generation"] for model in json.loads(known)["models"] if not model.get("removed")]
            for generation in usable[-2:]:
                if server.ask("POST", f"/v1/models/{generation}/activate", None, connection)[0] not in (200, 409):
                    raise WrongAnswer("a swap failed")
                state["swaps"] += 1
            time.sleep(5)

        for work in (pages, pages, pages, pages, events, models):
            guarded(work)
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            samples.append(server.resident_bytes())
            time.sleep(1)
        for thread in threads:
            thread.join()
    quarter = max(1, len(samples) // 4)
    early, late = statistics.median(samples[quarter:2 * quarter]), statistics.median(samples[-quarter:])
    result.text(f"{minutes:g} minutes: {state['pages']:,} pages, {state['events']:,} events, {state['trained']} trainings asked for, {state['swaps']} swaps; "
                f"{state['failed']} requests failed. Resident memory: median of the last quarter over the second quarter {late / early:.3f} "
                f"({late / 2**20:.0f} over {early / 2**20:.0f} MiB).")
    result.most("soak.failed_requests", state["failed"], 0)
    result.most("soak.memory_growth", late / early, 1.05, "a training running in the last quarter and not in the second counts as growth")
    return result


def soak_rate(server, known, seconds=3):
    """Pages a second that four Python clients get."""
    done, end, threads = [0], time.monotonic() + seconds, []

    def run(first):
        connection, number = server.connect(), first
        while time.monotonic() < end:
            server.page(known[number * 7919 % len(known)], connection)
            number += 4
            done[0] += 1

    for first in range(4):
        threads.append(threading.Thread(target=run, args=(first,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return done[0] / seconds
