# pinfeed: `make help` lists what can be made.
#
# Variables: prefix, sysconfdir, DESTDIR (install), CC, CFLAGS, BUILD (where things are built),
# SANITIZE=address,undefined or SANITIZE=thread (an instrumented build), CCACHE= (without ccache),
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
PKG_CONFIG ?= pkg-config
ifeq ($(origin CCACHE),undefined)
CCACHE := $(if $(filter ccache,$(CC)),,$(shell command -v ccache))
endif

# What scripts/install-deps fetched for the tests, or built where there is no package of it. ThreadSanitizer wants to
# have compiled all that threads share: `make tsan-librdkafka`.
DEPS := $(or $(PINFEED_DEPS),.deps)
LIBRDKAFKA := $(abspath $(DEPS))/librdkafka$(if $(filter thread,$(SANITIZE)),-tsan)
ifneq ($(wildcard $(LIBRDKAFKA)/lib/pkgconfig),)
PKG_CONFIG := PKG_CONFIG_PATH=$(LIBRDKAFKA)/lib/pkgconfig:$$PKG_CONFIG_PATH pkg-config
endif

# Debian and Oracle have it by this name, Fedora by the other.
MYSQL := $(or $(shell $(PKG_CONFIG) --exists mysqlclient || { $(PKG_CONFIG) --exists libmariadb && echo libmariadb; } 2>/dev/null),mysqlclient)

# pkg-config name, and the Debian package that has it (for the message when it is missing).
LIBRARIES := rdkafka:librdkafka-dev $(MYSQL):libmariadb-dev-compat jansson:libjansson-dev \
             libsystemd:libsystemd-dev libcrypto:libssl-dev libcurl:libcurl4-openssl-dev expat:libexpat1-dev
PACKAGES  := $(foreach l,$(LIBRARIES),$(firstword $(subst :, ,$(l))))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
            -Wformat=2 -Wundef -Wvla
SANITIZE_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

ALL_CFLAGS = -std=gnu17 $(CFLAGS) $(WARNINGS) $(if $(WERROR),-Werror) $(SANITIZE_FLAGS) \
             $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE -pthread \
             -D_GNU_SOURCE -DPINFEED_VERSION='"$(VERSION)"' -Iinclude -Isrc $(LIB_CFLAGS)
# What ThreadSanitizer doesn't know by itself, for librdkafka too.
C11_THREADS := $(if $(filter thread,$(SANITIZE)),$(BUILD)/obj/tests/tools/c11_threads.o)
export TSAN_OPTIONS ?= suppressions=$(CURDIR)/tests/tsan.supp
ALL_LDFLAGS = $(LDFLAGS) $(SANITIZE_FLAGS) $(if $(C11_THREADS),-rdynamic) -pie -Wl,-z,relro,-z,now -pthread

# Only what compiles asks pkg-config; `make help` and `make clean` work without any library.
ifneq ($(filter-out help clean distclean demo install-deps uninstall check-layers check-promises release check-release,\
               $(or $(MAKECMDGOALS),all)),)
MISSING := $(foreach l,$(LIBRARIES),$(shell $(PKG_CONFIG) --exists $(firstword $(subst :, ,$(l))) 2>/dev/null || echo $(l)))
ifneq ($(strip $(MISSING)),)
$(foreach l,$(MISSING),$(info missing library: $(firstword $(subst :, ,$(l))); on Debian: apt-get install $(lastword $(subst :, ,$(l)))))
$(error libraries are missing (see above); scripts/install-deps installs them all)
endif
ifeq ($(filter thread,$(SANITIZE))$(wildcard $(LIBRDKAFKA)),thread)
$(error an instrumented librdkafka is missing: make tsan-librdkafka)
endif
# What other people's headers are warned of is no concern of ours.
LIB_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(PACKAGES))
endif

SOURCES := $(sort $(wildcard src/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)

.PHONY: all
all: $(BUILD)/pinfeed                       ## Build: build build/pinfeed

# `make V=1` shows the whole commands.
Q := $(if $(V),,@)
say = @printf '  %-5s %s\n' $(1) $(2)

$(BUILD)/pinfeed: $(BUILD)/obj/src/main.o $(C11_THREADS) $(BUILD)/libpinfeed.a
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

$(BUILD)/libpinfeed.a: $(OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(V),,$(call say,CC,$<))
	$(Q)$(CCACHE) $(CC) $(ALL_CFLAGS) $(DEFINES) -MMD -MP -c -o $@ $<

# Newer only when the flags are others: then everything is built again, and nothing is mixed.
$(BUILD)/flags: export FLAGS = $(filter-out ccache -Werror,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LIB_LIBS))
$(BUILD)/docdir: export FLAGS = $(docdir)
$(BUILD)/flags $(BUILD)/docdir: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS" | cmp -s - $@ || printf '%s\n' "$$FLAGS" >$@

# The one that knows where it is installed.
$(BUILD)/obj/src/config/finish.o: private DEFINES = -DPINFEED_DOCDIR='"$(docdir)"'
$(BUILD)/obj/src/config/finish.o: $(BUILD)/docdir

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- systemd ----

UNITS := pinfeed.service pinfeed-replay.service pinfeed-replay.timer pinfeed-follow.service

