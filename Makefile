# pinfeed: `make help` lists what can be made.
#
# Variables: prefix, sysconfdir, DESTDIR (install), CC, CFLAGS, BUILD (where things are built),
# SANITIZE=address,undefined or SANITIZE=thread (an instrumented build; give it a BUILD of its own),
# WERROR=1 (warnings are errors; CI and `make check` set it), PYTEST_ARGS (handed to pytest).

VERSION    := 0.1.0
BUILD      ?= build
prefix     ?= /usr/local
sysconfdir ?= /etc
bindir     ?= $(prefix)/bin
mandir     ?= $(prefix)/share/man
docdir     ?= $(prefix)/share/doc/pinfeed
bashdir    ?= $(prefix)/share/bash-completion/completions
zshdir     ?= $(prefix)/share/zsh/site-functions
# systemd reads units below /usr/local/lib too.
unitdir    ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
catalogdir ?= $(prefix)/lib/systemd/catalog

CC      ?= cc
CFLAGS  ?= -O2 -g
PYTHON  ?= python3
PKG_CONFIG ?= pkg-config

# pkg-config name, and the Debian package that has it (for the message when it is missing).
LIBRARIES := rdkafka:librdkafka-dev mysqlclient:libmariadb-dev-compat jansson:libjansson-dev \
             libsystemd:libsystemd-dev libcrypto:libssl-dev libcurl:libcurl4-openssl-dev expat:libexpat1-dev
PACKAGES  := $(foreach l,$(LIBRARIES),$(firstword $(subst :, ,$(l))))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
            -Wformat=2 -Wundef -Wvla
SANITIZE_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

ALL_CFLAGS = -std=gnu17 $(CFLAGS) $(WARNINGS) $(if $(WERROR),-Werror) $(SANITIZE_FLAGS) \
             $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE -pthread \
             -D_GNU_SOURCE -DPINFEED_VERSION='"$(VERSION)"' -DPINFEED_DOCDIR='"$(docdir)"' -Iinclude -Isrc $(LIB_CFLAGS)
# ThreadSanitizer can't see into librdkafka's threads without this.
C11_THREADS := $(if $(filter thread,$(SANITIZE)),$(BUILD)/obj/tests/tools/c11_threads.o)
export TSAN_OPTIONS ?= suppressions=$(CURDIR)/tests/tsan.supp
ALL_LDFLAGS = $(LDFLAGS) $(SANITIZE_FLAGS) $(if $(C11_THREADS),-rdynamic) -pie -Wl,-z,relro,-z,now -pthread

# Only what compiles asks pkg-config; `make help` and `make clean` work without any library.
ifeq ($(filter help clean distclean demo install-deps uninstall check-layers,$(or $(MAKECMDGOALS),all)),)
MISSING := $(foreach l,$(LIBRARIES),$(shell $(PKG_CONFIG) --exists $(firstword $(subst :, ,$(l))) 2>/dev/null || echo $(l)))
ifneq ($(strip $(MISSING)),)
$(foreach l,$(MISSING),$(info missing library: $(firstword $(subst :, ,$(l))); on Debian: apt-get install $(lastword $(subst :, ,$(l)))))
$(error libraries are missing (see above); scripts/install-deps installs them all)
endif
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(PACKAGES))
endif

SOURCES := $(sort $(wildcard src/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT_TESTS := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)
DB_TESTS := $(patsubst tests/db/%.c,$(BUILD)/db/%,$(sort $(wildcard tests/db/test_*.c)))

.PHONY: all
all: $(BUILD)/pinfeed                       ## build build/pinfeed

# `make V=1` shows the whole commands.
Q := $(if $(V),,@)
say = @printf '  %-5s %s\n' $(1) $(2)

$(BUILD)/pinfeed: $(BUILD)/obj/src/main.o $(C11_THREADS) $(BUILD)/libpinfeed.a
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

$(BUILD)/libpinfeed.a: $(OBJECTS)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,$(call say,CC,$<))
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(C11_THREADS) $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lcmocka -lm

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: unit
unit: $(UNIT_TESTS)                         ## build and run the unit tests
	@for t in $(UNIT_TESTS); do echo "== $$t"; $$t || exit 1; done

$(BUILD)/db/%: $(BUILD)/obj/tests/db/%.o $(BUILD)/obj/tests/db/db.o $(C11_THREADS) $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lcmocka -lm

.PHONY: db-tests
db-tests: $(DB_TESTS)                       ## build and run the tests of the table room, on a private MariaDB
	tests/db/run $(DB_TESTS)

