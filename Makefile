# Two commands do all the set-up: `make run` (the box and a lab around it) and `make test` (everything that CI checks).

GO      ?= go
VERSION := $(shell cat appliance/release/VERSION)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
STAMP   := $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.built=$(STAMP)

# Debian packages of the independent peers that tests call with, by the program or file that each brings.
PEERS := sipp:sip-tester baresip:baresip-core twinkle-console:twinkle-console linphonec:linphone-cli /usr/lib/python3/dist-packages/pylibsrtp:python3-pylibsrtp nft:nftables ssh:openssh-client curl:curl nats-server:nats-server tftp:tftp-hpa openssl:openssl \
	qemu-system-aarch64:qemu-system-arm /usr/share/AAVMF/AAVMF_CODE.fd:qemu-efi-aarch64 fsck.fat:dosfstools unsquashfs:squashfs-tools e2fsck:e2fsprogs snmpwalk:snmp snmptrapd:snmptrapd promtool:prometheus tshark:tshark sngrep:sngrep rsyslogd:rsyslog chromium:chromium npm:npm /usr/share/doc/rsyslog-openssl:rsyslog-openssl kamailio:kamailio /usr/share/doc/kamailio-presence-modules:kamailio-presence-modules ansible:ansible-core keepalived:keepalived

.PHONY: build run test fuzz bench docs peers image qemu cuts flash clean

build:
	@mkdir -p build
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/ ./cmd/sbcd ./cmd/consoled ./appliance/lab/cmd/lab

# The lab and the box from nothing: two calls, then the box's console. ONCE=1 ends with the calls; exit status 0 only if all held.
run: build
	build/lab $(if $(ONCE),-once)

# The time limit only ends what hangs for ever: a slow machine is not wrong. Tests of terminals and emulators fail when nothing comes for two
# minutes. Without GORACE each program that ends well waits a second. One package more than there are processors runs at a time: half of what the
# long ones do is waiting, for a browser, an emulator, a timer of SIP. The longest begin first, or one of them would be alone at the end.
LONGEST := ./image ./appliance/lab/pairlab ./appliance/web/browser ./appliance/lab ./cmd/consoled ./appliance/lang
test: peers
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt would change:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	@dead=$$($(GO) run golang.org/x/tools/cmd/deadcode@v0.52.0 -test ./...) && test -z "$$dead" || { echo 'nothing reaches:'; echo "$$dead"; exit 1; }
	GORACE=atexit_sleep_ms=0 $(GO) test -race -p $$(($$(nproc) + 1)) -timeout 2h $(LONGEST) ./...
	$(MAKE) fuzz

# Every fuzz target, two at a time, so many executions of each (or a time: FUZZ=10m). What fails is kept in testdata/fuzz of its package.
FUZZ ?= 2000x
fuzz:
	@git grep -o '^func Fuzz[A-Za-z0-9]*' -- '*_test.go' | sed 's|/[^/:]*:func | |' | xargs -P 2 -n 2 sh -c ' \
		out=$$($(GO) test ./$$0 -run "^$$" -fuzz "^$$1$$" -fuzztime $(FUZZ) 2>&1) || { echo "$$out"; exit 255; }; \
		echo "fuzz $$0 $$1"'

# As root; some ten minutes. See docs/performance.md.
bench: peers
	$(GO) test -p 1 -timeout 1h -run '^$$' -bench . -benchmem ./...

# Generated documents; a test in each package fails when one is not current.
docs:
	$(GO) test ./appliance/lang ./appliance/health ./appliance/checkup -run Manual -update
	$(GO) test ./appliance -run Description -update

peers:
	@for p in $(PEERS); do \
		command -v $${p%%:*} >/dev/null 2>&1 || test -e $${p%%:*} || missing="$$missing $${p##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		root=; [ "$$(id -u)" = 0 ] || root=sudo; \
		$$root apt-get update -q && DEBIAN_FRONTEND=noninteractive $$root apt-get install -qy --no-install-recommends $$missing; \
	fi
	@cmp -s appliance/web/browser/package-lock.json appliance/web/browser/node_modules/of || { \
		npm ci --prefix appliance/web/browser --ignore-scripts --no-audit --no-fund && \
		cp appliance/web/browser/package-lock.json appliance/web/browser/node_modules/of; }

# The flashable image of a board: qemu-virt, uefi-arm64, rpi4, rpi5. See docs/image.md.
BOARD ?= qemu-virt
IMAGE := build/viaduct-$(BOARD).img
# UPDATE_TRUST=FILE: public keys whose updates the box takes. UPDATE_KEY=FILE: sign one with this private key, build/viaduct-BOARD.update.
UPDATE := $(if $(UPDATE_TRUST),-trust $(UPDATE_TRUST)) $(if $(UPDATE_KEY),-key $(UPDATE_KEY) -update build/viaduct-$(BOARD).update)
EFI   := $(if $(filter uefi-arm64,$(BOARD)),build/systemd-bootaa64.efi)

image: $(EFI)
	@mkdir -p build
	$(GO) run ./image/cmd/mkimage -board $(BOARD) -out $(IMAGE) -gz $(if $(EFI),-efi $(EFI)) $(UPDATE) \
		-version '$(VERSION)' -commit '$(COMMIT)' -built '$(STAMP)'

build/systemd-bootaa64.efi:
	image/fetch-efi.sh $@

# The image in an emulator, its serial line in this terminal. Ctrl-] cuts the power; the disk is kept for the next time.
qemu: peers
	@test -e $(IMAGE) || $(MAKE) image BOARD=$(BOARD)
	$(GO) run ./image/cmd/qemu $(IMAGE)

# The long form of tests that make test does in a short one: the power goes at 50 random moments of the first start and at 50 of a save, and
# an update that never answers uses up all its starts. In an emulator: some twenty minutes.
CUTS ?= 50
cuts: peers
	$(GO) test -v -count=1 -timeout 24h -run TestPowerCuts ./image/cmd/init -cuts $(CUTS)
	$(GO) test -v -count=1 -timeout 24h -run 'TestPowerCut(During|While)|TestUpdatesOfABox' ./image -long -cuts $(CUTS)

# The image to a medium: make flash BOARD=rpi4 DEV=/dev/sdX
flash:
	@test -n "$(DEV)" || { echo 'usage: make flash BOARD=... DEV=/dev/... [FORCE=1]'; exit 2; }
	$(GO) run ./image/cmd/flash $(if $(FORCE),-force) $(IMAGE) $(DEV)

clean:
	rm -rf build
