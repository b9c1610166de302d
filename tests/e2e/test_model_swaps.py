"""A hundred changes of the model in service while pages are loaded: no request fails, and every answer is one
generation's own, never a mixture of two."""
import json
import threading
import unittest

from harness import TemporaryFolder

SWAPS = 100
CLIENTS = 4
CUSTOMERS = 20


class ModelSwapsTest(TemporaryFolder):
    def shop(self):
        self.run_ok("simulate", "--customers", "300", "--items", "200", "--days", "60", "--seed", "5",
                    "--out", self.path("shop"))
        for kind in ("items", "profiles", "events"):
            self.run_ok("import", kind, "--data", self.folder, self.path("shop", f"{kind}.jsonl"))
        for rank in ("4", "24"):
            self.run_ok("train", "--data", self.folder, "--rank", rank, "--epochs", "3", "--force")
        with open(self.path("shop", "profiles.jsonl"), encoding="utf-8") as file:
            users = [row["userId"] for row in map(json.loads, file) if "userId" in row]
        self.assertGreaterEqual(len(users), CUSTOMERS)
        return users[:CUSTOMERS]

    def ask(self, server, user, connection=None):
        """The generation of an answer and the items it shows, in order."""
        answer = server.post("/v1/recommendations", {"customer": {"userId": user}, "count": 10}, connection=connection)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["generation"], [item["itemId"] for item in answer.json["items"]]

    def activate(self, server, generation):
        answer = server.post(f"/v1/models/{generation}/activate", None)
        self.assertEqual(answer.status, 200, answer)

    def test_a_hundred_swaps_under_load_without_a_failed_request(self):
        users = self.shop()
        server = self.serve()
        expected = {}
        for generation in (1, 2):
            self.activate(server, generation)
            for user in users:
                told, items = self.ask(server, user)
                self.assertEqual(told, generation)
                expected[generation, user] = items
        different = sum(expected[1, user] != expected[2, user] for user in users)
        self.assertGreater(different, CUSTOMERS // 2, "the two models rank alike: a mixture would not be seen")

        done, counts, wrong = threading.Event(), [0] * CLIENTS, []

        def load(client):
            connection = server.connect()
            turn = client
            while not done.is_set() and not wrong:
                user = users[turn % len(users)]
                turn += 1
                try:
                    generation, items = self.ask(server, user, connection)
                    if items != expected.get((generation, user)):
                        wrong.append(f"generation {generation} did not show {user} these: {items}")
                except Exception as error:  # whatever it is, a client saw it
                    wrong.append(repr(error))
                counts[client] += 1
            connection.close()

        clients = [threading.Thread(target=load, args=(client,)) for client in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for swap in range(SWAPS):
                before = sum(counts)
                self.activate(server, 1 + swap % 2)
                while sum(counts) < before + CLIENTS and not wrong:  # each model answers somebody
                    pass
        finally:
            done.set()
            for client in clients:
                client.join()
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(sum(counts), SWAPS * CLIENTS)
        print(f"{SWAPS} swaps, {sum(counts)} pages, 0 failed")
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