# ---- systemd ----

UNITS := pinfeed.service pinfeed-replay.service

# What both units have in common is in systemd/service.in. Always made anew: the directories may have changed.
# An older systemd would complain of a directive that it doesn't know whenever it reads the unit.
OLDER_SYSTEMD = $(shell $(PKG_CONFIG) --atleast-version=254 libsystemd || echo yes)
$(BUILD)/systemd/%.service: systemd/%.service.in systemd/service.in FORCE
	@mkdir -p $(@D)
	$(Q)sed -e '/^@service@$$/{r systemd/service.in' -e 'd' -e '}' $< | \
	  sed $(if $(OLDER_SYSTEMD),-e '/^RestartMode=/d') -e 's|@bindir@|$(bindir)|g' -e 's|@sysconfdir@|$(sysconfdir)|g' >$@

.PHONY: FORCE
FORCE:

.PHONY: install-systemd
install-systemd: $(UNITS:%=$(BUILD)/systemd/%)
	install -d $(DESTDIR)$(sysconfdir)/pinfeed/aws
	install -D -m 644 -t $(DESTDIR)$(unitdir) $^
	install -D -m 644 systemd/pinfeed.sysusers $(DESTDIR)$(sysusersdir)/pinfeed.conf
	install -D -m 644 systemd/pinfeed.catalog $(DESTDIR)$(catalogdir)/pinfeed.catalog

# What scripts/install-deps fetched for the tests.
DEPS := $(or $(PINFEED_DEPS),.deps)

.PHONY: install-deps
install-deps:                               ## install what building and testing need
	@scripts/install-deps

PYTEST = PINFEED=$(abspath $(BUILD))/pinfeed PINFEED_SIGN=$(abspath $(SIGN)) \
         $(DEPS)/venv/bin/python -B -m pytest tests/integration

# A program that only tests run.
SIGN := $(BUILD)/tools/sign
$(SIGN): $(BUILD)/obj/tests/tools/sign.o $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

.PHONY: integration
integration: $(BUILD)/pinfeed $(SIGN)       ## run the tests against a real MariaDB and a real Kafka
	@test -x $(DEPS)/venv/bin/python || { echo 'the tests need more than is here: make install-deps' >&2; exit 1; }
	$(Q)$(PYTEST) -m 'not long and not soak' $(PYTEST_ARGS)

.PHONY: check-long
check-long: $(BUILD)/pinfeed $(SIGN)        ## what takes long and belongs to every CI run all the same
	$(Q)scripts/install-deps --old-kafka
	$(Q)$(PYTEST) -m long $(PYTEST_ARGS)

.PHONY: soak
soak: $(BUILD)/pinfeed                      ## 500 kills of a replay, about ten minutes
	$(Q)$(PYTEST) -m soak $(PYTEST_ARGS)

.PHONY: check-service
check-service: $(BUILD)/pinfeed manual      ## boot systemd in a container and try the units there (needs root)
	@test -x $(DEPS)/venv/bin/python || { echo 'the tests need more than is here: make install-deps' >&2; exit 1; }
	$(DEPS)/venv/bin/python -B -m pytest tests/service $(PYTEST_ARGS)

# The same on the newest platform, which scripts/newest-root makes: Debian sid with Oracle's MySQL, where pinfeed is
# built and tested anew; and this machine's pinfeed with that MySQL. Skipped, with the reason, where that can't be had.
NEWEST := $(BUILD)/newest
NEWEST_TESTS := tests/newest $(addprefix tests/integration/test_,emulate.py credentials.py tokens.py replay.py)

.PHONY: check-newest
check-newest: $(BUILD)/pinfeed $(DB_TESTS)  ## build and test with the newest libraries and Oracle's MySQL (needs root)
	+@scripts/newest-root; case $$? in 0) $(MAKE) --no-print-directory newest-tests WERROR=1 ;; 77) ;; *) exit 1 ;; esac

# Programs that were built there, for tests that run here.
NEWEST_PROGRAMS := $(addprefix $(NEWEST)/outside/,pinfeed tools/sign)
$(NEWEST)/outside/%: FORCE
	@mkdir -p $(@D)
	@printf '#!/bin/sh\nexec %s %s "$$@"\n' $(abspath scripts)/newest-run $(abspath $(NEWEST))/$* >$@ && chmod 755 $@

