"""Bad input over the wire and from files: a clear error or a sensible answer, nothing is lost, the server stays up.

Each case is counted; the last test prints how many there were.
"""
import json
import socket
import unittest

from harness import Server, TemporaryFolder, basic, product, quote, rapport

GBK = "茶壶".encode("gbk")


def nested(depth, inner='"x"'):
    return ('{"a":' * depth + inner + "}" * depth).encode()


def track(**more):
    return {"type": "track", "userId": "u1", "event": "Product Viewed", "properties": {"product_id": "a"}, **more}


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


BAD, FINE, TOO_BIG, EITHER = "4xx", "2xx", "413", "2xx or 4xx"

# (what, method, path, body, expectation). EITHER: it is the implementation's choice, but it must be clean.
CASES = [
    # malformed JSON
    ("empty body", "POST", "/v1/track", b"", BAD),
    ("not JSON", "POST", "/v1/track", b"hello", BAD),
    ("cut JSON", "POST", "/v1/track", json.dumps(track()).encode()[:-9], BAD),
    ("two documents", "POST", "/v1/track", json.dumps(track()).encode() * 2, BAD),
    ("NaN", "POST", "/v1/track", b'{"userId":"u1","event":"E","properties":{"value":NaN}}', BAD),
    ("Infinity", "POST", "/v1/track", b'{"userId":"u1","event":"E","properties":{"value":Infinity}}', BAD),
    ("1e999", "POST", "/v1/track", b'{"userId":"u1","event":"E","properties":{"value":1e999}}', BAD),
    ("comment", "POST", "/v1/track", b'{"userId":"u1", /* hi */ "event":"E"}', BAD),
    ("single quotes", "POST", "/v1/track", b"{'userId':'u1','event':'E'}", BAD),
    ("GBK bytes", "POST", "/v1/track", b'{"userId":"u1","event":"' + GBK + b'"}', BAD),
    ("lone surrogate", "POST", "/v1/track", b'{"userId":"u1","event":"\\ud800"}', BAD),
    ("UTF-16", "POST", "/v1/track", json.dumps(track()).encode("utf-16"), BAD),
    ("byte order mark", "POST", "/v1/track", b"\xef\xbb\xbf" + json.dumps(track(messageId="bom")).encode(), EITHER),
    ("nested 1,000 deep", "POST", "/v1/track", nested(1000), BAD),
    ("nested 100,000 deep", "POST", "/v1/track", nested(100_000), BAD),
    ("arrays 100,000 deep", "POST", "/v1/track", b"[" * 100_000 + b"]" * 100_000, BAD),
    ("10 MB body", "POST", "/v1/track", b'{"userId":"' + b"x" * 10_000_000 + b'"}', TOO_BIG),
    # wrong types
    ("array for object", "POST", "/v1/track", b"[]", BAD),
    ("number for object", "POST", "/v1/track", b"7", BAD),
    ("null", "POST", "/v1/track", b"null", BAD),
    ("user id object", "POST", "/v1/track", track(userId={"a": 1}), BAD),
    ("user id with a zero byte", "POST", "/v1/track", track(userId="a\0b"), BAD),
    ("user id empty", "POST", "/v1/track", track(userId=""), BAD),
    ("user id missing", "POST", "/v1/track", {"type": "track", "event": "E"}, BAD),
    ("event missing", "POST", "/v1/track", {"type": "track", "userId": "u1"}, BAD),
    ("event a number", "POST", "/v1/track", track(event=5), BAD),
    ("properties an array", "POST", "/v1/track", track(properties=[1, 2]), BAD),
    ("message id an object", "POST", "/v1/track", track(messageId={}), BAD),
    ("message id 100,000 bytes", "POST", "/v1/track", track(messageId="m" * 100_000), BAD),
    ("event name 100,000 bytes", "POST", "/v1/track", track(event="e" * 100_000), BAD),
    ("properties of 100 kB", "POST", "/v1/track", track(properties={"p": "x" * 100_000}), BAD),
    ("100,000 products in an order", "POST", "/v1/track",
     track(event="Order Completed", properties={"products": [{"product_id": "a"}] * 100_000}), BAD),
    ("traits a text", "POST", "/v1/identify", {"userId": "u1", "traits": "tall"}, BAD),
    ("traits too many", "POST", "/v1/identify", {"userId": "u1", "traits": {f"t{i}": i for i in range(5000)}}, BAD),
    ("alias without previous", "POST", "/v1/alias", {"userId": "u1"}, BAD),
    ("alias to itself", "POST", "/v1/alias", {"userId": "u1", "previousId": "u1"}, EITHER),
    # times
    ("time in words", "POST", "/v1/track", track(timestamp="yesterday"), BAD),
    ("time of year 1", "POST", "/v1/track", track(timestamp="0001-01-01T00:00:00Z"), BAD),
    ("time of year 9999", "POST", "/v1/track", track(timestamp="9999-12-31T00:00:00Z"), BAD),
    ("31 February", "POST", "/v1/track", track(timestamp="2024-02-31T00:00:00Z"), BAD),
    ("time 1e30", "POST", "/v1/track", track(timestamp=1e30), BAD),
    ("future by a year", "POST", "/v1/track", track(timestamp="2100-01-01T00:00:00Z", messageId="future"), FINE),
    ("ancient", "POST", "/v1/track", track(timestamp="1901-01-01T00:00:00Z", messageId="ancient"), FINE),
    # batches
    ("batch missing", "POST", "/v1/batch", {}, BAD),
    ("batch not an array", "POST", "/v1/batch", {"batch": {"a": 1}}, BAD),
    ("batch of 100,000", "POST", "/v1/batch", {"batch": [{"type": "track"}] * 100_000}, BAD),
    ("batch of nulls", "POST", "/v1/batch", {"batch": [None, None]}, BAD),
    ("batch of unknown types", "POST", "/v1/batch", {"batch": [{"type": "dance", "userId": "u1"}]}, BAD),
    ("empty batch", "POST", "/v1/batch", {"batch": []}, EITHER),
    # items
    ("items a text", "PUT", "/v1/items", b'"a"', BAD),
    ("items 100,000", "PUT", "/v1/items", [{"itemId": f"i{i}"} for i in range(100_000)], BAD),
    ("item without id", "PUT", "/v1/items", [{"title": "nameless"}], BAD),
    ("item id of 257 bytes", "PUT", "/v1/items", [product("x" * 257)], BAD),
    ("item id with a zero byte", "PUT", "/v1/items", [product("a\0b")], BAD),
    ("price in words", "PUT", "/v1/items", [product("a", price="cheap")], BAD),
    ("price NaN", "PUT", "/v1/items", b'[{"itemId":"a","price":NaN}]', BAD),
    ("price 30 digits", "PUT", "/v1/items", [product("a", price="1" * 30)], BAD),
    ("stock a fraction", "PUT", "/v1/items", [product("a", stock=1.5)], BAD),
    ("stock 1e30", "PUT", "/v1/items", b'[{"itemId":"a","stock":1e30}]', BAD),
    ("unknown item key", "PUT", "/v1/items", [product("a", colour="red")], BAD),
    ("expires in words", "PUT", "/v1/items", [product("a", expiresAt="soon")], BAD),
    ("embedding of texts", "PUT", "/v1/items", [product("a", embedding=["x"])], BAD),
    ("embedding of 100,000", "PUT", "/v1/items", [product("a", embedding=[0.5] * 100_000)], BAD),
    ("10,000 tags", "PUT", "/v1/items", [product("a", tags=[f"t{i}" for i in range(10_000)])], BAD),
    ("patch of nobody", "PATCH", "/v1/items/nobody", {"stock": 1}, "404"),
    ("delete of nobody", "DELETE", "/v1/items/nobody", None, "404"),
    ("unknown item", "GET", "/v1/items/nobody", None, "404"),
    ("unknown item similar", "GET", "/v1/items/nobody/similar", None, "404"),
    ("item id of 3,000 bytes in a path", "GET", "/v1/items/" + "x" * 3000, None, BAD),
    ("broken escape in a path", "GET", "/v1/items/%zz", None, BAD),
    ("GBK in a path", "GET", "/v1/items/" + "".join(f"%{b:02x}" for b in GBK), None, BAD),
    # recommendations
    ("count 0", "POST", "/v1/recommendations", {"count": 0}, BAD),
    ("count -1", "POST", "/v1/recommendations", {"count": -1}, BAD),
    ("count 1e9", "POST", "/v1/recommendations", {"count": 1_000_000_000}, BAD),
    ("count in words", "POST", "/v1/recommendations", {"count": "ten"}, BAD),
    ("unknown key", "POST", "/v1/recommendations", {"cuont": 5}, BAD),
    ("unknown customer", "POST", "/v1/recommendations", {"customer": {"userId": "nobody"}}, FINE),
    ("unknown scenario", "POST", "/v1/recommendations", {"scenario": "no such"}, FINE),
    ("unknown seed", "POST", "/v1/recommendations", {"seedItems": ["nobody"]}, FINE),
    ("unknown kind", "POST", "/v1/recommendations", {"kind": "spaceship"}, FINE),
    ("100,000 excludes", "POST", "/v1/recommendations", {"exclude": [str(i) for i in range(100_000)]}, BAD),
    ("pin at 0", "POST", "/v1/recommendations", {"pin": [{"itemId": "a", "position": 0}]}, BAD),
    ("boost by -1", "POST", "/v1/recommendations", {"boost": [{"filter": "price > 1", "factor": -1}]}, BAD),
    ("boost by 1e300", "POST", "/v1/recommendations", {"boost": [{"filter": "price > 1", "factor": 1e300}]}, BAD),
    ("diversity 2", "POST", "/v1/recommendations", {"diversity": 2}, BAD),
    ("diversity NaN", "POST", "/v1/recommendations", b'{"diversity":NaN}', BAD),
    ("next page of nothing", "POST", "/v1/recommendations/next", {}, BAD),
    ("next page of a forged id", "POST", "/v1/recommendations/next", {"recommendationId": "A" * 400}, BAD),
    ("next page of a 1 MB id", "POST", "/v1/recommendations/next", {"recommendationId": "A" * 1_000_000}, BAD),
    ("ranking of nothing", "POST", "/v1/rank", {"items": []}, BAD),
    ("ranking of 100,000", "POST", "/v1/rank", {"items": [f"i{i}" for i in range(100_000)]}, BAD),
    ("ranking of strangers", "POST", "/v1/rank", {"items": ["nobody", 7]}, FINE),
    ("context without placements", "POST", "/v1/context", {"customer": {"userId": "u1"}}, BAD),
    ("context of 100,000 placements", "POST", "/v1/context", {"placements": [{"name": "a"}] * 100_000}, BAD),
    ("context of one name twice", "POST", "/v1/context", {"placements": [{"name": "a"}, {"name": "a"}]}, BAD),
    ("context nested 1,000 deep", "POST", "/v1/context", b'{"placements":' + nested(1000) + b"}", BAD),
    # filters
    ("filter cut", "POST", "/v1/recommendations", {"filter": "price <="}, BAD),
    ("filter of one quote", "POST", "/v1/recommendations", {"filter": "title = 'a"}, BAD),
    ("filter on nothing", "POST", "/v1/recommendations", {"filter": "nonsense = 1"}, BAD),
    ("filter nested 1,000 deep", "POST", "/v1/recommendations", {"filter": "(" * 1000 + "price > 1" + ")" * 1000}, BAD),
    ("filter NOT x 1,000", "POST", "/v1/recommendations", {"filter": "NOT " * 1000 + "viewed"}, BAD),
    ("filter of 1 MB", "POST", "/v1/recommendations", {"filter": "price > 1 OR " * 80_000 + "price > 1"}, BAD),
    ("filter like SQL", "POST", "/v1/recommendations", {"filter": "price > 1; DROP TABLE items"}, BAD),
    ("filter with a zero byte", "POST", "/v1/recommendations", {"filter": "title = 'a\0b'"}, EITHER),
    ("empty filter", "POST", "/v1/recommendations", {"filter": ""}, FINE),
    # transport
    ("unknown path", "GET", "/v1/nothing", None, "404"),
    ("wrong method", "GET", "/v1/track", None, "405"),
    ("root", "GET", "/", None, "404"),
    ("unknown query", "GET", "/v1/popular?cuont=5", None, BAD),
    ("a query name twice", "GET", "/v1/popular?count=5&count=6", None, BAD),
    ("empty segment", "GET", "/v1//popular", None, BAD),
    ("dot segments", "GET", "/v1/../v1/popular", None, BAD),
]

