# Fuzzing: clang builds the parsers and their drivers in a tree of its own, by the Makefile once more.

FUZZ_SECONDS ?= 300
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ = $(SELF) BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined

$(BUILD)/fuzzers/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIB_LIBS) -lm

.PHONY: fuzzers
fuzzers: $(FUZZERS)

.PHONY: run-fuzzers
run-fuzzers: $(FUZZERS)
	$(Q)$(SIDE_BY_SIDE) $(FUZZERS:%='tests/fuzz/run % $(FUZZ_SECONDS) $(BUILD)')

.PHONY: fuzz
fuzz:                                       ## By hand: feed the parsers with random bytes, FUZZ_SECONDS (300) each
	+@$(FUZZ) run-fuzzers FUZZ_SECONDS=$(FUZZ_SECONDS)

.PHONY: fuzz-short
fuzz-short:                                 ## Tests: the parsers with random bytes for two seconds each
	+@$(FUZZ) run-fuzzers FUZZ_SECONDS=2
