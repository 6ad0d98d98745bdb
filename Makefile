# Short names for the real commands, for GNU make and any POSIX shell. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help demo e2e kubelet test test-all test-long image-test random attack attack-scenarios lint audit fmt bench bench-record bench-check bench-record-instructions dist image arch release chart monitoring miri clean require

EXAMPLES := $(sort $(wildcard examples/providers/*/Cargo.toml))
PROVIDERS := net-device accelerator aux-net-device mellanox-rdma intel-ddp
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# `make arch` sets these for another target: no build, what it has built, where it goes, and the tools for it.
CARGO_BUILD ?= cargo build
RELEASE ?= $(TARGET_DIR)/release
DIST ?= dist
TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')
OBJCOPY ?= objcopy
# Where it is not installed, the one that `make e2e` has built.
HELM := $(or $(HELM),$(shell command -v helm 2>/dev/null),$(lastword $(wildcard $(or $(SRIOVDP_E2E_CACHE),$(HOME)/.cache/sriovdp-e2e)/helm-*/helm)),helm)
export HELM

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-26s %s\n", $$1, $$2 }' Makefile

demo: require ## Show the daemon with its providers on a captured node, without root and without a cluster.
	cargo build --locked -p sriovdp $(PROVIDERS:%=-p sriovdp-%)
	cargo run --locked -q -p sriovdp-demo

# The tests of the host load the provider libraries that `cargo build` leaves beside the program. The example providers are
# outside of the workspace, and share one directory with what the tests build.
test: require ## Test before each commit: deterministic, without what takes minutes.
	cargo build --locked --workspace
	cargo test --locked --workspace
	$(TEST_EXAMPLES)

TEST_EXAMPLES = set -e; for example in $(EXAMPLES); do \
	CARGO_TARGET_DIR=$(abspath $(TARGET_DIR))/tmp/crates cargo test --locked --manifest-path $$example; done

test-all: test test-long ## Run every test: `make test`, then `make test-long`.

# Every part runs, also after one that failed.
test-long: require ## Run what `make test` leaves out: all kubelets, recorded and random seeds, days, builds of crates, attacks.
	cargo build --locked --workspace
	@failed=''; \
	cargo test --locked -p sriovdp-tests --test it -- --ignored --skip kubelet::comparison:: || failed="$$failed ignored"; \
	$(MAKE) --no-print-directory random SRIOVDP_SEEDS=$(or $(SRIOVDP_SEEDS),1) SRIOVDP_SEQUENCES=$(or $(SRIOVDP_SEQUENCES),100) || failed="$$failed random"; \
	$(MAKE) --no-print-directory attack-scenarios || failed="$$failed attack"; \
	test -z "$$failed" || { echo "these parts of test-long failed:$$failed" >&2; exit 1; }

# A failure names its seed. SEED=1 repeats one, and makes the run deterministic; the default is a fresh one.
random: require ## Run the random tests with fresh seeds, SRIOVDP_SEEDS (5) of them in each test of sequences, or with SEED.
	cargo build --locked --workspace
	@seed=$${SEED:-$$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}; failed=0; \
	echo "SEED=$$seed"; export PROPTEST_RNG_SEED=$$seed SRIOVDP_SEEDS=$${SRIOVDP_SEEDS:-5}; \
	if [ -n "$$SEED" ]; then export SRIOVDP_SEED=$$seed; fi; \
	cargo test --locked -p sriovdp-report -p sriovdp-netlink -p sriovdp-providers -p sriovdp-agent -p sriovdp-authority-filter --lib || failed=1; \
	cargo test --locked -p sriovdp-tests --test it -- properties:: random::sequences || failed=1; \
	test $$failed = 0 || { echo "a random test failed with SEED=$$seed or an SRIOVDP_SEED above" >&2; exit 1; }

# Each fuzz target runs for SECONDS. The scenarios print what they skip because this user or machine cannot do it.
SECONDS ?= 60
FUZZ_TARGETS := configuration checkpoint cdi elf events authority frames

attack-scenarios: require
	cargo build --locked --workspace
	cargo test --locked -p sriovdp-tests --test attack -- --nocapture --test-threads 1

attack: attack-scenarios ## Attack the program: floods, odd requests, limits, kills, junk files; then fuzz each parser for a minute.
	@if cargo +nightly fuzz --version >/dev/null 2>&1; then \
		for target in $(FUZZ_TARGETS); do \
			echo "fuzz $$target for $(SECONDS) s"; \
			mkdir -p fuzz/corpus/$$target; \
			cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
				-max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=512 -max_len=65536 || exit 1; \
		done; \
	else \
		echo 'skipped: the fuzz targets need a nightly toolchain and cargo-fuzz (cargo install cargo-fuzz --locked)'; \
	fi

