"""TLS with a given certificate: strangers' clients, versions, and a certificate that changes while the server runs."""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import unittest

from harness import TemporaryFolder, rapport

WAIT_SECONDS = 30


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *arguments], capture_output=True, timeout=60, **options)


@unittest.skipUnless(shutil.which("openssl"), "skipped: no openssl command")
class TlsTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.certificate, self.key = self.path("shop.pem"), self.path("shop.key")
        self.make_certificate("first")
        config = {"server": {"tls": {"certificate": self.certificate, "key": self.key}, "headerTimeoutMs": 3000}}
        self.config = self.write("config.json", json.dumps(config))
        self.server = self.serve("--config", self.config)

    def make_certificate(self, name, certificate=None, key=None):
        """A self-signed certificate for localhost; each file is replaced as a whole."""
        made = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                       "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                       self.path("new.key"), "-out", self.path("new.pem"))
        self.assertEqual(made.returncode, 0, made.stderr)
        os.replace(self.path("new.key"), key or self.key)
        os.replace(self.path("new.pem"), certificate or self.certificate)

    def context(self, version=None):
        context = ssl.create_default_context(cafile=self.certificate)
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def get(self, path="/healthz", context=None):
        connection = http.client.HTTPSConnection("localhost", self.server.port, timeout=20,
                                                 context=context or self.context())
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.server.key}"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def served_name(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as plain:
            with context.wrap_socket(plain) as wrapped:
                der = wrapped.getpeercert(binary_form=True)
        subject = openssl("x509", "-inform", "der", "-noout", "-subject", input=der).stdout.decode()
        return subject.strip().rsplit("=", 1)[1].strip()

    def wait_for_name(self, name):
        deadline = time.monotonic() + WAIT_SECONDS
        while self.served_name() != name:
            self.assertLess(time.monotonic(), deadline, f"{name} is not served: {self.server.lines[-3:]}")

    def wait_for_line(self, text):
        deadline = time.monotonic() + WAIT_SECONDS
        while text not in (line := self.server.next_line(deadline)):
            self.assertIsNotNone(line)

    def test_clients_of_every_kind(self):
        self.assertEqual(self.get()[0], 200)
        url = f"https://localhost:{self.server.port}/healthz"
        if shutil.which("curl"):
            for version in ("--tlsv1.2 --tls-max 1.2", "--tlsv1.3", "--http1.1", ""):
                done = subprocess.run(["curl", "-sS", "--fail", "--cacert", self.certificate, *version.split(), url],
                                      capture_output=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
        if shutil.which("node"):
            script = ("require('https').get(process.argv[1], {ca: require('fs').readFileSync(process.argv[2])}, "
                      "r => { console.log(r.statusCode); r.resume(); })")
            done = subprocess.run(["node", "-e", script, url, self.certificate], capture_output=True, timeout=60)
            self.assertEqual(done.stdout.strip(), b"200", done.stderr)

    def test_a_large_body_both_ways_on_one_connection(self):
        connection = http.client.HTTPSConnection("localhost", self.server.port, timeout=60, context=self.context())
        headers = {"Authorization": f"Bearer {self.server.key}", "Content-Type": "application/json"}
        items = [{"itemId": f"item-{n}", "kind": "product", "title": "x" * 2000, "price": "1.00"} for n in range(900)]
        for _ in range(3):
            connection.request("PUT", "/v1/items", json.dumps(items), headers)
            response = connection.getresponse()
            self.assertEqual((response.status, len(response.read()) > 0), (200, True))
            connection.request("GET", "/openapi.json", headers=headers)
            response = connection.getresponse()
            self.assertGreater(len(json.loads(response.read())["paths"]), 10)
        connection.close()

    def test_only_current_versions(self):
        address = f"127.0.0.1:{self.server.port}"
        for version, works in (("-tls1_2", True), ("-tls1_3", True), ("-tls1_1", False), ("-tls1", False)):
            done = openssl("s_client", "-connect", address, version, "-cipher", "ALL:@SECLEVEL=0", input=b"")
            self.assertEqual(done.returncode == 0 and b"Cipher is (NONE)" not in done.stdout, works,
                             (version, done.stdout[-400:], done.stderr[-400:]))
        for cipher in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "NULL", "aNULL"):
            done = openssl("s_client", "-connect", address, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0", input=b"")
            self.assertNotEqual(done.returncode, 0, cipher)
        renegotiated = openssl("s_client", "-connect", address, "-tls1_2", input=b"R\n")
        self.assertNotIn(b"read R BLOCK", renegotiated.stdout)

    def test_who_does_not_speak_tls_is_let_go_without_a_word(self):
        for words in (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 200, b"\x16\x03\x01\x00\x05hello"):
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as plain:
                plain.sendall(words)
                said = b""
                try:
                    while chunk := plain.recv(4096):
                        said += chunk
                except ConnectionResetError:
                    pass
            self.assertNotIn(b"HTTP", said)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as silent:
            self.assertEqual(silent.recv(1), b"")  # after headerTimeoutMs
        self.assertEqual(self.get()[0], 200)

    def test_a_changed_certificate_is_taken_up_without_a_restart(self):
        kept = http.client.HTTPSConnection("localhost", self.server.port, timeout=20, context=self.context())
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        self.make_certificate("second")
        self.wait_for_name("second")  # by looking
        self.make_certificate("third")
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for_name("third")
        self.assertEqual(self.get()[0], 200)
        kept.request("GET", "/healthz")  # an open connection goes on with the one it began with
        self.assertEqual(kept.getresponse().status, 200)
        kept.close()

    def test_a_broken_certificate_leaves_the_old_one_in_service(self):
        before = self.served_name()
        good = open(self.certificate, "rb").read()
        self.write("shop.pem", b"this is no certificate")
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for_line("certificate.refused")
        self.assertEqual(self.served_name(), before)
        self.make_certificate("other", key=self.path("other.key"))  # a certificate without its key
        self.wait_for_line("certificate.refused")
        self.assertEqual(self.served_name(), before)
        self.write("shop.pem", good)
        self.assertEqual(self.get()[0], 200)

    def test_commands_reach_the_server_through_tls(self):
        made = self.run_ok("keys", "create", "--data", self.folder, "--scope", "recommend")
        self.assertTrue(made.stdout.startswith("rk_"))
        self.run_ok("keys", "list", "--data", self.folder)
        self.make_certificate("second")
        self.wait_for_name("second")
        self.run_ok("keys", "list", "--data", self.folder)
        # Another certificate than the announced one is not believed.
        announced = json.load(open(os.path.join(self.folder, "server.json"), encoding="ascii"))
        announced["certificateSha256"] = "0" * 64
        with open(os.path.join(self.folder, "server.json"), "w", encoding="ascii") as file:
            json.dump(announced, file)
        refused = rapport("keys", "list", "--data", self.folder)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("another certificate", refused.stderr)

    def test_the_end_of_the_certificate_is_a_metric(self):
        status, text = self.get("/metrics")
        self.assertEqual(status, 200)
        line = [each for each in text.decode().splitlines() if each.startswith("rapport_certificate_expires_seconds")][0]
        self.assertTrue(29 * 86400 < float(line.split()[1]) <= 30 * 86400, line)


class TlsConfigurationTest(TemporaryFolder):
    def test_a_missing_file_is_said_at_start(self):
        config = self.write("config.json", json.dumps({"server": {"tls": {"certificate": "/nowhere/a.pem", "key": "b"}}}))
        done = rapport("serve", "--data", self.folder, "--listen", "127.0.0.1:0", "--config", config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/a.pem", done.stderr)


if __name__ == "__main__":
    unittest.main()
