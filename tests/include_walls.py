#!/usr/bin/env python3
"""The walls of the house, as a test: reads the #include lines of every .h and .cc and prints what crosses.

    python3 tests/include_walls.py [ROOT]      exit 0: nothing crosses; 1: something does
    python3 tests/include_walls.py --self-test plants violations in a made-up tree and checks that each one is caught

What it holds (docs/ARCHITECTURE.md):
  * rooms include downwards only: server -> engine -> {data, models} -> base; data and models never meet;
  * project includes are "room/file.h" from the root and name a file that exists; a test may name its neighbour in the
    same folder;
  * heavy libraries stay behind their wall (WALLS); a room's `*_impl.h` is private to the .cc and _impl.h files beside it;
  * no circle among headers;
  * headers have at most 250 lines and `#pragma once` (a `*_body.h` is meant to be included once per target and may
    have none), sources at most 600;
  * every .cc stands where a CMake glob picks it up, and every header is included by somebody.
"""
import os
import re
import sys
import tempfile

MAY_INCLUDE = {
    "base": {"base"},
    "data": {"data", "base"},
    "models": {"models", "base"},
    "engine": {"engine", "data", "models", "base"},
    "server": {"server", "engine", "data", "models", "base"},
    "bench": {"bench", "server", "engine", "data", "models", "base"},
}
ROOMS = tuple(room for room in MAY_INCLUDE if room != "bench")

# (library, pattern of the include, pattern of the paths that may have it). Tests and benches may use any of them:
# they hold a library against ours.
WALLS = [
    ("RocksDB", r"rocksdb/", r"data/[^/]+(\.cc|_impl\.h)"),
    ("Eigen", r"Eigen/|eigen3/|unsupported/Eigen", r"models/[^/]+\.cc"),
    ("LEMON", r"lemon/", r"models/assignment\.cc"),
    ("oneTBB", r"tbb/|oneapi/", r"base/parallel\.cc"),
    ("Boost CRC", r"boost/crc\.hpp", r"data/log_check\.cc"),
    ("Boost", r"boost/(?!crc\.hpp)", r"server/.*"),
    ("nlohmann JSON", r"nlohmann/", r"server/.*|data/io/.*"),
    ("OpenSSL", r"openssl/", r"base/crypto\.cc|server/tls\.cc"),
    ("Nettle", r"nettle/", r"base/crypto\.cc"),
    ("ICU", r"unicode/", r"base/(time_zone|words)\.cc"),
    ("libarchive", r"archive(_entry)?\.h$", r"data/io/.*"),
    ("CLI11", r"CLI/", r"server/commands/.*|server/main\.cc"),
]

# What CMake compiles: rapport_room takes NAME/*.cc and NAME/*/*.cc, tests/ROOM/*.cc, bench/*_bench.cc; and
# bench/CMakeLists.txt names each bench/*_main.cc, tests/CMakeLists.txt each of tests/fuzz/.
COMPILED = re.compile(
    r"(base|data|models|engine|server)/([^/]+/)?[^/]+\.cc|tests/(base|data|models|engine|server)/[^/]+\.cc"
    r"|bench/[^/]+_(bench|main)\.cc|tests/fuzz/[^/]+\.cc")

HEADER_LINES_MAX = 250
SOURCE_LINES_MAX = 600
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def files_of(root):
    """Paths of all sources below the rooms, tests and bench, relative to root, with forward slashes."""
    for top in (*ROOMS, "tests", "bench"):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if f not in ("node_modules", "fixtures", "build"))
            for name in sorted(names):
                if name.endswith((".h", ".cc", ".cpp", ".hpp", ".cxx")):
                    yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def check_include(path, form, target, root):
    """What is wrong with one include line of a file that belongs to a room; yields sentences."""
    room = path.split("/")[0]
    for library, includes, allowed in WALLS:
        if re.match(includes, target) and room in ROOMS and not re.fullmatch(allowed, path):
            yield f"{library} is behind a wall: only {allowed} may include <{target}>"
    if form == "<":
        if target.split("/")[0] in ROOMS and os.path.exists(os.path.join(root, target)):
            yield f'a project header is written "{target}", not <{target}>'
        return
    if any(re.match(includes, target) for _, includes, _ in WALLS):
        return
    folder = os.path.dirname(path)
    if room in ("tests", "bench") and "/" not in target and os.path.exists(os.path.join(root, folder, target)):
        return
    if target.endswith("_impl.h") and not (path.endswith((".cc", "_impl.h")) and folder == os.path.dirname(target)):
        yield f'"{target}" is private to the .cc and _impl.h files beside it'
    if not os.path.exists(os.path.join(root, target)):
        yield f'"{target}" does not exist from the root: write "room/file.h"'
        return
    other = target.split("/")[0]
    if room in MAY_INCLUDE and other not in MAY_INCLUDE[room]:
        yield f'{room} may not include {other} ("{target}")'


