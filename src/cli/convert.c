/* convert.c: suan convert: a model as one plain GGUF file. */
#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "suan/suan.h"

typedef struct convert_flags {
    suan_convert_options o;
    const char *shape;
    uint32_t n_threads;
    bool is_random, is_quiet;
} convert_flags;

static bool cancelled(void *ctx) {
    (void)ctx;
    return cli_stop_signal() != 0;
}

/* What was not as asked for, and how long it took. */
static void tell(const char *out, const convert_flags *f, const suan_convert_result *r, double seconds) {
    char bytes[32], rate[32], duration[32];
    if (r->n_fallback)
        cli_note("%llu matrices have rows that are no whole blocks of %s: they are Q8_0, or BF16 where 32 does not divide either",
                 (unsigned long long)r->n_fallback, f->o.type);
    if (r->n_unused)
        cli_note("%llu tensors that the model's graph does not use were left out, %s the first of them", (unsigned long long)r->n_unused,
                 r->unused);
    cli_note("%s: %llu tensors, %s in %s (%s a second)", out, (unsigned long long)r->n_tensors, cli_bytes(bytes, (double)r->n_bytes),
             cli_duration(duration, seconds), cli_bytes(rate, seconds > 0 ? (double)r->n_bytes / seconds : 0));
}

static int convert(const char *in, const char *out, convert_flags *f) {
    suan_error err = {0};
    suan_convert_result result = {0};
    cli_progress progress;
    double start = cli_seconds();
    cli_progress_init(&progress, f->is_random ? "making" : "converting", CLI_UNIT_BYTES);
    f->o.n_threads = (int)f->n_threads;
    f->o.progress = cli_progress_step;
    f->o.cancelled = cancelled;
    f->o.ctx = &progress;
    cli_stop_watch(NULL, false);
    suan_status status =
        f->is_random ? suan_convert_random(f->shape, out, &f->o, &result, &err) : suan_convert(in, out, &f->o, &result, &err);
    int number = cli_stop_signal();
    cli_stop_unwatch();
    cli_progress_done(&progress);
    if (status == SUAN_STOPPED && number) return 128 + number;
    if (status != SUAN_OK) return cli_fail("convert", &err);
    tell(out, f, &result, cli_seconds() - start);
    return 0;
}

static int check(const cli_command *command, const convert_flags *f, const cli_texts *words) {
    size_t n = f->is_random ? 1 : 2;
    if (words->n != n)
        return cli_usage_error(command, f->is_random ? "--random takes one word: OUT, the file to write"
                                                     : "two words are needed: IN, the model, and OUT, the file to write");
    if (f->is_random && !f->shape) return cli_usage_error(command, "--random needs --shape");
    if (!f->is_random && (f->shape || f->o.n_layer || f->o.seed))
        return cli_usage_error(command, "--shape, --layers and --seed belong to --random");
    return 0;
}

static int convert_main(const cli_command *command, int argc, char **argv) {
    convert_flags f = {0};
    char types[256], shapes[1024];
    if (!cli_put_names(types, sizeof types, "type of the matrices:", suan_convert_type) ||
        !cli_put_names(shapes, sizeof shapes, "a config.json, or one of", suan_convert_shape))
        return cli_failf("convert", "the names are too long");
    /* clang-format off */
    const cli_option options[] = {
        CLI_TEXT(0, "type", &f.o.type, "TYPE", types),
        CLI_FLAG(0, "split-kv-b", &f.o.split_kv_b, "DeepSeek: write kv_b in two halves, as newer files have it; the logits differ in their last bits"),
        CLI_FLAG(0, "packed", &f.o.packed, "write the weights packed for suan, which maps them and starts at once; nothing else reads such a file"),
        CLI_FLAG(0, "no-tokenizer", &f.o.no_tokenizer, "leave the tokenizer out"),
        CLI_U32('t', "threads", &f.n_threads, NULL, 1, 512, "N", "threads; by default as many as this process may use; changes no bit"),
        CLI_FLAG('q', "quiet", &f.is_quiet, "say nothing on stderr but errors"),
        CLI_HEAD("Random weights, to measure speed:"),
        CLI_FLAG(0, "random", &f.is_random, "make a model of random weights instead of converting one"),
        CLI_TEXT(0, "shape", &f.shape, "SHAPE", shapes),
        CLI_U32(0, "layers", &f.o.n_layer, NULL, 1, 4096, "N", "the first N layers only"),
        CLI_U64(0, "seed", &f.o.seed, NULL, "N", "of the weights (0)"),
        CLI_END};
    /* clang-format on */
    cli_texts words = {0};
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 2);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK && (status = check(command, &f, &words)) == 0) {
        if (f.is_quiet) cli_be_quiet();
        status = convert(words.items[0], words.items[words.n - 1], &f);
    }
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_convert = {
    .name = "convert",
    .usage = "IN OUT [options]",
    .summary = "Writes a model as one GGUF file, of another type if asked for",
    .details =
        "IN is a directory with config.json and *.safetensors, or a GGUF file (or the first of a split); OUT becomes a plain GGUF\n"
        "file, as llama.cpp reads it, and appears whole or not at all. Without --type matrices keep theirs. Norms, biases and routers\n"
        "are F32; rows that are no whole blocks of a type give way to Q8_0 or BF16. With --packed OUT is a file that suan alone reads,\n"
        "with the same answers to the bit; converted again without it, it becomes the plain file.",
    .main = convert_main};