# The cluster is built from Go modules when it is first needed, in about ten minutes, and cached. Nothing is installed.
e2e: require ## Run the image as a pod under a real kubelet, runtime and scheduler; SCENARIO=name, KUBELET=1.34.4.
	@PYTHONDONTWRITEBYTECODE=1 python3 e2e $(if $(KUBELET),--kubelet $(KUBELET)) $(SCENARIO)

# The same cache. The versions are those that kubelet/device-manager pins; others are built when they are first named.
kubelet: require ## Run the tests of the fake kubelet with the device manager of real ones; KUBELETS="1.37.2", FILTER=name.
	@PYTHONDONTWRITEBYTECODE=1 python3 kubelet $(KUBELETS) --filter '$(FILTER)'

lint: require ## Check formatting, lints, documentation and dependencies; every warning is an error.
	cargo fmt --all --check
	set -e; for example in $(EXAMPLES); do cargo fmt --manifest-path $$example --check; done
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked -p sriovdp-tests --test attack -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps
	@# Without a build of the packages, which would take the crates that they depend on from crates.io.
	cargo package --locked --allow-dirty --quiet --no-verify -p sriovdp-provider-abi -p sriovdp-sdk-macros -p sriovdp-sdk -p sriovdp-pci-scan -p sriovdp-tree -p sriovdp-sdk-testing
	@if cargo deny --version >/dev/null 2>&1; then \
		echo cargo deny --locked check bans licenses sources; \
		cargo deny --locked check bans licenses sources; \
	else \
		echo 'cargo-deny is not installed, so dependencies are not checked (cargo install cargo-deny --locked)'; \
	fi

audit: require ## Check dependencies against the RustSec database; needs cargo-deny and the network.
	cargo deny --locked check advisories

fmt: require ## Format all code.
	cargo fmt --all
	set -e; for example in $(EXAMPLES); do cargo fmt --manifest-path $$example; done

# The benchmark takes the provider libraries from beside the program, where `cargo bench` alone does not put them.
BENCH_BUILD = cargo build --locked --release -p sriovdp $(PROVIDERS:%=-p sriovdp-%)
BENCH = cargo bench --locked -p sriovdp-tests --bench node

# A directory in PEER is another build of this program (target/release or dist), other words are the command of another
# plugin with the Go plugin's options.
bench: require ## Measure start, calls and memory on written nodes; PEER=DIRECTORY compares, BENCH_QUICK=1 is shorter.
	@$(BENCH_BUILD)
	@$(BENCH)

bench-record: require ## As bench, and put the result into docs/performance.md.
	@$(BENCH_BUILD)
	@$(BENCH) > $(TARGET_DIR)/performance.md
	@sed -i -e '/^<!-- results -->$$/,/^<!-- end of the results -->$$/{//!d}' \
		-e '/^<!-- results -->$$/r $(TARGET_DIR)/performance.md' docs/performance.md
	@cat $(TARGET_DIR)/performance.md

bench-check: require ## Compare the instructions of scan, discovery, assignment and Allocate with the recorded ones; needs valgrind.
	@$(BENCH_BUILD)
	@$(BENCH) -- check

bench-record-instructions: require ## Record the instructions that bench-check compares with.
	@$(BENCH_BUILD)
	@$(BENCH) -- record

# `cargo audit bin`, trivy and grype read the section with the packages of each binary.
dist: require ## Build for release and lay the files out in dist/ as they are installed.
	$(CARGO_BUILD) --locked --release -p sriovdp $(PROVIDERS:%=-p sriovdp-%)
	rm -rf $(DIST)
	install -d -m 0755 $(DIST)/usr/bin $(DIST)/opt/sriovdp/providers
	install -m 0755 $(RELEASE)/sriovdp $(DIST)/usr/bin/sriovdp
	for name in $(PROVIDERS); do \
		file=libsriovdp_$$(echo "$$name" | tr - _).so; \
		install -m 0644 "$(RELEASE)/$$file" "$(DIST)/opt/sriovdp/providers/$$name.so" || exit 1; \
	done
	install -m 0644 -D LICENSE $(DIST)/usr/share/doc/sriovdp/LICENSE
	@set -e; work=$$(mktemp -d); trap 'rm -r "$$work"' EXIT; \
	cargo metadata --locked --format-version 1 --filter-platform $(TARGET) > "$$work/metadata"; \
	bill='cargo run --locked -q -p sriovdp-bill-of-materials --'; \
	$$bill licenses sriovdp $(PROVIDERS:%=sriovdp-%) < "$$work/metadata" > $(DIST)/usr/share/doc/sriovdp/THIRD-PARTY; \
	for name in sriovdp $(PROVIDERS); do \
		package=sriovdp-$$name; file=$(DIST)/opt/sriovdp/providers/$$name.so; \
		if test $$name = sriovdp; then package=sriovdp; file=$(DIST)/usr/bin/sriovdp; fi; \
		$$bill dep-v0 $$package < "$$work/metadata" > "$$work/packages"; \
		$(OBJCOPY) --add-section .dep-v0="$$work/packages" $$file; \
	done

