# Thin on purpose: every target is one command that also works without make.
#   make run              a simulated shop, from nothing to a running server and one customer's recommendations
#   make run DATA=FOLDER  the same on Online Retail II (the year*.csv.xz in FOLDER)
#   make test             everything that .ci/run asks for
#   make bench-peers  Rapport beside its peers: docs/PERFORMANCE.md; about half an hour, on a quiet machine
#   make quality          every model judged on every data set at hand: docs/QUALITY.md; about an hour
.POSIX:
.PHONY: run stop test build bench bench-peers quality package format check durability clean

DATA =
ROUNDS = 100

build:
	@scripts/build release rapport

run:
	@scripts/run "$(DATA)"

stop:
	@scripts/stop

test:
	@scripts/test

bench:
	@scripts/build release rapport_bench
	build/release/bench/rapport_bench

bench-peers:
	@scripts/build release rapport rapport_training rapport_top_k rapport_bare_store rapport_freshness
	python3 scripts/bench_peers.py

quality:
	@scripts/build release rapport rapport_published_split rapport_allocation rapport_estimators rapport_open_bandit rapport_hillstrom rapport_joint rapport_bank_marketing
	python3 scripts/quality.py

# Kill -9 and power cut, many times over: minutes; the power cut needs root and loop devices.
durability: build
	python3 tests/e2e/durability_kill.py --binary build/rapport --rounds $(ROUNDS)
	python3 tests/e2e/durability_power_cut.py --binary build/rapport --rounds $(ROUNDS)

# A .deb for this machine's distribution, in build/.
package: build
	cd build/release && cpack -G DEB -B "$(CURDIR)/build/package"
	cp build/package/*.deb build/

format:
	@scripts/format

check:
	@scripts/format --check
	@python3 tests/include_walls.py

clean:
	rm -rf build