def find_circle(graph):
    """One circle of headers as a list, or None."""
    state, trail = {}, []

    def visit(node):
        state[node] = "open"
        trail.append(node)
        for following in graph.get(node, ()):
            if state.get(following) == "open":
                return trail[trail.index(following):] + [following]
            if following not in state:
                found = visit(following)
                if found:
                    return found
        state[node] = "done"
        trail.pop()
        return None

    for start in sorted(graph):
        if start not in state:
            found = visit(start)
            if found:
                return found
    return None


def check_file(path, lines, root):
    """What is wrong with one file besides circles and dead headers; yields (line number, sentence)."""
    is_header = path.endswith(".h")
    if path.endswith((".cpp", ".hpp", ".cxx")):
        yield 1, "sources end in .cc, headers in .h"
    most = HEADER_LINES_MAX if is_header else SOURCE_LINES_MAX
    if len(lines) > most:
        yield len(lines), f"{len(lines)} lines, at most {most}"
    if is_header and not path.endswith("_body.h") and "#pragma once" not in (line.strip() for line in lines):
        yield 1, "a header says #pragma once"
    if not is_header and not COMPILED.fullmatch(path):
        yield 1, "no CMake glob picks this file up"
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            for sentence in check_include(path, match.group(1), match.group(2), root):
                yield number, sentence