.PHONY: newest-tests
newest-tests: export PINFEED_TEST_MYSQLD = $(abspath scripts)/newest-run mysqld
newest-tests: $(NEWEST_PROGRAMS)
	@test -x $(DEPS)/venv/bin/python || { echo 'the tests need more than is here: make install-deps' >&2; exit 1; }
	scripts/newest-run $(MAKE) --no-print-directory BUILD=$(NEWEST) all $(NEWEST)/tools/sign unit $(DB_TESTS:$(BUILD)/%=$(NEWEST)/%)
	PINFEED_TEST_MYSQLD=mysqld scripts/newest-run tests/db/run $(DB_TESTS:$(BUILD)/%=$(NEWEST)/%)
	tests/db/run $(DB_TESTS)
	PINFEED=$(abspath $(BUILD))/pinfeed $(DEPS)/venv/bin/python -B -m pytest tests/newest/test_mysql.py $(PYTEST_ARGS)
	PINFEED=$(abspath $(NEWEST))/outside/pinfeed PINFEED_SIGN=$(abspath $(NEWEST))/outside/tools/sign \
	  $(DEPS)/venv/bin/python -B -m pytest $(NEWEST_TESTS) $(PYTEST_ARGS)

# ---- fuzzing ----

FUZZ_SECONDS ?= 300
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
# They are built by clang in a tree of their own, by this Makefile once more.
FUZZ_MAKE = $(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined

$(BUILD)/fuzzers/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIB_LIBS) -lm

