"""docs/OPERATIONS.md "Runbook": every line of every ```sh block is run, in the state of things that its section is for.

The blocks are run as they stand, by bash -e, with the package's paths replaced by those of the test. `systemctl`, `sudo`,
`dpkg`, `journalctl` and `dmesg` are small stand-ins at the front of PATH: the first starts and stops the real binary with the
unit's arguments. A section without a test here fails the test.
"""
import json
import os
import re
import signal
import subprocess
import unittest

from harness import ROOT, TemporaryFolder, binary

SYSTEMCTL = r"""#!/bin/bash
# start | stop | restart rapport
stop() {
  if [ -f "$STATE/pid" ]; then
    kill -TERM "$(cat "$STATE/pid")" 2>/dev/null
    while kill -0 "$(cat "$STATE/pid")" 2>/dev/null; do sleep 0.05; done
    rm -f "$STATE/pid"
  fi
}
start() {
  : > "$STATE/log"
  setsid "$RAPPORT" serve --data "$DATA" --config "$CONFIG" --listen "127.0.0.1:$(cat "$STATE/port")" \
    </dev/null >>"$STATE/all" 2>"$STATE/log" &
  echo $! > "$STATE/pid"
  for _ in $(seq 1200); do
    grep -q '"server.started"' "$STATE/log" && return 0
    kill -0 "$(cat "$STATE/pid")" 2>/dev/null || { cat "$STATE/log" >&2; rm -f "$STATE/pid"; return 1; }
    sleep 0.05
  done
  return 1
}
case "$1" in
  start) start ;;
  stop) stop ;;
  restart) stop; start ;;
  *) echo "no stand-in for systemctl $1" >&2; exit 1 ;;
esac
"""
SUDO = '#!/bin/bash\nif [ "$1" = -u ]; then shift 2; fi\nexec "$@"\n'
RAPPORT = '#!/bin/bash\nexec "$RAPPORT" "$@"\n'
QUIET = "#!/bin/bash\nexit 0\n"


