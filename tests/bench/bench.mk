# Figures. ROWS and ROUNDS say how many, JSON=FILE writes every single one down.

ROWS   ?= 1000000
ROUNDS ?= 3
BENCH_PROGRAMS := $(BUILD)/bench/loop $(BUILD)/bench/fetch

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(C11_THREADS) $(BUILD)/libpinfeed.a
	@mkdir -p $(@D)
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

.PHONY: bench
bench: $(BUILD)/pinfeed $(BENCH_PROGRAMS) deps ## See: pinfeed beside what one would use instead; ROWS=1000000 ROUNDS=3
	$(Q)PINFEED=$(abspath $(BUILD))/pinfeed PYTHONPATH=tests $(DEPS)/venv/bin/python -B -m bench --rows=$(ROWS) \
	  --rounds=$(ROUNDS) $(if $(JSON),--json='$(JSON)')

.PHONY: bench-follow
bench-follow: $(BUILD)/pinfeed deps         ## See: how soon --follow delivers a row, and what it costs; three minutes
	$(Q)PINFEED=$(abspath $(BUILD))/pinfeed PYTHONPATH=tests $(DEPS)/venv/bin/python -B -m bench.follow