# What is found on the way is kept in $(BUILD)/corpus; what makes one fail, beside it.
.PHONY: run-fuzzers
run-fuzzers: $(FUZZERS)
	@for f in $(FUZZERS); do \
	  what=$${f##*/fuzz_}; mkdir -p $(BUILD)/corpus/$$what; \
	  printf '  FUZZ  %s (%s s)\n' $$what $(FUZZ_SECONDS); \
	  $$f -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 \
	    -artifact_prefix=$(BUILD)/$$what- $(BUILD)/corpus/$$what tests/fuzz/corpus/$$what >$(BUILD)/$$what.log 2>&1 || \
	    { grep -v '^#' $(BUILD)/$$what.log | tail -n 60; exit 1; }; \
	done

.PHONY: fuzz
fuzz:                                       ## feed the parsers with random bytes, FUZZ_SECONDS (300) each
	+@$(FUZZ_MAKE) run-fuzzers FUZZ_SECONDS=$(FUZZ_SECONDS)

.PHONY: fuzz-short
fuzz-short:                                 ## the same for a few seconds each
	+@$(FUZZ_MAKE) run-fuzzers FUZZ_SECONDS=4

# Object files are kept.
.SECONDARY:

# One after the other, whatever -j says: the servers' summary comes last.
.PHONY: check
check:                                      ## all tests but check-service, check-long and soak; under ten minutes
	$(Q)scripts/check-layers
	$(Q)$(MAKE) --no-print-directory unit WERROR=1
	$(Q)$(MAKE) --no-print-directory unit db-tests WERROR=1 BUILD=$(BUILD)/asan SANITIZE=address,undefined
	$(Q)$(MAKE) --no-print-directory fuzz-short
	$(Q)$(MAKE) --no-print-directory integration WERROR=1

# The same integration tests with instrumented programs; slower, so CI runs it beside `check`.
.PHONY: check-sanitized
check-sanitized:                            ## the integration tests under AddressSanitizer and ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory integration WERROR=1 BUILD=$(BUILD)/asan SANITIZE=address,undefined
	$(Q)$(MAKE) --no-print-directory unit integration WERROR=1 BUILD=$(BUILD)/tsan SANITIZE=thread

.PHONY: bench
bench: $(BUILD)/pinfeed                     ## timings; BENCH_ARGS='--rows=10000000 --rounds=5'
	PINFEED=$(abspath $(BUILD))/pinfeed $(DEPS)/venv/bin/python -B tests/bench.py $(BENCH_ARGS)

.PHONY: demo
demo:                                       ## see it work: MariaDB -> pinfeed -> Kafka, all private, about 35 s
	@scripts/demo

# ---- manual, sample configuration, installation ----

GENERATED := $(BUILD)/pinfeed.conf.sample $(BUILD)/pinfeed.8 $(BUILD)/pinfeed.conf.5 $(BUILD)/completion.bash $(BUILD)/completion.zsh
# Ready-made files for AWS and MSK Connect, as etc/iam and etc/msk-connect hold them.
EXAMPLES := $(sort $(wildcard etc/iam/* etc/msk-connect/*))
CONFIG_FILE := $(DESTDIR)$(sysconfdir)/pinfeed/pinfeed.conf

.PHONY: manual
manual: $(GENERATED)                        ## build manual, sample configuration, the shells' completion

$(BUILD)/print-settings: $(BUILD)/obj/src/print-settings.o $(BUILD)/libpinfeed.a
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

$(BUILD)/settings.txt: PART = settings
$(BUILD)/options.txt: PART = options
$(BUILD)/pinfeed.conf.sample: PART = sample
$(BUILD)/completion.bash: PART = bash
$(BUILD)/completion.zsh: PART = zsh
$(BUILD)/settings.txt $(BUILD)/options.txt $(BUILD)/pinfeed.conf.sample $(BUILD)/completion.bash $(BUILD)/completion.zsh: \
  $(BUILD)/print-settings
	$(Q)$(BUILD)/print-settings $(PART) >$@.new && mv $@.new $@

$(BUILD)/pinfeed.8: PART = options
$(BUILD)/pinfeed.8: $(BUILD)/options.txt
$(BUILD)/pinfeed.conf.5: PART = settings
$(BUILD)/pinfeed.conf.5: $(BUILD)/settings.txt
$(BUILD)/pinfeed.8 $(BUILD)/pinfeed.conf.5: $(BUILD)/%: etc/%.in
	$(Q)sed -e '/^@[A-Z]*@$$/{r $(BUILD)/$(PART).txt' -e 'd' -e '}' $< >$@.new && mv $@.new $@

# An edited configuration is never overwritten.
.PHONY: install
install: all manual install-systemd         ## install the program, its manual, units and a sample configuration
	install -D -m 755 $(BUILD)/pinfeed $(DESTDIR)$(bindir)/pinfeed
	install -D -m 644 $(BUILD)/pinfeed.8 $(DESTDIR)$(mandir)/man8/pinfeed.8
	install -D -m 644 $(BUILD)/pinfeed.conf.5 $(DESTDIR)$(mandir)/man5/pinfeed.conf.5
	install -D -m 644 $(BUILD)/pinfeed.conf.sample $(DESTDIR)$(docdir)/pinfeed.conf.sample
	install -D -m 644 $(BUILD)/completion.bash $(DESTDIR)$(bashdir)/pinfeed
	install -D -m 644 $(BUILD)/completion.zsh $(DESTDIR)$(zshdir)/_pinfeed
	@for f in $(EXAMPLES:etc/%=%); do install -D -m 644 etc/$$f $(DESTDIR)$(docdir)/$$f || exit 1; done
	@install -d -m 755 $(dir $(CONFIG_FILE))
	@test -e $(CONFIG_FILE) || install -m 644 $(BUILD)/pinfeed.conf.sample $(CONFIG_FILE)
	@scripts/after-install '$(DESTDIR)' '$(sysconfdir)' '$(sysusersdir)'

# What was edited stays: the configuration, the password, the state.
.PHONY: uninstall
uninstall:                                  ## remove what install put in place, but nothing that was edited
	rm -f $(DESTDIR)$(bindir)/pinfeed $(DESTDIR)$(mandir)/man8/pinfeed.8 $(DESTDIR)$(mandir)/man5/pinfeed.conf.5
	rm -f $(UNITS:%=$(DESTDIR)$(unitdir)/%) $(DESTDIR)$(sysusersdir)/pinfeed.conf
	rm -f $(DESTDIR)$(catalogdir)/pinfeed.catalog $(DESTDIR)$(bashdir)/pinfeed $(DESTDIR)$(zshdir)/_pinfeed
	@if cmp -s $(CONFIG_FILE) $(DESTDIR)$(docdir)/pinfeed.conf.sample; then rm -f $(CONFIG_FILE); fi
	rm -rf $(DESTDIR)$(docdir)
	@rmdir $(DESTDIR)$(sysconfdir)/pinfeed/aws $(DESTDIR)$(sysconfdir)/pinfeed 2>/dev/null || \
	  echo 'What is in $(DESTDIR)$(sysconfdir)/pinfeed stays, and so does the state in /var/lib/pinfeed.'

.PHONY: check-layers
check-layers:                               ## prove that each room includes only rooms below it
	$(Q)scripts/check-layers

.PHONY: clean
clean:                                      ## remove what was built
	rm -rf $(BUILD)

.PHONY: distclean
distclean: clean                            ## and what was fetched for the tests
	rm -rf $(DEPS)

.PHONY: help
help:                                       ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | sort | \
	  while IFS="$$(printf '\t')" read -r t d; do printf '  make %-15s %s\n' "$$t" "$$d"; done
