# Muster.  `make demo` shows it; `make check` proves it; docs/CONTRIBUTING.md explains the rest.

BUILD   ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX  ?= /usr
DESTDIR ?=
SAN     ?=

WARN := -Wall -Wextra -Wshadow -Wswitch-enum -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wundef -Wwrite-strings -Wpointer-arith -Wvla -Werror
ifneq (,$(findstring gcc,$(shell $(CC) --version 2>/dev/null | head -n 1)))
# The sanitizers' own checks make gcc see truncations that cannot be.
WARN += -Wjump-misses-init $(if $(SAN),-Wno-format-truncation)
endif
comma := ,
# What this compiler takes of a list of flags, each tried alone: gcc and clang, x86-64 and ARM differ.
takes = $(foreach f,$(1),$(shell echo 'int x;' | $(CC) -Werror -O2 -x c $(f) -c -o /dev/null - 2>/dev/null && echo $(f)))
HARDEN := -fstack-protector-strong -fPIE -fno-strict-aliasing \
	$(call takes,-fstack-clash-protection -fcf-protection=full -mbranch-protection=standard)
# clang 14 has it behind another option only.
AUTO_INIT := -ftrivial-auto-var-init=zero
HARDEN += $(or $(call takes,$(AUTO_INIT)),$(shell echo 'int x;' | $(CC) -Werror -x c $(AUTO_INIT) \
	-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang -c -o /dev/null - 2>/dev/null && \
	echo $(AUTO_INIT) -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang))
ifeq ($(SAN),)
# Level 3 also knows sizes that are known only when it runs; glibc warns where the compiler cannot.
FORTIFY := $(shell printf '\043include <string.h>\n' | $(CC) -Werror -Wsystem-headers -O2 -x c \
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -c -o /dev/null - 2>/dev/null && echo 3 || echo 2)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(FORTIFY) -O2
else
HARDEN += -O1 -fsanitize=$(SAN) -fno-omit-frame-pointer
endif
VERSION := $(shell sed -n 's/^\#\# \[\([0-9.]*\)\].*/\1/p' CHANGELOG.md 2>/dev/null | head -n 1)
CPPFLAGS += -I. -I$(BUILD) -D_GNU_SOURCE -DMUSTER_VERSION='"$(or $(VERSION),0.0.0)"' -isystem /usr/include/postgresql \
	-isystem /usr/include/p11-kit-1
CFLAGS  += -std=gnu11 -g -pthread $(WARN) $(HARDEN) $(EXTRA_CFLAGS)
# Shadow stacks need no help from the start files, which Debian 12 builds without the mark.
SHSTK := $(shell echo 'int main(void) { return 0; }' | $(CC) -x c - -Wl,--fatal-warnings,-z,shstk -o /dev/null \
	2>/dev/null && echo $(comma)-z$(comma)shstk)
LDFLAGS += -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack$(SHSTK) $(if $(SAN),-fsanitize=$(SAN))