def sections():
    """Title -> its sh blocks, of the runbook only."""
    with open(os.path.join(ROOT, "docs", "OPERATIONS.md"), encoding="utf-8") as file:
        text = file.read()
    runbook = re.search(r"^# Runbook\n(.*?)^# ", text, re.MULTILINE | re.DOTALL).group(1)
    found = {}
    for part in re.split(r"^## ", runbook, flags=re.MULTILINE)[1:]:
        title, body = part.split("\n", 1)
        found[title.strip()] = re.findall(r"^```sh\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    return found


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RunbookTest(TemporaryFolder):
    TESTED = {"Backup and restore", "Disk full", "Disk that fails or is slow", "Corrupt file", "Lost secret", "Lost key",
              "Stuck training", "Roll back", "Upgrade"}

    def setUp(self):
        super().setUp()
        self.backups, self.bin = self.path("backups"), self.path("bin")
        os.makedirs(self.bin)
        os.makedirs(self.path("state"))
        for name, text in (("systemctl", SYSTEMCTL), ("sudo", SUDO), ("rapport", RAPPORT), ("dpkg", QUIET),
                           ("journalctl", QUIET), ("dmesg", QUIET)):
            path = os.path.join(self.bin, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(path, 0o755)
        self.write("state/port", str(free_port()))
        self.config = self.write("config.json", json.dumps({"server": {"backupFolder": self.backups}}))
        self.environment = {**os.environ, "PATH": self.bin + ":" + os.environ["PATH"], "STATE": self.path("state"),
                            "DATA": self.folder, "CONFIG": self.config, "RAPPORT": binary()}
        self.addCleanup(self.end)

    def end(self):
        try:
            with open(self.path("state", "pid"), encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGKILL)
        except (OSError, ValueError):
            pass

    def bash(self, text, ok=True):
        with open(self.path("state", "port"), encoding="ascii") as file:
            port = file.read().strip()
        for path, mine in (("/var/backups/rapport", self.backups), ("/var/lib/rapport", self.folder),
                           ("127.0.0.1:8080", f"127.0.0.1:{port}")):
            text = text.replace(path, mine)
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", text], capture_output=True, text=True, timeout=300,
                              env=self.environment, cwd=self.temporary)
        if ok:
            self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}\n{done.stderr}")
        return done

    def run_section(self, title):
        return "\n".join(self.bash(block).stdout for block in sections()[title])

    def fill(self, models=0):
        """A running server with something in it, and a backup."""
        shop = self.path("shop")
        self.run_ok("simulate", "--customers", 100, "--items", 60, "--days", 40, "--seed", 5, "--out", shop)
        self.run_ok("import", "items", "--data", self.folder, os.path.join(shop, "items.jsonl"))
        self.run_ok("import", "events", "--data", self.folder, os.path.join(shop, "events.jsonl"))
        for _ in range(models):
            self.run_ok("train", "--data", self.folder)
        self.run_ok("backup", self.backups, "--data", self.folder)
        self.bash("systemctl start rapport")

    def events(self):
        out = self.path("events.jsonl")
        self.run_ok("export", "events", "--data", self.folder, "--out", out)
        with open(out, encoding="utf-8") as file:
            text = file.read()
        os.remove(out)
        return text

    def test_every_section_is_tested(self):
        self.assertEqual(set(sections()), self.TESTED)
        for title, blocks in sections().items():
            self.assertTrue(blocks, title)

    def test_backup_and_restore(self):
        self.fill()
        before = self.events()
        blocks = sections()["Backup and restore"]
        self.assertEqual(len(blocks), 2)
        self.bash(blocks[0])
        self.bash(blocks[1])
        self.assertEqual(self.events(), before)

    def test_disk_full(self):
        self.fill()
        self.run_section("Disk full")

    def test_disk_that_fails(self):
        self.fill()
        self.run_section("Disk that fails or is slow")

    def test_corrupt_file(self):
        self.fill()
        before = self.events()
        self.bash("systemctl stop rapport")
        tables = sorted((os.path.getsize(path), path) for path in
                        (os.path.join(self.folder, "db", name) for name in os.listdir(os.path.join(self.folder, "db")))
                        if path.endswith(".sst"))
        with open(tables[-1][1], "r+b") as file:
            file.seek(100)
            byte = file.read(1)[0]
            file.seek(100)
            file.write(bytes([byte ^ 4]))
        said = self.run_section("Corrupt file")
        self.assertIn("damaged, as feared", said)
        self.assertEqual(self.events(), before)

    def test_lost_secret(self):
        self.fill()
        before = self.events()
        self.bash("systemctl stop rapport")
        os.remove(os.path.join(self.folder, "secret"))
        refused = self.bash("systemctl start rapport", ok=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("secret is missing", refused.stderr)
        with open(os.path.join(self.folder, "secret"), "wb") as file:
            file.write(b"x" * 32)
        self.assertIn("is not the one", self.bash("systemctl start rapport", ok=False).stderr)
        os.remove(os.path.join(self.folder, "secret"))
        self.run_section("Lost secret")
        self.assertEqual(self.events(), before)

    def test_lost_key(self):
        self.fill()
        with open(os.path.join(self.folder, "operator.key"), encoding="ascii") as file:
            leaked = file.read().strip()
        ask = "curl --silent --output /dev/null --write-out '%{http_code}' -H 'Authorization: Bearer KEY' http://127.0.0.1:8080/v1/models"
        self.assertEqual(self.bash(ask.replace("KEY", leaked)).stdout, "200")
        said = self.run_section("Lost key")
        self.assertIn("backend, second key", said)
        self.assertEqual(self.bash(ask.replace("KEY", leaked)).stdout, "401")
        with open(os.path.join(self.folder, "operator.key"), encoding="ascii") as file:
            self.assertEqual(self.bash(ask.replace("KEY", file.read().strip())).stdout, "200")

    def test_stuck_training(self):
        self.fill()
        self.bash("""curl --silent --show-error --fail -X POST -H "Authorization: Bearer $(cat /var/lib/rapport/operator.key)" \
                     -H 'Content-Type: application/json' -d '{}' http://127.0.0.1:8080/v1/models/train""")
        self.run_section("Stuck training")

    def test_roll_back(self):
        self.fill(models=2)
        self.bash("rapport models activate 2 --data /var/lib/rapport")
        self.run_section("Roll back")
        self.assertRegex(self.bash("rapport models list --data /var/lib/rapport").stdout, r"(?m)^\s*1\b.*active")

    def test_upgrade(self):
        self.fill()
        self.write("rapport_1.deb", "")
        self.run_section("Upgrade")


if __name__ == "__main__":
    unittest.main()