# What all services have in common is in systemd/service.in. Always made anew: the directories may have changed.
# An older systemd would complain of a directive that it doesn't know whenever it reads the unit.
OLDER_SYSTEMD = $(shell $(PKG_CONFIG) --atleast-version=254 libsystemd || echo yes)
$(BUILD)/systemd/%.service: systemd/%.service.in systemd/service.in FORCE
	@mkdir -p $(@D)
	$(Q)sed -e '/^@service@$$/{r systemd/service.in' -e 'd' -e '}' $< | \
	  sed $(if $(OLDER_SYSTEMD),-e '/^RestartMode=/d') -e 's|@bindir@|$(bindir)|g' -e 's|@sysconfdir@|$(sysconfdir)|g' >$@

$(BUILD)/systemd/%.timer: systemd/%.timer
	@mkdir -p $(@D)
	$(Q)cp $< $@

.PHONY: FORCE
FORCE:

.PHONY: install-systemd
install-systemd: $(UNITS:%=$(BUILD)/systemd/%)
	install -d $(DESTDIR)$(sysconfdir)/pinfeed/aws
	install -D -m 644 -t $(DESTDIR)$(unitdir) $^
	install -D -m 644 systemd/pinfeed.sysusers $(DESTDIR)$(sysusersdir)/pinfeed.conf
	install -D -m 644 systemd/pinfeed.catalog $(DESTDIR)$(catalogdir)/pinfeed.catalog

.PHONY: install-deps
install-deps:                               ## Build: install what building and testing need
	@scripts/install-deps

include tests/tests.mk

# Object files are kept.
.SECONDARY:

.PHONY: demo
demo:                                       ## See: see it work: MariaDB -> pinfeed -> Kafka, all private, about 35 s
	@scripts/demo

# ---- manual, sample configuration, installation ----

GENERATED := $(BUILD)/pinfeed.conf.sample $(BUILD)/pinfeed.8 $(BUILD)/pinfeed.conf.5 $(BUILD)/completion.bash $(BUILD)/completion.zsh
# Ready-made files for AWS, MSK Connect and Airflow, as etc holds them.
EXAMPLES := $(sort $(wildcard etc/iam/* etc/msk-connect/* etc/airflow/*.py))
CONFIG_FILE := $(DESTDIR)$(sysconfdir)/pinfeed/pinfeed.conf

.PHONY: manual
manual: $(GENERATED)                        ## Build: build the manual, the sample configuration, completion for shells

# Runs here, whatever machine is built for.
PRINT_SETTINGS ?= $(BUILD)/print-settings
$(BUILD)/print-settings: $(BUILD)/obj/src/print-settings.o $(BUILD)/libpinfeed.a
	$(if $(V),,$(call say,LINK,$@))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

$(BUILD)/settings.txt: PART = settings
$(BUILD)/options.txt: PART = options
$(BUILD)/pinfeed.conf.sample: PART = sample
$(BUILD)/completion.bash: PART = bash
$(BUILD)/completion.zsh: PART = zsh
$(BUILD)/settings.txt $(BUILD)/options.txt $(BUILD)/pinfeed.conf.sample $(BUILD)/completion.bash $(BUILD)/completion.zsh: \
  $(PRINT_SETTINGS)
	$(Q)$(PRINT_SETTINGS) $(PART) >$@.new && mv $@.new $@

$(BUILD)/pinfeed.8: PART = options
$(BUILD)/pinfeed.8: $(BUILD)/options.txt
$(BUILD)/pinfeed.conf.5: PART = settings
$(BUILD)/pinfeed.conf.5: $(BUILD)/settings.txt
$(BUILD)/pinfeed.8 $(BUILD)/pinfeed.conf.5: $(BUILD)/%: etc/%.in
	$(Q)sed -e '/^@[A-Z]*@$$/{r $(BUILD)/$(PART).txt' -e 'd' -e '}' $< >$@.new && mv $@.new $@

# An edited configuration is never overwritten.
.PHONY: install
install: all manual install-systemd         ## Install: install the program, its manual, units and a sample configuration
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
INSTALLED = $(bindir)/pinfeed $(mandir)/man8/pinfeed.8 $(mandir)/man5/pinfeed.conf.5 $(bashdir)/pinfeed $(zshdir)/_pinfeed \
            $(UNITS:%=$(unitdir)/%) $(sysusersdir)/pinfeed.conf $(catalogdir)/pinfeed.catalog \
            $(docdir)/pinfeed.conf.sample $(EXAMPLES:etc/%=$(docdir)/%)
.PHONY: uninstall
uninstall:                                  ## Install: stop it, remove what install put in place, but nothing that was edited
	@printf '%s\n' $(INSTALLED) | scripts/uninstall '$(DESTDIR)' '$(sysconfdir)' '$(docdir)/pinfeed.conf.sample'

include scripts/release/release.mk

.PHONY: clean
clean:                                      ## Build: remove what was built
	rm -rf $(BUILD)

.PHONY: distclean
distclean: clean                            ## Build: and what was fetched for the tests
	rm -rf $(DEPS)

# `## Group: what it is for` behind a target.
.PHONY: help
help:                                       ## Build: this list
	@awk -F ' *## *' '/^[a-z-]+:.*## / { sub(/:.*/, "", $$1); at = index($$2, ": "); group = substr($$2, 1, at - 1); \
	    if (!(group in text)) order[++n] = group; \
	    text[group] = text[group] sprintf("  make %-15s %s\n", $$1, substr($$2, at + 2)) } \
	  END { for (i = 1; i <= n; i++) printf "%s\n%s", order[i], text[order[i]] }' $(MAKEFILE_LIST)
