/* chat_commands.c: what a line that begins with / does in a chat. One row a command; /help is made from the rows. */
#include <string.h>

#include "cli/chat.h"
#include "cli/output.h"

typedef struct row {
    const char *name, *argument, *help; /* argument: NULL: takes none; "[X]": may be left out */
    void (*run)(cli_chat *chat, const char *argument);
} row;

static void fail(cli_chat *chat, const suan_error *err) {
    cli_fail("chat", err);
    chat->has_failed = true;
}

/* ---- the conversation */

static void run_system(cli_chat *chat, const char *text) {
    json_t *system = NULL;
    if (*text) {
        system = cli_json_text(text, strlen(text));
        if (!system) {
            cli_failf("chat", "out of memory");
            return;
        }
    }
    json_decref(chat->talk.system);
    chat->talk.system = system;
    cli_note(system ? "The system message is set." : "There is no system message now.");
}

static void run_clear(cli_chat *chat, const char *unused) {
    (void)unused;
    json_array_clear(chat->talk.messages);
    cli_note("The conversation begins anew.");
}

static void run_regenerate(cli_chat *chat, const char *unused) {
    (void)unused;
    size_t n = json_array_size(chat->talk.messages);
    if (n < 2) {
        cli_failf("chat", "there is no answer yet");
        return;
    }
    json_t *answer = json_incref(json_array_get(chat->talk.messages, n - 1));
    json_array_remove(chat->talk.messages, n - 1);
    chat->talk.sampling.choice++;
    if (chat->talk.sampling.temperature == 0) cli_note("At temperature 0 the answer stays the same; /set temp 0.7 lets it vary.");
    json_t *question = json_incref(json_array_get(chat->talk.messages, n - 2));
    cli_chat_answer(chat);
    if (json_array_size(chat->talk.messages) < n) { /* it failed: both messages stay as they were */
        json_array_append(chat->talk.messages, question);
        json_array_append(chat->talk.messages, answer);
    }
    json_decref(question);
    json_decref(answer);
}

/* ---- files */

static void run_save(cli_chat *chat, const char *path) {
    suan_error err = {0};
    if (cli_chat_save(&chat->talk, path, &err) != SUAN_OK) {
        fail(chat, &err);
        return;
    }
    cli_note("Saved %zu messages in %s.", json_array_size(chat->talk.messages), path);
}

static void run_load(cli_chat *chat, const char *path) {
    suan_error err = {0};
    cli_conversation loaded = {0};
    if (cli_chat_load(&loaded, path, &err) != SUAN_OK) {
        fail(chat, &err);
        return;
    }
    if (!json_equal(loaded.model, chat->talk.model)) {
        cli_note("This conversation was held with another model (%s).", json_string_value(json_object_get(loaded.model, "name")));
    }
    /* What belongs to this run stays: the model, the seed and the biases of single tokens. */
    json_decref(loaded.model);
    loaded.model = json_incref(chat->talk.model);
    loaded.sampling.seed = chat->talk.sampling.seed;
    loaded.sampling.logit_bias = chat->talk.sampling.logit_bias;
    loaded.sampling.n_logit_bias = chat->talk.sampling.n_logit_bias;
    cli_conversation_fini(&chat->talk);
    chat->talk = loaded;
    cli_note("Loaded %zu messages from %s.", json_array_size(loaded.messages), path);
}

/* ---- sampling */

static void show_sampling(const suan_sampling *s) {
    cli_note("temp %g, top-k %d, top-p %g, min-p %g, typical %g, repeat-penalty %g, repeat-last-n %d, presence-penalty %g, "
             "frequency-penalty %g, seed %llu",
             (double)s->temperature, (int)s->top_k, (double)s->top_p, (double)s->min_p, (double)s->typical_p, (double)s->repetition_penalty,
             (int)s->penalty_last_n, (double)s->presence_penalty, (double)s->frequency_penalty, (unsigned long long)s->seed);
}

static const char *settable_name(const void *ctx, size_t i) {
    for (const cli_option *o = ctx; o->kind != CLI_KIND_END; o++) {
        if ((o->kind == CLI_KIND_U32 || o->kind == CLI_KIND_I32 || o->kind == CLI_KIND_U64 || o->kind == CLI_KIND_F32) && i-- == 0)
            return o->name;
    }
    return NULL;
}

