# The tests; tests/README.md tells which is where. Variables: PYTEST_ARGS (handed to pytest), TEST_JOBS (how many tests
# with servers run at once, each with servers of its own of a gigabyte at most: they wait for two thirds of their time).

CORES := $(shell nproc)
TEST_JOBS ?= $(shell awk -v cores=$(CORES) '$$1 == "MemTotal:" { n = int($$2 / 2e6); if (n > 3 * cores) n = 3 * cores; \
  print n < 2 ? 2 : n }' /proc/meminfo)

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
DB_TESTS := $(patsubst tests/db/%.c,$(BUILD)/db/%,$(sort $(wildcard tests/db/test_*.c)))
SIGN := $(BUILD)/tools/sign
# For another architecture it is elsewhere.
CMOCKA ?= -lcmocka
$(BUILD)/obj/tests/%.o: private DEFINES = $(CMOCKA_CFLAGS)

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(C11_THREADS) $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) $(CMOCKA) -lm

$(BUILD)/db/%: $(BUILD)/obj/tests/db/%.o $(BUILD)/obj/tests/db/db.o $(C11_THREADS) $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) $(CMOCKA) -lm

# A program that only tests run.
$(SIGN): $(BUILD)/obj/tests/tools/sign.o $(C11_THREADS) $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

.PHONY: programs
programs: $(BUILD)/pinfeed $(SIGN) $(UNIT_TESTS) $(DB_TESTS)

# This Makefile once more; instrumented programs have trees of their own.
SELF = $(MAKE) --no-print-directory WERROR=1
ASAN = $(SELF) BUILD=$(BUILD)/asan SANITIZE=address,undefined
TSAN = $(SELF) BUILD=$(BUILD)/tsan SANITIZE=thread

# From the sources that make release links in.
.PHONY: tsan-librdkafka
tsan-librdkafka: $(DEPS)/librdkafka-tsan
$(DEPS)/librdkafka-tsan:
	$(Q)scripts/release/fetch $(abspath $(DEPS))/release librdkafka
	$(Q)scripts/build-librdkafka librdkafka.so.1 $(DEPS)/release/librdkafka_*.orig.tar.gz $(abspath $@) \
	  --CFLAGS='-fsanitize=thread -fno-omit-frame-pointer -O1 -g' --LDFLAGS=-fsanitize=thread

.PHONY: asan-programs tsan-programs fuzz-programs
asan-programs:
	+@$(ASAN) programs
tsan-programs: tsan-librdkafka
	+@$(TSAN) programs
fuzz-programs:
	+@$(FUZZ) fuzzers

SIDE_BY_SIDE = tests/side-by-side -o $(BUILD)/logs
PYTEST = $(DEPS)/venv/bin/python -B -m pytest -n $(TEST_JOBS)
SERVICE = $(DEPS)/venv/bin/python -B -m pytest tests/service
INTEGRATION = PINFEED=$(abspath $(BUILD))/pinfeed PINFEED_SIGN=$(abspath $(SIGN)) $(PYTEST) tests/integration

.PHONY: deps
deps:
	@cmp -s tests/requirements.txt $(DEPS)/venv/requirements.txt || \
	  { echo 'the tests need more than is here: make install-deps' >&2; exit 1; }

# ---- what one runs all the time ----

.PHONY: check
check: deps                                 ## Tests: all of this group, side by side, in under five minutes
	+@$(SELF) -j$(CORES) programs asan-programs fuzz-programs
	+@$(SIDE_BY_SIDE) -j 2 '$(SELF) integration' '$(SELF) unit' '$(ASAN) unit' '$(ASAN) db-tests' '$(SELF) fuzz-short' \
	  scripts/check-layers scripts/check-promises

.PHONY: unit
unit: $(UNIT_TESTS)                         ## Tests: rooms by themselves
	$(Q)$(SIDE_BY_SIDE) -j 4 $(UNIT_TESTS)

