# make release: packages for other machines. See CONTRIBUTING.md, "Release".

.PHONY: release
release:                                    ## Install: build the packages of a release, for x86-64 and aarch64, into build/release
	$(Q)scripts/release/build $(VERSION) $(abspath $(BUILD)) $(abspath $(DEPS))/release

.PHONY: check-release
check-release:                              ## By hand: install, upgrade and remove what make release made, in containers (needs root)
	@test -x $(DEPS)/venv/bin/python || { echo 'the tests need more than is here: make install-deps' >&2; exit 1; }
	$(DEPS)/venv/bin/python -B -m pytest tests/release $(PYTEST_ARGS)
