"""The Debian package: built with cpack, its contents looked at, installed by dpkg into a throw-away root (an overlay over this
machine, gone afterwards), started as the unit starts it, and upgraded over a store of the format before this one.

Needs root, dpkg, cpack and overlayfs for the installation; what is missing is said.
"""
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.request

from harness import ROOT, TemporaryFolder, binary

UNIT = os.path.join(ROOT, "packaging", "rapport.service")
EXPOSURE_MAX = 20  # tenths, of systemd-analyze security
START_SECONDS = 60


def build_folder():
    """The build folder that the binary under test comes from."""
    return os.path.dirname(os.path.realpath(binary()))


def setting(name):
    with open(UNIT, encoding="utf-8") as file:
        return re.search(rf"^{name}=(.*)$", file.read(), re.MULTILINE).group(1)


class PackageTest(TemporaryFolder):
    @classmethod
    def setUpClass(cls):
        for tool in ("cpack", "dpkg-deb", "dpkg-shlibdeps", "file"):
            if shutil.which(tool) is None:
                raise unittest.SkipTest(f"SKIPPED LOUDLY: no {tool}, the package is not tested")
        if not os.path.exists(os.path.join(build_folder(), "CPackConfig.cmake")):
            raise unittest.SkipTest("SKIPPED LOUDLY: the binary does not come from a build folder with CPackConfig.cmake")
        cls.place = tempfile.mkdtemp(prefix="rapport-package-")
        cls.addClassCleanup(shutil.rmtree, cls.place, ignore_errors=True)
        done = subprocess.run(["cpack", "-G", "DEB", "-B", cls.place], cwd=build_folder(), capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"cpack failed: {done.stdout}\n{done.stderr}")
        cls.package = glob.glob(os.path.join(cls.place, "*.deb"))[0]

    def field(self, name):
        return subprocess.run(["dpkg-deb", "--field", self.package, name], capture_output=True, text=True,
                              check=True).stdout.strip()

    def test_what_is_in_it(self):
        listed = subprocess.run(["dpkg-deb", "--contents", self.package], capture_output=True, text=True, check=True).stdout
        modes = {line.split()[-1].lstrip("."): line.split()[0] for line in listed.splitlines()}
        self.assertEqual(modes["/usr/bin/rapport"], "-rwxr-xr-x")
        self.assertEqual(modes["/etc/rapport.json"], "-rw-r--r--")
        self.assertEqual(modes["/lib/systemd/system/rapport.service"], "-rw-r--r--")
        for path in ("/usr/share/doc/rapport/copyright", "/usr/share/doc/rapport/changelog.gz",
                     "/usr/share/doc/rapport/OPERATIONS.md"):
            self.assertIn(path, modes)
        self.assertTrue(any(path.startswith("/usr/share/rapport/mappings/") for path in modes))
        self.assertFalse([path for path in modes if not re.match(r"/(usr/|etc/|lib/systemd/|$)|/(usr|etc|lib)/", path)])
        self.assertTrue(all("root/root" in line for line in listed.splitlines()))
        depends = self.field("Depends")
        for library in ("adduser", "librocksdb", "libc6", "libssl3", "libnettle8", "libsimdjson", "libicu", "libarchive13", "libtbb"):
            self.assertIn(library, depends)
        control = os.path.join(self.temporary, "control")
        subprocess.run(["dpkg-deb", "--control", self.package, control], check=True)
        with open(os.path.join(control, "conffiles"), encoding="ascii") as file:
            self.assertEqual(file.read().split(), ["/etc/rapport.json"])
        for script in ("postinst", "prerm", "postrm"):
            self.assertEqual(subprocess.run(["sh", "-n", os.path.join(control, script)]).returncode, 0)
        if shutil.which("lintian"):
            done = subprocess.run(["lintian", "--fail-on", "error", "--suppress-tags",
                                   "bogus-mail-host,bogus-mail-host-in-debian-changelog", self.package],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_the_unit_is_valid_and_hardened(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("SKIPPED LOUDLY: no systemd-analyze")
        # The program is not there before the installation; anything else that is said is an error of the unit.
        said = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True).stderr
        self.assertEqual([line for line in said.splitlines() if "is not executable" not in line], [])
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", UNIT],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-400:])
        print(done.stdout.strip().splitlines()[-1])
        # Broken twin: without two of its lines it is over the limit.
        weak = self.path("weak.service")
        with open(UNIT, encoding="utf-8") as file:
            text = re.sub(r"^(SystemCallFilter|CapabilityBoundingSet|ProtectSystem|PrivateUsers)=.*\n", "", file.read(),
                          flags=re.MULTILINE)
        with open(weak, "w", encoding="utf-8") as file:
            file.write(text)
        self.assertNotEqual(subprocess.run(["systemd-analyze", "security", "--offline=true",
                                            f"--threshold={EXPOSURE_MAX}", weak], capture_output=True).returncode, 0)


class Root:
    """This machine with a layer over it: what is installed goes into the layer, and the layer goes at the end."""

    def __init__(self, test):
        self.place = tempfile.mkdtemp(prefix="rapport-root-")
        self.top = os.path.join(self.place, "root")
        test.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        # The layer itself on a memory file system: an overlay may not lie on an overlay.
        layer = os.path.join(self.place, "layer")
        for folder in (self.top, layer):
            os.makedirs(folder)
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", layer], capture_output=True).returncode:
            test.skipTest("SKIPPED LOUDLY: installing the package needs root and mount")
        test.addCleanup(subprocess.run, ["umount", "-l", layer], capture_output=True)
        for name in ("upper", "work"):
            os.makedirs(os.path.join(layer, name))
        mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                                  f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work", self.top], capture_output=True)
        if mounted.returncode != 0:
            test.skipTest("SKIPPED LOUDLY: installing the package needs overlayfs")
        test.addCleanup(subprocess.run, ["umount", "-l", self.top], capture_output=True)
        subprocess.run(["mount", "-t", "proc", "proc", os.path.join(self.top, "proc")], check=True)
        test.addCleanup(subprocess.run, ["umount", "-l", os.path.join(self.top, "proc")], capture_output=True)
        subprocess.run(["mount", "--bind", "/dev", os.path.join(self.top, "dev")], check=True)
        test.addCleanup(subprocess.run, ["umount", "-l", os.path.join(self.top, "dev")], capture_output=True)

    def inside(self, *path):
        return os.path.join(self.top, *path)

    def run(self, *arguments, user=None):
        # No name of a running systemd inside: the maintainer scripts must do without.
        command = ["chroot", *(["--userspec", user] if user else []), self.top, *arguments]
        return subprocess.run(command, capture_output=True, text=True,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/"})


class InstalledTest(PackageTest):
    # The parent's tests are not run again.
    test_what_is_in_it = test_the_unit_is_valid_and_hardened = None

    def install(self, root):
        shutil.copy(self.package, root.inside("rapport.deb"))
        done = root.run("dpkg", "--install", "/rapport.deb")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def start(self, root):
        """ExecStart of the installed unit, as its user, on a free port; returns (process, address)."""
        command = shlex.split(setting("ExecStart")) + ["--listen", "127.0.0.1:0"]
        process = subprocess.Popen(["chroot", "--userspec", f"{setting('User')}:{setting('Group')}", root.top, *command],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        for line in process.stderr:
            said = json.loads(line) if line.startswith(b"{") else {"event": line.decode()}
            if said.get("event") == "server.started":
                return process, f"http://127.0.0.1:{said['port']}"
        raise AssertionError(f"the installed server ended with {process.wait()}: {said}")

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=START_SECONDS), 0)
        process.stderr.close()

    def test_it_is_installed_started_upgraded_and_removed(self):
        root = Root(self)
        self.install(root)
        account = root.run("getent", "passwd", "rapport").stdout
        self.assertIn("/var/lib/rapport", account)
        self.assertIn("nologin", account)
        self.assertEqual(root.run("stat", "-c", "%U:%G %a", "/var/lib/rapport").stdout.strip(), "rapport:rapport 750")
        process, address = self.start(root)
        with urllib.request.urlopen(address + "/readyz") as answer:
            self.assertEqual(answer.status, 200)
        key = root.run("cat", "/var/lib/rapport/operator.key").stdout.strip()
        request = urllib.request.Request(address + "/v1/admin/backup", method="POST", data=b"{}",
                                         headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:  # the configured folder is writable
            self.assertTrue(json.load(answer)["folder"].startswith("/var/backups/rapport/"))
        self.stop(process)
        # A changed configuration survives an installation of the same package over it.
        with open(root.inside("etc/rapport.json"), "w", encoding="utf-8") as file:
            json.dump({"server": {"listen": "127.0.0.1:8081"}}, file)
        self.install(root)
        with open(root.inside("etc/rapport.json"), encoding="utf-8") as file:
            self.assertIn("8081", file.read())
        removed = root.run("dpkg", "--purge", "rapport")
        self.assertEqual(removed.returncode, 0, removed.stderr)
        self.assertIn("stay", removed.stdout)
        self.assertTrue(os.path.exists(root.inside("var/lib/rapport/RAPPORT")))
        self.assertFalse(os.path.exists(root.inside("usr/bin/rapport")))

    def test_a_store_of_the_format_before_is_migrated_by_the_upgrade(self):
        compiler = shutil.which("c++") or shutil.which("g++")
        if compiler is None:
            self.skipTest("SKIPPED LOUDLY: no C++ compiler for the writer of the old format")
        root = Root(self)
        self.install(root)
        store = self.path("old")
        lines = [{"type": "track", "event": "Product Viewed", "userId": f"user-{n % 20}", "messageId": f"m{n}",
                  "timestamp": "2024-05-01T10:00:00Z", "properties": {"product_id": f"item-{n % 9}"}} for n in range(200)]
        events = self.write("events.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        self.run_ok("import", "events", "--data", store, events)
        self.run_ok("export", "events", "--data", store, "--out", self.path("before.jsonl"))
        tool = self.path("old_store")
        subprocess.run([compiler, "-std=c++17", "-O1", "-o", tool, os.path.join(ROOT, "tests", "fixtures", "old_store.cc"),
                        "-lrocksdb"], check=True)
        subprocess.run([tool, os.path.join(store, "db")], check=True)
        shutil.rmtree(root.inside("var/lib/rapport"))
        shutil.copytree(store, root.inside("var/lib/rapport"))
        root.run("chown", "-R", "rapport:rapport", "/var/lib/rapport")
        self.install(root)  # the upgrade: the same data folder under the new binary
        process, address = self.start(root)
        with urllib.request.urlopen(address + "/readyz") as answer:
            self.assertEqual(answer.status, 200)
        self.stop(process)
        exported = root.run("/usr/bin/rapport", "export", "events", "--data", "/var/lib/rapport", "--out", "/after.jsonl")
        self.assertEqual(exported.returncode, 0, exported.stderr)
        with open(root.inside("after.jsonl"), encoding="utf-8") as after, \
                open(self.path("before.jsonl"), encoding="utf-8") as before:
            self.assertEqual(after.read(), before.read())
        self.assertEqual(root.run("/usr/bin/rapport", "check", "--data", "/var/lib/rapport").returncode, 0)
        # It was migrated: the tool finds the number of today.
        number = subprocess.run([tool, "--number", root.inside("var/lib/rapport/db")], capture_output=True, text=True)
        self.assertEqual(number.stdout.strip(), "4")


if __name__ == "__main__":
    unittest.main()