# Sources by folder; a new file is picked up by itself.
folder   = $(wildcard $(1)/*.c)
BASE_C  := $(call folder,base) $(call folder,base/model)
SUIT_C  := $(call folder,suit)
DB_C    := $(call folder,db)
CERTS_C := $(call folder,certs)
CORE_C  := $(call folder,core)
API_C   := $(call folder,api) $(call folder,api/rest) $(call folder,api/device)
SERVER_C := $(call folder,server) $(call folder,server/http) $(call folder,server/coap)
CLI_C   := $(call folder,cli)
AGENT_C := $(call folder,agent)
# Programs of agent/ are the files with a main; the rest is shared by them.
AGENT_MAIN_C := $(wildcard agent/main_*.c)
# TOKENS=no leaves PKCS#11, and with it p11-kit, out of the agent and of libmuster-suit.
TOKENS ?= yes
AGENT_LIB_C  := $(filter-out $(AGENT_MAIN_C) agent/token$(if $(filter no,$(TOKENS)),,_none).c,$(AGENT_C))
AGENT_BIN    := $(patsubst agent/main_%.c,$(BUILD)/muster-%,$(AGENT_MAIN_C))

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
# suit/codec_*.c and keeper_*.c need libraries that the daemon has no use for.
LIB_C  := $(BASE_C) $(filter-out suit/codec_%.c suit/keeper_%.c,$(SUIT_C)) $(DB_C) $(CERTS_C) $(CORE_C) $(API_C) $(filter-out server/main.c,$(SERVER_C))
LIB     := $(BUILD)/libmuster.a
SUITLIB := $(BUILD)/libmuster-suit.a
AGENTLIB := $(BUILD)/libmuster-agent.a
CLILIB  := $(BUILD)/libmuster-cli.a

SERVER_LIBS := -lcoap-3-openssl -lmicrohttpd -lgnutls -lgmp -lpq -ljansson -linih -lssl -lcrypto
CLI_LIBS    := -lcurl -ljansson -linih -lcrypto -lp11-kit -ldivsufsort -llzma -lzstd
AGENT_LIBS  := -lcoap-3-openssl -lssl -lcrypto -lzstd
TOKEN_LIBS  := $(if $(filter no,$(TOKENS)),,-lp11-kit)

PROGRAMS := $(BUILD)/musterd $(BUILD)/muster $(AGENT_BIN)

.PHONY: libmuster-suit install-suit suit-size analyze analyze-run all check check-unit check-api demo run lint fmt asan tsan fuzz bench prove install deb clean deps tests-built lint-run
.SECONDARY:
all: $(PROGRAMS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The migrations, embedded: one array of name, text and SHA-256.
SCHEMA := $(sort $(wildcard db/schema/*.sql))
$(BUILD)/db/schema.inc: $(SCHEMA) db/embed.sh
	@mkdir -p $(@D)
	sh db/embed.sh $(SCHEMA) > $@
$(BUILD)/db/migrate.o: $(BUILD)/db/schema.inc

# With another TOKENS both libraries are made again.
$(BUILD)/tokens-$(TOKENS):
	@mkdir -p $(BUILD) && rm -f $(BUILD)/tokens-* && touch $@
$(SUITLIB) $(AGENTLIB): $(BUILD)/tokens-$(TOKENS)
$(LIB): $(call obj,$(LIB_C))
	@rm -f $@
	@echo "  AR $@"
	@ar rcs $@ $^
$(SUITLIB): $(call obj,$(filter-out $(if $(filter no,$(TOKENS)),suit/keeper_%.c),$(SUIT_C)))
	@rm -f $@
	@echo "  AR $@"
	@ar rcs $@ $(filter %.o,$^)
$(AGENTLIB): $(call obj,$(AGENT_LIB_C))
	@rm -f $@
	@echo "  AR $@"
	@ar rcs $@ $(filter %.o,$^)
$(CLILIB): $(call obj,$(filter-out cli/main.c,$(CLI_C)) $(SUIT_C) $(BASE_C))
	@rm -f $@
	@echo "  AR $@"
	@ar rcs $@ $^

# Whole archive: constructors in db/ register the statements.
WHOLE = -Wl,--whole-archive $(LIB) -Wl,--no-whole-archive
$(BUILD)/musterd: $(BUILD)/server/main.o $(LIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(WHOLE) $(SERVER_LIBS)
$(BUILD)/muster: $(BUILD)/cli/main.o $(CLILIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)
$(BUILD)/muster-agent: AGENT_LIBS += $(TOKEN_LIBS)
# docs/decisions/0014-fleet-allocator.md.  A sanitizer's allocator must not be replaced.
$(BUILD)/muster-fleet: AGENT_LIBS += $(if $(SAN),,-ljemalloc)
$(BUILD)/muster-%: $(BUILD)/agent/main_%.o $(AGENTLIB) $(SUITLIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(AGENTLIB) $(SUITLIB) $(AGENT_LIBS)

# The agent as firmware of a given version: build/firmware/agent-2.  One whose name ends in -hangs
# starts and then only sleeps: the demo's bad release.
$(BUILD)/firmware/version-%.o: agent/version.c agent/version.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -DAGENT_VERSION='"$(patsubst %-hangs,%,$*)"' \
		$(if $(filter %-hangs,$*),-DAGENT_TEST_NEVER_CONFIRMS=1) -c -o $@ $<
$(BUILD)/firmware/agent-%: $(BUILD)/firmware/version-%.o $(BUILD)/agent/main_agent.o $(AGENTLIB) $(SUITLIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -s -o $@ $^ $(AGENT_LIBS) $(TOKEN_LIBS)

# Unit tests: one program a file, against everything.
UNIT_C   := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_C))
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB) $(AGENTLIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(WHOLE) $(AGENTLIB) $(SERVER_LIBS)
# The command line's tests know nothing of the daemon.
$(BUILD)/tests/unit/test_cli_%: $(BUILD)/tests/unit/test_cli_%.o $(CLILIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(CLILIB) $(CLI_LIBS)
STORE_C   := $(wildcard tests/store/test_*.c)
STORE_BIN := $(patsubst tests/store/%.c,$(BUILD)/tests/store/%,$(STORE_C))
# Makes fleets for the scenarios, with the daemon's own ids and seals.
STORE_BIN += $(BUILD)/tests/store/fleet_rows
$(BUILD)/tests/store/%: $(BUILD)/tests/store/%.o $(LIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(WHOLE) $(SERVER_LIBS)
# Its decoder is compared with liblzma's.
$(BUILD)/tests/fuzz/fuzz_lzma $(BUILD)/fuzz_lzma $(BUILD)/tests/fuzz/fuzz_lzma_encode $(BUILD)/fuzz_lzma_encode: SERVER_LIBS += -llzma
# What the daemon's archive leaves out.
ZSTD_TESTS := $(addprefix $(BUILD)/,tests/fuzz/fuzz_zstd fuzz_zstd tests/fuzz/fuzz_agent_stream fuzz_agent_stream \
	tests/unit/test_agent_mapped)
$(ZSTD_TESTS): $(SUITLIB)
$(ZSTD_TESTS): SERVER_LIBS := $(SUITLIB) -lzstd $(SERVER_LIBS)
# Fuzz targets without libFuzzer: over their corpus, and over mutations of it for a moment.
FUZZ_C := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_RUN := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(FUZZ_C))
$(BUILD)/tests/fuzz/fuzz_cli_%: $(BUILD)/tests/fuzz/fuzz_cli_%.o $(BUILD)/tests/fuzz/driver.o $(CLILIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(CLILIB) $(CLI_LIBS)
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/driver.o $(LIB) $(AGENTLIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(WHOLE) $(AGENTLIB) $(SERVER_LIBS)
# Small clients that tests run against the daemon.
CLIENT_BIN := $(patsubst tests/clients/%.c,$(BUILD)/tests/clients/%,$(wildcard tests/clients/*.c))
$(BUILD)/tests/clients/%: $(BUILD)/tests/clients/%.o
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $< -lcoap-3-openssl -lssl -lcrypto
# The benchmark: load generators, twins of the bare libraries, and the daemon's transport over
# UDP, which is the daemon's objects with another coap_plain.o (tests/bench/musterd_udp.c).
BENCH_BIN := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(filter-out \
	tests/bench/load.c tests/bench/load_session.c,$(wildcard tests/bench/*.c)))
$(BUILD)/tests/bench/musterd_udp: $(BUILD)/tests/bench/musterd_udp.o $(filter-out %/coap_plain.o,$(call obj,$(LIB_C)))
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS)
$(BUILD)/tests/bench/bare_http: $(BUILD)/tests/bench/bare_http.o $(BUILD)/tests/bench/load.o
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $^ -lmicrohttpd
$(BUILD)/tests/bench/sql_rows: $(BUILD)/tests/bench/sql_rows.o $(BUILD)/tests/bench/load.o $(LIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $(BUILD)/tests/bench/sql_rows.o $(BUILD)/tests/bench/load.o $(WHOLE) $(SERVER_LIBS)
$(BUILD)/tests/bench/load_dtls: $(BUILD)/tests/bench/load_session.o
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/tests/bench/load.o
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $^ -lcoap-3-openssl -lssl -lcrypto
# This one makes devices with the daemon's own code.
$(BUILD)/tests/clients/plant: $(BUILD)/tests/clients/plant.o $(LIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(WHOLE) $(SERVER_LIBS)
# A device that runs the library, with the command line's way to keys and tokens.
$(BUILD)/tests/clients/carry_out: $(BUILD)/tests/clients/carry_out.o $(CLILIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(CLILIB) $(CLI_LIBS)
# Interposers that tests preload.
PRELOAD := $(patsubst tests/preload/%.c,$(BUILD)/tests/preload/%.so,$(wildcard tests/preload/*.c))
$(BUILD)/tests/preload/%.so: tests/preload/%.c
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) -shared -fPIC -O2 -g -D_GNU_SOURCE -isystem /usr/include/postgresql -isystem /usr/include/p11-kit-1 -Wall -Wextra -o $@ $< -ldl

# --- proofs ---------------------------------------------------------------------------------
SRC_H = $(shell git ls-files 'base/*.h' 'suit/*.h' 'db/*.h' 'certs/*.h' 'core/*.h' 'api/*.h' 'server/*.h' 'cli/*.h' 'agent/*.h')
SRC_C = $(shell git ls-files 'base/*.c' 'suit/*.c' 'db/*.c' 'certs/*.c' 'core/*.c' 'api/*.c' 'server/*.c' 'cli/*.c' 'agent/*.c')
TEST_C = $(shell git ls-files 'tests/*.c' 'tests/*.h')

deps:
	sh deploy/deps.sh build test

# Everything a test needs: programs, test programs, interposers, clients.  And what TOKENS=no alone would compile.
tests-built: $(PROGRAMS) $(BUILD)/agent/token_none.o $(UNIT_BIN) $(STORE_BIN) $(FUZZ_RUN) $(PRELOAD) $(CLIENT_BIN) $(BENCH_BIN)

check:
	sh deploy/deps.sh build test
	$(MAKE) tests-built
	BUILD=$(BUILD) /usr/bin/python3 tests/check.py $(CHECK_ARGS)
check-unit: $(UNIT_BIN) $(STORE_BIN) $(FUZZ_RUN)
	BUILD=$(BUILD) /usr/bin/python3 tests/check.py --only unit
check-api: tests-built
	BUILD=$(BUILD) /usr/bin/python3 tests/check.py --only api

# The long proofs: the scenarios and threats of make check at full size, in two lanes side by side.
# make prove MUSTER_SEED=N repeats a run.
prove:
	sh deploy/deps.sh build test
	$(MAKE) tests-built
	BUILD=$(BUILD) MUSTER_PROVE=1 /usr/bin/python3 tests/check.py --lanes $(CHECK_ARGS)

# The table of docs/PERFORMANCE.md: ratios against the bare libraries, in one run.
# make bench BENCH="-k udp --rounds 3" runs some rows.
bench:
	sh deploy/deps.sh build test
	$(MAKE) tests-built
	BUILD=$(BUILD) /usr/bin/python3 tests/bench/bench.py $(BENCH)

# All tests again under AddressSanitizer and UndefinedBehaviorSanitizer.
asan:
	sh deploy/deps.sh build test
	$(MAKE) BUILD=$(BUILD)-asan SAN=address,undefined tests-built
	BUILD=$(BUILD)-asan /usr/bin/python3 tests/check.py $(CHECK_ARGS)
# Threads meet in the daemon: its life, a campaign that trips, kills, observation, HTTP.
TSAN_TESTS := test_daemon or test_R27_one_liar or test_R01 or test_observe or test_http_ends or test_errors
tsan:
	sh deploy/deps.sh build test
	$(MAKE) BUILD=$(BUILD)-tsan SAN=thread tests-built
	BUILD=$(BUILD)-tsan /usr/bin/python3 tests/check.py --only unit $(CHECK_ARGS)
	BUILD=$(BUILD)-tsan /usr/bin/python3 tests/check.py --only api $(or $(CHECK_ARGS),-k "$(TSAN_TESTS)")

# Three analyzers, none with an open finding.  What one of them cannot know is said where it is told.
AN_FLAGS = $(CPPFLAGS) -std=gnu11
# CLEAN is a cleanup attribute, which cppcheck does not know; NULL is a pointer in glibc.
CPPCHECK = cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
	--suppress=varFuncNullUB --suppress=resourceLeak --suppress=memleak --std=c11 -I. -I$(BUILD) -D_GNU_SOURCE \
	-DMUSTER_VERSION='"0"' --include=tests/lint/cppcheck.h
ANALYZE_GCC = gcc $(AN_FLAGS) -Wall -Wextra -Werror -O1 -fanalyzer -c -o /dev/null
analyze:
	sh deploy/deps.sh build lint
	$(MAKE) analyze-run
analyze-run: $(BUILD)/db/schema.inc
	@echo "cppcheck, gcc -fanalyzer and clang-tidy over $(words $(SRC_C)) files"
	@! $(CPPCHECK) tests/lint/planted.c 2>/dev/null
	@! $(ANALYZE_GCC) tests/lint/planted.c 2>/dev/null
	@! clang-tidy-14 --quiet tests/lint/planted.c -- $(AN_FLAGS) >/dev/null 2>&1
	@$(CPPCHECK) -j2 $(SRC_C)
	@printf '%s\n' $(SRC_C) | xargs -P2 -I{} $(ANALYZE_GCC) {}
	@printf '%s\n' $(SRC_C) | xargs -P2 -I{} clang-tidy-14 --quiet {} -- $(AN_FLAGS) 2>/dev/null
	@echo "analyze: green"

lint:
	sh deploy/deps.sh build test lint
	$(MAKE) lint-run
# On its own, because make expands the lists of files before it runs a recipe's first line.
lint-run:
	@awk -f tests/lint/layers.awk $(SRC_C) $(SRC_H)
	@awk -f tests/lint/banned.awk $(SRC_C) $(SRC_H)
	@awk -f tests/lint/sql.awk $(SRC_C) $(SRC_H)
	sh tests/lint/headers.sh
	sh tests/lint/lengths.sh
	sh tests/lint/exposure.sh
	/usr/bin/python3 tests/lint/threats.py
	@clang-format-14 --dry-run -Werror $(SRC_C) $(SRC_H) $(TEST_C)
	$(MAKE) BUILD=$(BUILD) tests-built
	$(MAKE) BUILD=$(BUILD)-clang CC=clang tests-built
	@echo "lint: green"

# libFuzzer over each target for FUZZ_SECONDS, starting from the committed corpus.  FUZZ_ONLY="a b" picks some.
FUZZ_SECONDS ?= 60
FUZZ_BIN := $(addprefix $(BUILD)-fuzz/fuzz_,$(or $(FUZZ_ONLY),$(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_C))))
fuzz:
	sh deploy/deps.sh build fuzz
	$(MAKE) BUILD=$(BUILD)-fuzz CC=clang SAN=address,undefined,fuzzer-no-link $(FUZZ_BIN)
	for t in $(FUZZ_BIN); do c=$${t##*/fuzz_}; mkdir -p $(BUILD)-fuzz/corpus/$$c; \
		LSAN_OPTIONS=suppressions=tests/lint/lsan.supp:print_suppressions=0 \
		$$t -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 $(BUILD)-fuzz/corpus/$$c tests/fuzz/corpus/$$c || exit 1; done
