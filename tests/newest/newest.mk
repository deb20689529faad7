# The newest platform, which scripts/newest-root makes: Debian sid with Oracle's MySQL, where pinfeed is built and tested
# anew; and this machine's pinfeed with that MySQL. Skipped, with the reason, where that can't be had.

NEWEST := $(BUILD)/newest
NEWEST_TESTS := tests/newest $(addprefix tests/integration/test_,emulate.py credentials.py tokens.py replay.py)

.PHONY: check-newest
check-newest: programs deps                 ## CI: build and test with the newest libraries and Oracle's MySQL (needs root)
	+@scripts/newest-root; case $$? in 0) $(SELF) newest-tests ;; 77) test -z "$(CI)" ;; *) exit 1 ;; esac

# Programs that were built there, for tests that run here.
NEWEST_PROGRAMS := $(addprefix $(NEWEST)/outside/,pinfeed tools/sign)
$(NEWEST)/outside/%: FORCE
	@mkdir -p $(@D)
	@printf '#!/bin/sh\nPINFEED_DEPS=%s exec %s %s "$$@"\n' $(abspath $(DEPS)) $(abspath scripts)/newest-run $(abspath $(NEWEST))/$* >$@
	@chmod 755 $@

NEWEST_MAKE := scripts/newest-run $(MAKE) --no-print-directory WERROR=1 BUILD=$(NEWEST)

.PHONY: newest-tests
newest-tests: export PINFEED_TEST_MYSQLD = $(abspath scripts)/newest-run mysqld
newest-tests: $(NEWEST_PROGRAMS)
	$(NEWEST_MAKE) -j$(CORES) programs
	$(NEWEST_MAKE)/clang CC=clang -j$(CORES) programs
	$(Q)$(SIDE_BY_SIDE) \
	  'PINFEED=$(abspath $(NEWEST))/outside/pinfeed PINFEED_SIGN=$(abspath $(NEWEST))/outside/tools/sign $(PYTEST) $(NEWEST_TESTS) $(PYTEST_ARGS)' \
	  'PINFEED=$(abspath $(BUILD))/pinfeed $(PYTEST) tests/newest/test_mysql.py $(PYTEST_ARGS)' \
	  'PINFEED_TEST_MYSQLD=mysqld scripts/newest-run tests/db/run $(DB_TESTS:$(BUILD)/%=$(NEWEST)/%)' \
	  'tests/db/run $(DB_TESTS)' \
	  $(UNIT_TESTS:$(BUILD)/%='scripts/newest-run $(NEWEST)/%')