/* The value goes into the options as if it had been given on the command line, and from there into use. */
static void run_set(cli_chat *chat, const char *argument) {
    char name[32];
    suan_error err = {0};
    const char *value = strchr(argument, ' ');
    size_t n_name = value ? (size_t)(value - argument) : strlen(argument);
    if (!*argument) {
        show_sampling(&chat->talk.sampling);
        return;
    }
    if (n_name >= sizeof name) n_name = sizeof name - 1;
    memcpy(name, argument, n_name);
    name[n_name] = 0;
    const char *known = NULL;
    for (size_t i = 0; (known = settable_name(chat->sampling_rows, i)) && strcmp(known, name) != 0;) i++;
    if (!known) {
        const char *near = cli_nearest(name, settable_name, chat->sampling_rows);
        suan__fail(&err, SUAN_EINVAL, near ? "/set: there is no \"%s\"; did you mean %s?" : "/set: there is no \"%s\"", name, near);
        fail(chat, &err);
        return;
    }
    cli_sampling_options *o = &chat->sampling_options;
    o->given = (cli_sampling_given){0};
    if (cli_option_set(cli_option_find(chat->sampling_rows, name), value ? value + 1 : "", &err) != SUAN_OK) {
        fail(chat, &err);
        return;
    }
    cli_sampling_apply(o, &chat->talk.sampling);
    show_sampling(&chat->talk.sampling);
}

/* ---- the table */

static void run_exit(cli_chat *chat, const char *unused) {
    (void)unused;
    chat->is_over = true;
}

static void run_help(cli_chat *chat, const char *unused);

static const row rows[] = {
    {"help", NULL, "tells the commands", run_help},
    {"system", "[TEXT]", "sets the system message; without TEXT there is none", run_system},
    {"regenerate", NULL, "another answer to the last message; also /retry", run_regenerate},
    {"retry", NULL, NULL, run_regenerate},
    {"clear", NULL, "forgets the conversation", run_clear},
    {"save", "FILE", "keeps the conversation in a file", run_save},
    {"load", "FILE", "goes on with a conversation from a file", run_load},
    {"set", "[NAME VALUE]", "sampling, for example /set temp 0.7; without NAME: shows it", run_set},
    {"exit", NULL, "ends; also /quit and Ctrl-D", run_exit},
    {"quit", NULL, NULL, run_exit},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void run_help(cli_chat *chat, const char *unused) {
    (void)chat;
    (void)unused;
    suan__buf b = {0};
    for (size_t i = 0; i < N_ROWS; i++) {
        if (!rows[i].help) continue;
        int n_name = (int)strlen(rows[i].name);
        suan__buf_printf(&b, "  /%s %-*s %s\n", rows[i].name, 22 - n_name, rows[i].argument ? rows[i].argument : "", rows[i].help);
    }
    suan__buf_printf(
        &b, "  A line that ends in \\ goes on; \"\"\" begins and ends a message of several lines; // sends a text that begins with /.\n");
    if (!b.failed) cli_put(b.data, b.n);
    cli_flush();
    suan__buf_fini(&b);
}

static const char *row_name(const void *ctx, size_t i) {
    (void)ctx;
    return i < N_ROWS ? rows[i].name : NULL;
}

void cli_chat_command(cli_chat *chat, const char *line) {
    char name[32];
    suan_error err = {0};
    size_t n_name = strcspn(line + 1, " \t\n");
    const char *argument = line + 1 + n_name;
    argument += strspn(argument, " \t\n");
    if (n_name >= sizeof name) n_name = sizeof name - 1;
    memcpy(name, line + 1, n_name);
    name[n_name] = 0;
    for (size_t i = 0; i < N_ROWS; i++) {
        if (strcmp(rows[i].name, name) != 0) continue;
        if (!rows[i].argument && *argument) {
            suan__fail(&err, SUAN_EINVAL, "/%s takes nothing behind it", name);
        } else if (rows[i].argument && rows[i].argument[0] != '[' && !*argument) {
            suan__fail(&err, SUAN_EINVAL, "/%s needs a %s", name, rows[i].argument);
        } else {
            rows[i].run(chat, argument);
            return;
        }
        fail(chat, &err);
        return;
    }
    const char *near = cli_nearest(name, row_name, NULL);
    suan__fail(&err, SUAN_EINVAL, near ? "there is no command /%s; did you mean /%s?" : "there is no command /%s; /help tells them", name,
               near);
    fail(chat, &err);
}
