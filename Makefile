# A thin cover over Meson. `make` builds build/suan; everything that is missing on Debian is installed first (scripts/deps.sh).
BUILD   ?= build
PREFIX  ?= /usr/local
ARGS    ?= -p "Tell me a story about a fox." -n 120

.PHONY: all run test bench install sanitize fuzz format clean configure

all: configure
	@ninja -C $(BUILD) suan src/lib/libsuan.a

configure:
	@sh scripts/deps.sh build
	@sh scripts/setup.sh $(BUILD) -Dtests=false -Dprefix=$(abspath $(PREFIX))

# make run ARGS='-m MODEL -p "..."' runs another model.
run: all
	@$(BUILD)/suan run $(ARGS)

# All configurations; STAGES="gcc sanitize" picks some (gcc clang sanitize arm).
test:
	@sh scripts/test.sh $(STAGES)

sanitize:
	@sh scripts/test.sh sanitize

bench: all
	@sh scripts/bench.sh $(BUILD)/suan

install: all
	@meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX)) >/dev/null
	@ninja -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

# FUZZ_SECONDS for each target.
fuzz:
	@sh scripts/fuzz.sh

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	@rm -rf $(BUILD) build-test build-clang build-sanitize build-arm build-fuzz