$(BUILD)/fuzz_cli_%: $(BUILD)/tests/fuzz/fuzz_cli_%.o $(CLILIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(CLILIB) $(CLI_LIBS)
$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(LIB) $(AGENTLIB)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(WHOLE) $(AGENTLIB) $(SERVER_LIBS)

fmt:
	@clang-format-14 -i $(SRC_C) $(SRC_H) $(TEST_C)

# --- the demo and a server to play with -----------------------------------------------------
demo:
	sh tests/demo/demo.sh
run:
	sh tests/demo/run.sh

install: $(PROGRAMS)
	install -D -m 755 $(BUILD)/musterd $(DESTDIR)$(PREFIX)/sbin/musterd
	install -D -m 755 $(BUILD)/muster $(DESTDIR)$(PREFIX)/bin/muster
	for p in agent launcher fleet; do install -D -m 755 $(BUILD)/muster-$$p $(DESTDIR)$(PREFIX)/bin/muster-$$p; done
	mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BUILD)/muster help --man > $(DESTDIR)$(PREFIX)/share/man/man1/muster.1
	$(BUILD)/muster completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/muster
	$(BUILD)/muster completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_muster
	$(BUILD)/muster completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/muster.fish
	mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/sbin/musterd|$(PREFIX)/sbin/musterd|g' deploy/systemd/musterd.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/musterd.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/musterd.service
	install -D -m 644 deploy/debian/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/muster.conf
	test -e $(DESTDIR)/etc/muster/musterd.conf || install -D -m 644 deploy/musterd.conf $(DESTDIR)/etc/muster/musterd.conf

# The manifest library alone: an archive and its headers, which a program includes as "suit/process.h".
SUIT_H := $(filter-out $(if $(filter no,$(TOKENS)),suit/keeper_pkcs11.h) suit/machine.h suit/lzma_model.h suit/survey_facts.h suit/keeper_pkcs11_token.h,$(wildcard suit/*.h))
libmuster-suit: $(SUITLIB)
install-suit: $(SUITLIB)
	install -D -m 644 $(SUITLIB) $(DESTDIR)$(PREFIX)/lib/libmuster-suit.a
	for h in $(SUIT_H); do install -D -m 644 $$h $(DESTDIR)$(PREFIX)/include/muster/$$h; done
# What verifying and running a manifest takes on a Cortex-M, within a device's limits and a host's.
suit-size:
	sh deploy/deps.sh size
	/usr/bin/python3 tests/size/suit_size.py $(BUILD)/size/host
	/usr/bin/python3 tests/size/suit_size.py $(BUILD)/size/device -DSUIT_SMALL

# A Debian package from this tree.
deb: $(PROGRAMS)
	sh deploy/deps.sh build deb
	sh deploy/deb.sh $(BUILD) $(or $(VERSION),0.0.0)

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-clang $(BUILD)-fuzz

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