# Ids that are unusual and right: they must come back byte for byte.
STRANGE_IDS = ["a/b", "a%2Fb", "../../etc/passwd", "☕ 茶 🍵", "x" * 256, "é" * 128, " spaced ", "a?b=c&d#e", "'; --", '"q"',
               "\\back\\slash", "%", "+", "\t tab", "NaN", "null", "0", "-1", "\U0001f9ff" * 64, ".", ".."]


class BadInputTest(TemporaryFolder):
    counted = 0

    @classmethod
    def count(cls, cases=1):
        BadInputTest.counted += cases

    @classmethod
    def tearDownClass(cls):
        print(f"bad input: {cls.counted} cases", flush=True)

    def assert_clean(self, answer, expected, what):
        """2xx, or a problem that says what to do; never a 5xx."""
        classes = {FINE: ("2",), BAD: ("4",), EITHER: ("2", "4")}.get(expected, (expected,))
        self.assertTrue(str(answer.status).startswith(classes), f"{what}: wanted {expected}, got {answer}")
        if answer.status >= 400:
            self.assertEqual(answer.headers.get("content-type", "").split(";")[0], "application/problem+json", what)
            problem = answer.json
            self.assertTrue(problem["type"], what)
            self.assertTrue(problem["detail"], what)
            self.assertEqual(problem["status"], answer.status, what)

    def test_over_the_wire(self):
        server = self.serve()
        server.put_items([product("a"), product("b")])
        self.assertEqual(server.track("u1", "Product Viewed", "a", message="before").status, 200)
        for what, method, path, body, expected in CASES:
            with self.subTest(what):
                self.count()
                self.assert_clean(server.request(method, path, body), expected, what)
        # Nothing was lost, and nothing slipped in that was refused.
        self.assertEqual(server.get("/healthz").status, 200)
        stored = {event["messageId"] for event in server.events("u1")}
        self.assertLessEqual(stored - {"bom"}, {"before", "future", "ancient"} | {m for m in stored if m == ""})
        self.assertLessEqual({"before", "future", "ancient"}, stored)
        self.assertEqual(sorted(server.recommended("u1"))[:2], ["a", "b"])
        self.assertEqual(server.stop(), 0)

    def test_future_times_are_clamped(self):
        self.count()
        server = self.serve()
        server.track("u1", "Product Viewed", "a", message="future", timestamp="2100-01-01T00:00:00Z")
        [event] = server.events("u1")
        self.assertLess(event["timestamp"], "2099")

    def test_good_entries_of_a_bad_batch_count_and_bad_ones_are_named(self):
        self.count(2)
        server = self.serve()
        answer = server.post("/v1/batch", {"batch": [track(messageId="1"), {"type": "track", "userId": "u1"},
                                                     track(messageId="3"), track(timestamp="never")]})
        stored = {event["messageId"] for event in server.events("u1")} if answer.status != 404 else set()
        self.assertEqual([error["index"] for error in answer.json["errors"]], [1, 3], answer)
        # Either the good ones are all there and the answer says so, or none is and the whole batch is to be sent again.
        self.assertIn(stored, ({"1", "3"}, set()))
        self.assertEqual(answer.status // 100 == 2, stored == {"1", "3"}, answer)

    def test_strange_ids_come_back_as_they_went_in(self):
        server = self.serve()
        server.put_items([product(name) for name in STRANGE_IDS])
        for name in STRANGE_IDS:
            with self.subTest(repr(name)):
                self.count()
                answer = server.get(f"/v1/items/{quote(name)}")
                if name in (".", ".."):  # a proxy may fold these away: refusing them is as good
                    self.assertIn(answer.status, (200, 400))
                else:
                    self.assertEqual(answer.status, 200, answer)
                    self.assertEqual(answer.json["itemId"], name)
                self.assertEqual(server.track(name, "Product Viewed", name, message="1").status, 200)
                if name not in (".", ".."):
                    [event] = server.events(name)
                    self.assertEqual(event["messageId"], "1")
        self.assertEqual(sorted(server.recommended(count=100)), sorted(STRANGE_IDS))

    def test_keys_and_headers(self):
        server = self.serve()
        cases = [
            ("no key", {"key": None}, 401),
            ("wrong key", {"key": "rk_AAAAAAAAAAAA_wrong"}, 401),
            ("empty bearer", {"key": None, "headers": {"Authorization": "Bearer "}}, 401),
            ("not base64", {"key": None, "headers": {"Authorization": "Basic %%%"}}, 401),
            ("unknown scheme", {"key": None, "headers": {"Authorization": "Digest x"}}, 401),
            ("key of 10 kB", {"key": "x" * 10_000}, 401),
            ("basic, as Segment sends it", {"key": None, "headers": {"Authorization": basic(server.key)}}, 200),
            ("X-API-Key, as Gorse sends it", {"key": None, "headers": {"X-API-Key": server.key}}, 200),
            ("headers of 100 kB", {"headers": {"X-Long": "x" * 100_000}}, 431),
        ]
        for what, options, status in cases:
            with self.subTest(what):
                self.count()
                answer = server.get("/v1/popular", **options)
                self.assertEqual(answer.status, status, f"{what}: {answer}")

    def test_broken_http(self):
        server = self.serve()
        cases = [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET / HTTP/9.9\r\n\r\n",
                 b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                 b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5000 + b"\r\n"]
        for case in cases:
            with self.subTest(case[:40]):
                self.count()
                with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
                    try:
                        connection.sendall(case)
                        connection.shutdown(socket.SHUT_WR)
                        answer = b""
                        while chunk := connection.recv(65536):
                            answer += chunk
                    except ConnectionError:
                        answer = b""
                    self.assertTrue(answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), answer[:200])
        self.assertEqual(server.get("/healthz").status, 200)

    def test_an_empty_store_and_a_store_with_one_customer_answer(self):
        self.count(4)
        server = self.serve()
        self.assertEqual(server.recommended("nobody"), [])
        self.assertEqual(server.get("/v1/popular").json["items"], [])
        self.assertEqual(server.track("only", "Product Viewed", "a").status, 200)
        self.assertEqual(server.recommended("only"), [])  # known from an event only: never put, never shown
        server.put_items([product("a")])
        self.assertEqual(server.recommended("only"), ["a"])
        server.stop()
        done = rapport("train", "--data", self.folder)
        self.assertIn(done.returncode, (0, 1))
        self.assertTrue(done.returncode == 0 or done.stderr.strip(), "a refused training says what is missing")

    # ---- files ----

    def import_events(self, content, *arguments, name="events.jsonl"):
        return rapport("import", "events", "--data", self.folder, "--rejects", self.path(name + ".rejects"), *arguments,
                       self.write(name, content))

    def exported(self):
        out = self.path("out.jsonl")
        self.run_ok("export", "events", "--data", self.folder, "--out", out)
        with open(out, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_files_with_every_kind_of_damage(self):
        def line(message):
            return json.dumps(track(messageId=message)).encode() + b"\n"

        cases = [
            ("cut in the middle of a line", line("1") + line("2")[:-20], {"1"}),
            ("Windows line ends", (line("1") + line("2")).replace(b"\n", b"\r\n"), {"1", "2"}),
            ("byte order mark", b"\xef\xbb\xbf" + line("1") + line("2"), {"1", "2"}),
            ("GBK where UTF-8 is expected", line("1") + b'{"userId":"' + GBK + b'"}\n' + line("2"), {"1", "2"}),
            ("zero bytes", line("1") + b"\0\0\0\0\n" + line("2"), {"1", "2"}),
            ("empty lines", b"\n\n" + line("1") + b"\n" + line("2") + b"\n\n", {"1", "2"}),
            ("a line of 1 MB", line("1") + b'{"userId":"' + b"x" * 1_000_000 + b'"}\n' + line("2"), {"1", "2"}),
            ("wrong types", line("1") + b'{"userId":[1]}\n7\nnull\n[]\n"x"\n' + line("2"), {"1", "2"}),
            ("deep nesting", line("1") + nested(10_000) + b"\n" + line("2"), {"1", "2"}),
            ("no line end at the end", line("1") + line("2")[:-1], {"1", "2"}),
            ("an empty file", b"", set()),
        ]
        for number, (what, content, expected) in enumerate(cases):
            with self.subTest(what):
                self.count()
                self.folder = self.path(f"store-{number}")
                done = self.import_events(content, name=f"events-{number}.jsonl")
                self.assertIn(done.returncode, (0, 1), done.stderr)
                if expected or done.returncode == 0:
                    self.assertEqual({event["messageId"] for event in self.exported()}, expected, done.stderr)

    def test_files_that_are_not_what_they_say(self):
        cases = [
            ("no such file", ["import", "events", "--data", self.folder, self.path("nothing.jsonl")]),
            ("a folder", ["import", "events", "--data", self.folder, self.temporary]),
            ("xz that is none", ["import", "events", "--data", self.folder, self.write("a.jsonl.xz", b"\xfd7zXZ\0broken")]),
            ("a mapping that is none", ["import", "events", "--data", self.folder, "--csv", "--map",
                                        self.write("map.json", b"{"), self.write("a.csv", b"a,b\n1,2\n")]),
        ]
        for what, arguments in cases:
            with self.subTest(what):
                self.count()
                done = rapport(*arguments)
                self.assertIn(done.returncode, (1, 2), f"{what}: {done.stdout}{done.stderr}")
                self.assertTrue(done.stderr.strip(), what)

    def test_folders_that_are_no_store(self):
        import os
        foreign = self.path("photos")
        os.mkdir(foreign)
        self.write("photos/holiday.jpg", b"JPEG")
        cases = [("somebody else's folder", foreign), ("a file", self.write("plain", b"x")),
                 ("below a file", self.path("plain", "store"))]
        for what, folder in cases:
            with self.subTest(what):
                self.count()
                server = Server(folder, expect_start=False)
                self.addCleanup(server.kill)
                self.assertEqual(server.wait(), 1)
                self.assertTrue("".join(server.lines).strip(), what)
        self.assertEqual(os.listdir(foreign), ["holiday.jpg"])


if __name__ == "__main__":
    unittest.main()
