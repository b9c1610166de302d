"""The README's recipe and the examples of docs/API.md, as they stand there: each block between the recipe marks is run
against a real server, in their order."""
import json
import os
import re
import shutil
import subprocess
import unittest

from harness import ROOT, TemporaryFolder

MARKED = re.compile(r"<!-- recipe:begin -->(.*?)<!-- recipe:end -->", re.DOTALL)
BLOCK = re.compile(r"```(sh|js)\n(.*?)```", re.DOTALL)
HERE = os.path.dirname(os.path.abspath(__file__))


class RecipeTest(TemporaryFolder):
    def test_the_recipe_works_word_by_word(self):
        if not shutil.which("curl"):
            self.skipTest("no curl")
        blocks = []
        for page in ("README.md", os.path.join("docs", "API.md")):
            with open(os.path.join(ROOT, page), encoding="utf-8") as file:
                recipes = MARKED.findall(file.read())
            found = [block for recipe in recipes for block in BLOCK.findall(recipe)]
            self.assertGreaterEqual(len(found), 3, page)
            blocks += found
        server = self.serve()
        environment = {**os.environ, "RAPPORT": f"http://127.0.0.1:{server.port}", "KEY": server.key}
        answers = []
        for language, block in blocks:
            if language == "js":
                if not shutil.which("node") or not os.path.isdir(os.path.join(HERE, "node_modules")):
                    continue
                command = ["node", "--input-type=module", "-e", block]
            else:
                command = ["bash", "-euo", "pipefail", "-c", block]
            done = subprocess.run(command, env=environment, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=60)
            self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout}\n{done.stderr}")
            self.assertNotIn(b"/problems/", done.stdout, block)
            answers.append(done.stdout.decode())
        said = "".join(answers)
        self.assertIn('"recommendationId"', said)
        self.assertIn('"impression"', said)
        self.assertIn('"refused":[{"itemId":"teapot-1","reason":"does not match the filter"}],"unknown":["gone"]', said)
        self.assertIn('"placements":[{"name":"hero"', said)
        [unseen] = [json.loads(answer) for answer in answers if '"events":{"success"' in answer]
        self.assertEqual(unseen["events"], {"success": True})
        self.assertNotIn("cup-1", [item["itemId"] for item in unseen["placements"][0]["items"]])  # seen in this request
        self.assertIn(unseen["decision"]["action"], ("send", "nothing"))
        self.assertIn('{"guest":"Bob","known":false,"place":"203","worth":0,"wishes":[],"forbidden":[{"reason":"must","places":1}]}', said)


if __name__ == "__main__":
    unittest.main()