# Needs Debian's apt and dpkg, and no container engine. Equal inputs give an equal digest.
image: dist ## Build the image as an OCI archive in dist/, for `docker load`, `podman load` or `ctr images import`.
	deployments/image/build $(IMAGE)

# crun or runc, and the namespaces of `unshare` where neither is installed.
image-test: require ## Build the image and run it in containers as the manifests describe them; skips where it cannot be built.
	@deployments/image/build --check; case $$? in \
	0) $(MAKE) --no-print-directory image IMAGE=$(abspath dist)/image-test.oci.tar && \
		SRIOVDP_IMAGE=$(abspath dist)/image-test.oci.tar cargo test --locked -p sriovdp-tests --test container ;; \
	3) ;; \
	*) exit 1 ;; \
	esac

# deployments/arch has the tools that it needs. ARCHES="aarch64" limits it.
arch: require ## Build for aarch64 and ppc64le, and run commands, image and behaviour cases under emulation; as root.
	deployments/arch $(ARCHES)

release: require ## Lay out a release in dist/release/: archives, image, bill of materials, chart, checksums; ARCHES="aarch64 ppc64le" adds these.
	deployments/release $(ARCHES)

# `make test` compares the renderings with the manifests, also where Helm is not installed. A Helm that `go install` or
# `make e2e` has built renders for Kubernetes 1.20, which the chart rejects, unless `--kube-version` is set.
chart: ## Package and lint the Helm chart, and render it into deployments/helm/golden; skips where Helm is not installed.
	@if ! $(HELM) version --short >/dev/null 2>&1; then \
		echo 'skipped: the chart is not linted and not rendered, because Helm is not installed (https://helm.sh/docs/intro/install)'; exit 0; \
	fi; \
	set -e; directory=$$(mktemp -d); trap 'rm -r "$$directory"' EXIT; cd deployments/helm; \
	$(HELM) package sriovdp --destination $$directory; \
	for values in golden/*.values.yaml; do \
		echo "helm lint and helm template with $$values"; \
		$(HELM) lint --strict --quiet $$directory/sriovdp-*.tgz --values $$values; \
		$(HELM) template sriovdp $$directory/sriovdp-*.tgz --namespace kube-system --kube-version 1.21 --values $$values > $${values%.values.yaml}.yaml; \
	done

# promtool reads the rules without the object of Kubernetes around them.
monitoring: ## Check and test the alerts; skips where promtool is not installed.
	@if ! promtool --version >/dev/null 2>&1; then \
		echo "skipped: the alerts are not tested, because promtool is not installed (Debian: 'apt-get install prometheus')"; exit 0; \
	fi; \
	set -e; directory=$$(mktemp -d); trap 'rm -r "$$directory"' EXIT; \
	sed -n '/^spec:/,$$ s/^  //p' deployments/monitoring/prometheusrule.yaml > $$directory/rules.yaml; \
	cp deployments/monitoring/tests.yaml $$directory; \
	promtool check rules $$directory/rules.yaml; \
	promtool test rules $$directory/tests.yaml

# The payload of a panic is leaked on purpose. Not a part of `lint`, because it needs a nightly toolchain and its standard library's source.
miri: require ## Run the tests of the library boundary under Miri; needs `rustup +nightly component add miri rust-src`.
	MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-ignore-leaks' cargo +nightly miri test --target-dir $(TARGET_DIR)/miri -p sriovdp-sdk -p sriovdp-provider-abi --lib -- runtime::guard note

# `cargo clean` would also delete what is mounted below target/arch.
clean: ## Remove everything that was built.
	rm -rf --one-file-system target/arch dist
	cargo clean

# Reports a missing tool in one sentence, before cargo fails with a hundred.
require:
	@fail() { echo "$$1" >&2; exit 1; }; \
	want=$$(sed -n 's/^rust-version = "\(.*\)"$$/\1/p' Cargo.toml); \
	for tool in cargo rustc; do \
		command -v $$tool >/dev/null 2>&1 || \
			fail "$$tool is missing: install Rust $$want or newer, for example from https://rustup.rs"; \
		have=$$($$tool --version 2>/dev/null | cut -d ' ' -f 2); \
		test -n "$$have" || \
			fail "$$tool is installed and does not run: repair what '$$tool --version' reports"; \
		newer=$$(printf '%s\n%s\n' "$$want" "$$have" | sort -t . -k 1,1n -k 2,2n | tail -n 1); \
		test "$$newer" != "$$want" || \
			fail "$$tool $$have is too old: install Rust $$want or newer, for example with 'rustup update'"; \
	done; \
	command -v cc >/dev/null 2>&1 || \
		fail "the C linker 'cc' is missing: install a C compiler, for example with 'apt-get install gcc libc6-dev'"