.PHONY: db-tests
db-tests: $(DB_TESTS)                       ## Tests: the table room, on a private MariaDB
	tests/db/run $(DB_TESTS)

.PHONY: integration
integration: $(BUILD)/pinfeed $(SIGN) manual deps ## Tests: pinfeed with a real MariaDB and a real Kafka
	$(Q)$(INTEGRATION) -m 'not long and not soak and not brokers' $(PYTEST_ARGS)

.PHONY: check-layers check-promises
check-layers:                               ## Tests: each room includes only rooms below it
	$(Q)scripts/check-layers
check-promises:                             ## Tests: each of README's promises has tests
	$(Q)scripts/check-promises

# ---- what CI runs too ----

# First what takes longest; what mostly waits beside it, both with four at once. AddressSanitizer's unit and db tests are
# in `check`. What eight tests on two cores spoil for one another is tried once more, and listed; what a sanitizer has
# reported never is.
.PHONY: check-ci
check-ci: export TEST_JOBS := 4
check-ci: export PYTEST_ADDOPTS := --reruns 1 --rerun-except='Sanitizer|runtime.error' -rR
check-ci: deps                              ## CI: all of this group, side by side, after `make check`
	+@$(SELF) -j$(CORES) programs manual asan-programs tsan-programs
	+@$(SIDE_BY_SIDE) -j 2 '$(TSAN) integration' '$(SELF) check-service' '$(SELF) check-long' '$(ASAN) integration' \
	  '$(SELF) check-newest' '$(SELF) check-brokers' '$(TSAN) db-tests' '$(TSAN) unit'

.PHONY: check-long
check-long: $(BUILD)/pinfeed $(SIGN) manual deps   ## CI: longer outages, longer runs
	$(Q)$(INTEGRATION) -m long $(PYTEST_ARGS)
	$(Q)$(SERVICE) -m long $(PYTEST_ARGS) || [ $$? = 5 ]     # 5: -k names none of these

.PHONY: check-service
check-service: $(BUILD)/pinfeed manual deps ## CI: boot systemd in a container and try the units there (needs root)
	$(Q)$(SERVICE) -m 'not long and not soak and not machine' $(PYTEST_ARGS)

.PHONY: check-machine
check-machine: $(BUILD)/pinfeed manual deps ## By hand: boot a virtual machine, set its clock, suspend it, cut its power (needs root)
	$(Q)$(SERVICE)/test_machine.py $(PYTEST_ARGS)

.PHONY: check-sanitized
check-sanitized:                            ## By hand: unit and integration tests with AddressSanitizer and ThreadSanitizer
	+@$(SELF) -j$(CORES) asan-programs tsan-programs
	+@$(SIDE_BY_SIDE) -j 1 '$(ASAN) unit' '$(ASAN) integration' '$(TSAN) unit' '$(TSAN) integration'

# Kafka 2.8.1 is what these users' clusters run, 4.1 the newest that MSK has.
.PHONY: check-brokers
check-brokers: $(BUILD)/pinfeed $(SIGN) deps ## CI: the oldest and the newest Kafka
	$(Q)scripts/install-deps --brokers
	$(Q)$(SIDE_BY_SIDE) -j 1 '$(INTEGRATION)/test_replay_old_broker.py -n 1 $(PYTEST_ARGS)' \
	  'PINFEED_TEST_KAFKA=4.1.0 $(INTEGRATION)/test_replay.py tests/integration/test_emulate.py $(PYTEST_ARGS)'

.PHONY: soak
soak: $(BUILD)/pinfeed manual deps          ## By hand: 500 kills of a replay, 1,000 restarts of the service; half an hour
	$(Q)$(INTEGRATION) -m soak $(PYTEST_ARGS) || [ $$? = 5 ]
	$(Q)$(SERVICE) -m soak $(PYTEST_ARGS) || [ $$? = 5 ]     # 5: -k names none of these

include tests/bench/bench.mk tests/fuzz/fuzz.mk tests/newest/newest.mk