def check_tree(root):
    """All findings of a tree, as lines 'path:number: sentence'."""
    findings, headers, included, graph = [], set(), set(), {}
    for path in files_of(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            lines = file.read().splitlines()
        findings += [f"{path}:{number}: {sentence}" for number, sentence in check_file(path, lines, root)]
        targets = [m.group(2) for m in map(INCLUDE.match, lines) if m and m.group(1) == '"']
        neighbours = {target: f"{os.path.dirname(path)}/{target}" for target in targets if "/" not in target}
        targets = [neighbours.get(target, target) for target in targets]
        own_header = re.sub(r"\.cc$", ".h", path)
        included.update(target for target in targets if target != own_header or not path.endswith(".cc"))
        if path.endswith(".cc"):
            # A source's own header alone does not make it used: somebody else has to want it.
            continue
        headers.add(path)
        graph[path] = targets
    findings += [f"{path}:1: no other file includes this header" for path in sorted(headers - included)]
    circle = find_circle(graph)
    if circle:
        findings.append(f"{circle[0]}:1: headers go in a circle: {' -> '.join(circle)}")
    return findings, len(headers)


# ---- the self-test: each planted violation must be caught, and the sound tree must pass ----

SOUND = {
    "base/a.h": "#pragma once\n#include <string>\n",
    "base/a.cc": '#include "base/a.h"\n',
    "base/parallel.cc": "#include <tbb/parallel_for.h>\n",
    "data/b.h": '#pragma once\n#include "base/a.h"\n',
    "data/b.cc": '#include "data/b.h"\n#include "data/k_impl.h"\n#include <rocksdb/db.h>\n',
    "data/k_impl.h": "#pragma once\n#include <rocksdb/db.h>\n",
    "tests/data/fixture.h": "#pragma once\n",
    "models/c.h": '#pragma once\n#include "base/a.h"\n',
    "engine/content/d.h": '#pragma once\n#include "data/b.h"\n#include "models/c.h"\n',
    "server/e.cc": '#include "engine/content/d.h"\n#include <boost/beast.hpp>\n#include <nlohmann/json.hpp>\n',
    "tests/data/b_test.cc": '#include "data/b.h"\n#include "fixture.h"\n#include <rocksdb/db.h>\n',
}
PLANTED = [
    ("base/a.cc", '#include "data/b.h"\n', "base may not include data"),
    ("data/b.cc", '#include "models/c.h"\n', "data may not include models"),
    ("models/c.cc", '#include "data/b.h"\n', "models may not include data"),
    ("engine/x.cc", '#include "server/f.h"\n', "engine may not include server"),
    ("engine/x.cc", "#include <rocksdb/db.h>\n", "RocksDB is behind a wall"),
    ("data/io/x.cc", "#include <rocksdb/db.h>\n", "RocksDB is behind a wall"),
    ("data/b.h", "#pragma once\n#include <rocksdb/db.h>\n", "RocksDB is behind a wall"),
    ("models/c.h", "#pragma once\n#include <Eigen/Dense>\n", "Eigen is behind a wall"),
    ("engine/x.cc", "#include <Eigen/Core>\n", "Eigen is behind a wall"),
    ("models/c.cc", "#include <tbb/parallel_for.h>\n", "oneTBB is behind a wall"),
    ("models/c.cc", "#include <lemon/smart_graph.h>\n", "LEMON is behind a wall"),
    ("engine/x.cc", "#include <boost/asio.hpp>\n", "Boost is behind a wall"),
    ("engine/x.cc", "#include <nlohmann/json.hpp>\n", "nlohmann JSON is behind a wall"),
    ("data/b.cc", "#include <nlohmann/json.hpp>\n", "nlohmann JSON is behind a wall"),
    ("server/e.cc", "#include <openssl/sha.h>\n", "OpenSSL is behind a wall"),
    ("server/tls.cc", "#include <nettle/hmac.h>\n", "Nettle is behind a wall"),
    ("engine/x.cc", "#include <unicode/timezone.h>\n", "ICU is behind a wall"),
    ("server/e.cc", "#include <archive.h>\n", "libarchive is behind a wall"),
    ("server/e.cc", "#include <base/a.h>\n", "a project header is written"),
    ("server/e.cc", '#include "a.h"\n', "does not exist from the root"),
    ("engine/x.cc", '#include "data/s_impl.h"\n', "is private to the .cc and _impl.h"),
    ("data/b.h", '#pragma once\n#include "data/s_impl.h"\n', "is private to the .cc and _impl.h"),
    ("base/z.h", "#pragma once\n", "no other file includes this header"),
    ("base/a.h", "#include <string>\n", "#pragma once"),
    ("base/a.h", "#pragma once\n" + "\n" * 250, "251 lines, at most 250"),
    ("base/a.cc", "\n" * 601, "601 lines, at most 600"),
    ("base/deep/er/x.cc", "\n", "no CMake glob"),
    ("tests/x.cc", "\n", "no CMake glob"),
    ("bench/x.cc", "\n", "no CMake glob"),
    ("base/x.cpp", "\n", "sources end in .cc"),
    ("base/a.h", '#pragma once\n#include "base/y.h"\n', "in a circle"),
]
COMPANIONS = {"server/f.h": "#pragma once\n", "data/s_impl.h": "#pragma once\n#include <rocksdb/db.h>\n", "base/y.h": '#pragma once\n#include "base/a.h"\n'}


def plant(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return check_tree(root)[0]


def self_test():
    missed = []
    if plant(SOUND):
        missed.append(f"the sound tree is refused: {plant(SOUND)}")
    for path, text, expected in PLANTED:
        files = dict(SOUND)
        for companion, content in COMPANIONS.items():
            if companion in text:
                files[companion] = content
        files[path] = text
        findings = plant(files)
        if not any(expected in finding for finding in findings):
            missed.append(f"not caught: {path}: {text[:50]!r} (expected '{expected}', found {findings})")
    for line in missed:
        print(line)
    print(f"include_walls self-test: {len(PLANTED)} planted violations, {len(missed)} missed")
    return 1 if missed else 0


def main(arguments):
    if arguments[:1] == ["--self-test"]:
        return self_test()
    root = arguments[0] if arguments else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    findings, headers = check_tree(root)
    for finding in findings:
        print(finding)
    print(f"include_walls: {headers} headers, {len(findings)} findings")
    return (1 if findings else 0) | self_test()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
