/* serve.c: suan serve: a model behind the HTTP interfaces that people's tools speak, and a page. */
#include "serve/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/sampling.h"

typedef struct serve_options {
    cli_engine_options engine;
    cli_sampling_options sampling;
    suan__serve_config config;
    suan_batch_options batch;
    cli_texts hosts, origins;
    uint32_t port, max_body_mib;
    uint64_t cache_mib;
    float header, body, idle, write, stop, max, watch;
    float price_prompt, price_completion, price_cached;
} serve_options;

/* ---- signals ---- */

/* Signals are taken by a thread of their own, so that nothing is done where a signal happens to arrive. */
typedef struct signals {
    sigset_t set;
    int stop_fd;          /* readable once the server should stop */
    pthread_mutex_t lock; /* serve, while keys are read anew */
    suan__serve *serve;   /* NULL: before and after */
    atomic_bool is_loading;
} signals;

static void reload(signals *s) {
    suan_error err = {0};
    pthread_mutex_lock(&s->lock);
    if (s->serve && suan__serve_reload(s->serve, &err) != SUAN_OK) cli_fail("serve", &err);
    pthread_mutex_unlock(&s->lock);
}

static void *take_signals(void *ctx) {
    signals *s = ctx;
    uint64_t one = 1;
    for (int n = 0, which; sigwait(&s->set, &which) == 0;) {
        if (which == SIGHUP) {
            reload(s);
            continue;
        }
        if (which == SIGUSR2) return NULL;         /* from the program itself: all is done */
        if (atomic_load(&s->is_loading)) _exit(0); /* nobody was answered yet, nothing is half written */
        if (n++ > 0) _exit(128 + which);
        if (write(s->stop_fd, &one, sizeof one) < 0) _exit(128 + which);
    }
    return NULL;
}

/* Before any other thread is made: all of them inherit that these signals are blocked. */
static bool begin_signals(signals *s, pthread_t *thread) {
    static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2};
    sigemptyset(&s->set);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) sigaddset(&s->set, taken[i]);
    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    return s->stop_fd >= 0 && pthread_sigmask(SIG_BLOCK, &s->set, NULL) == 0 && pthread_create(thread, NULL, take_signals, s) == 0;
}

static void wait_for_stop(const signals *s) {
    uint64_t n;
    while (read(s->stop_fd, &n, sizeof n) < 0 && errno == EINTR) {}
}

/* ---- the server ---- */

static void take_numbers(serve_options *o) {
    suan__serve_config *c = &o->config;
    c->port = (int)o->port;
    c->max_body = (size_t)o->max_body_mib << 20;
    c->hosts = o->hosts.items, c->n_hosts = o->hosts.n;
    c->origins = o->origins.items, c->n_origins = o->origins.n;
    c->header_seconds = (double)o->header, c->body_seconds = (double)o->body, c->idle_seconds = (double)o->idle;
    c->write_seconds = (double)o->write, c->stop_seconds = (double)o->stop, c->max_seconds = (double)o->max,
    c->watch_seconds = (double)o->watch;
    c->price_prompt = (double)o->price_prompt, c->price_completion = (double)o->price_completion;
    c->price_cached = o->price_cached < 0 ? c->price_prompt : (double)o->price_cached;
    o->batch.n_ctx = o->engine.n_ctx;
    o->batch.cache_bytes = o->cache_mib << 20;
    o->batch.kv = (suan_kv_type)o->engine.kv;
    o->batch.activations = (suan_activations)o->engine.activations;
    o->batch.rounding = (suan_rounding)o->engine.rounding;
    c->draws_seeds = !o->sampling.given.seed;
}

static void say_ready(const suan__serve *serve) {
    const char *address = suan__serve_address(serve), *keys = suan__serve_keys_file(serve);
    char text[2048];
    int n = snprintf(text, sizeof text,
                     "%s is served at %s (in a browser: the page)\n"
                     "curl %s/v1/chat/completions %s-H 'Content-Type: application/json' -d '{\"model\": \"%s\", \"messages\": [{\"role\": "
                     "\"user\", \"content\": \"Hello\"}]}'\n",
                     suan__serve_model_name(serve), address, address, keys ? "-H \"Authorization: Bearer $KEY\" " : "",
                     suan__serve_model_name(serve));
    if (cli_is_quiet()) return;
    cli_put(text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    cli_flush();
}

static int begin(serve_options *o, suan__serve *serve, signals *s, suan_model *model, suan_logit_bias **bias) {
    suan_error err = {0};
    suan_batch *batch = NULL;
    suan_sampling sampling;
    suan_status status = suan_batch_create(&batch, model, &o->batch, &err);
    if (status == SUAN_OK) status = cli_sampling_make(&o->sampling, model, &sampling, bias, &err);
    atomic_store(&s->is_loading, false); /* from now on a signal stops it in order */
    if (status == SUAN_OK) status = suan__serve_begin(serve, model, &batch, &sampling, &err);
    suan_batch_close(&batch); /* where it was not taken over */
    return status == SUAN_OK ? 0 : cli_fail("serve", &err);
}

static int load_and_wait(serve_options *o, const char *path, suan__serve *serve, signals *s, suan_model **model) {
    suan_logit_bias *bias = NULL;
    int status = cli_model_open("serve", &o->engine, path, model);
    if (status == 0) status = begin(o, serve, s, *model, &bias);
    if (status == 0) {
        say_ready(serve);
        wait_for_stop(s);
        if (!cli_is_quiet())
            cli_note("Stopping: answers that are being written may end (at most %.0f seconds; a second signal stops at once).",
                     o->config.stop_seconds);
        suan__serve_stop(serve);
    }
    pthread_mutex_lock(&s->lock);
    s->serve = NULL;
    pthread_mutex_unlock(&s->lock);
    suan__serve_close(&serve);
    suan__free(bias);
    return status;
}

static int serve_model(serve_options *o, const char *path) {
    suan_error err = {0};
    suan__serve *serve = NULL;
    suan_model *model = NULL;
    pthread_t thread;
    signals s = {.stop_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};
    atomic_store(&s.is_loading, true);
    if (!begin_signals(&s, &thread)) return cli_failf("serve", "the thread for signals does not start");
    int status = suan__serve_open(&serve, &o->config, &err) == SUAN_OK ? 0 : cli_fail("serve", &err);
    if (status == 0) {
        pthread_mutex_lock(&s.lock);
        s.serve = serve;
        pthread_mutex_unlock(&s.lock);
        status = load_and_wait(o, path, serve, &s, &model);
    }
    suan_model_close(&model);
    pthread_kill(thread, SIGUSR2);
    pthread_join(thread, NULL);
    close(s.stop_fd);
    return status;
}

static int serve(const cli_command *command, serve_options *o) {
    suan_error err = {0};
    char *path = NULL;
    bool is_shipped;
    take_numbers(o);
    if (o->engine.is_quiet) cli_be_quiet();
    if (suan__serve_config_check(&o->config, &err) != SUAN_OK || cli_sampling_check(&o->sampling, &err) != SUAN_OK)
        return cli_usage_error(command, "%s", err.message);
    int status = cli_model_path("serve", o->engine.model, &path, &is_shipped);
    if (status == 0) status = serve_model(o, path);
    suan__free(path);
    return status;
}

static int serve_main(const cli_command *command, int argc, char **argv) {
    serve_options o = {.port = 8080, .max_body_mib = 32, .price_cached = -1};
    suan__serve_config_init(&o.config);
    suan__serve_config *c = &o.config;
    o.header = (float)c->header_seconds, o.body = (float)c->body_seconds, o.idle = (float)c->idle_seconds;
    o.write = (float)c->write_seconds, o.stop = (float)c->stop_seconds, o.watch = (float)c->watch_seconds;
    /* clang-format off */
    const cli_option options[] = {
        CLI_ENGINE_OPTIONS(o.engine),
        CLI_TEXT(0, "alias", &c->model_name, "NAME", "what clients call the model; by default the name in its files"),
        CLI_HEAD("Address:"),
        CLI_TEXT(0, "host", &c->host, "ADDRESS", "where to listen (127.0.0.1); beyond loopback every request needs an API key"),
        CLI_U32(0, "port", &o.port, NULL, 0, 65535, "N", "port (8080); 0: any that is free, which is printed"),
        CLI_TEXT(0, "tls-cert", &c->tls_cert, "FILE", "certificates in PEM: HTTPS, TLS 1.2 or later"),
        CLI_TEXT(0, "tls-key", &c->tls_key, "FILE", "their private key in PEM"),
        CLI_TEXTS(0, "allow-host", &o.hosts, "NAME", "a name that clients may use for this server in Host; may be repeated"),
        CLI_TEXTS(0, "allow-origin", &o.origins, "ORIGIN", "pages of this origin (https://example.org) may ask; may be repeated"),
        CLI_TEXT(0, "keys", &c->keys_file, "FILE", "API keys, as suan key makes them; by default those in the state directory, if there are any; none: no keys (loopback only). SUAN_API_KEY is one more"),
        CLI_HEAD("Work:"),
        CLI_U32(0, "parallel", &o.batch.n_sequences, NULL, 1, 4096, "N", "answers written at once (32)"),
        CLI_U64(0, "cache-memory", &o.cache_mib, NULL, "MIB", "memory for the key/value cache of all requests; 0: by the model and what there is (0)"),
        CLI_U32(0, "step-tokens", &o.batch.step_tokens, NULL, 1, 8192, "N", "tokens of one pass over the weights at most (256, mixtures 512)"),
        CLI_U32(0, "queue", &o.batch.n_queued, NULL, 1, 1000000, "N", "requests that wait at most; more are refused with 429 or 503 (256)"),
        CLI_U32(0, "per-key", &o.batch.n_owner, NULL, 0, 1000000, "N", "requests of one key at once, waiting or running; 0: as many as there is room for (0)"),
        CLI_FLAG(0, "share-prefixes", &o.batch.share_between_owners, "beginnings computed for one key serve others: faster, but their speed tells what others asked"),
        CLI_HEAD("Limits:"),
        CLI_U32(0, "max-body", &o.max_body_mib, NULL, 1, 1024, "MIB", "size of a request (32)"),
        CLI_U32(0, "max-connections", &c->max_connections, NULL, 16, 60000, "N", "connections at once (4096)"),
        CLI_U32(0, "max-connections-per-address", &c->max_connections_per_address, NULL, 1, 60000, "N", "of one address (2048)"),
        CLI_F32(0, "header-timeout", &o.header, NULL, 0.1, 3600, "S", "seconds for a request's head (10)"),
        CLI_F32(0, "body-timeout", &o.body, NULL, 0.1, 3600, "S", "seconds for its body, and one more for each KiB of it (30)"),
        CLI_F32(0, "idle-timeout", &o.idle, NULL, 0.1, 86400, "S", "seconds that a connection may wait for its next request (60)"),
        CLI_F32(0, "write-timeout", &o.write, NULL, 0.1, 3600, "S", "seconds that a client may leave an answer unread (30)"),
        CLI_F32(0, "max-seconds", &o.max, NULL, 0, 1e6, "S", "seconds of an answer, from the request on; 0: no limit (0)"),
        CLI_F32(0, "stop-timeout", &o.stop, NULL, 0, 86400, "S", "seconds that running answers have when the server stops (30)"),
        CLI_F32(0, "watchdog", &o.watch, NULL, 1, 86400, "S", "seconds of one step after which /health says 503 (300)"),
        CLI_HEAD("Account:"),
        CLI_TEXT(0, "ledger", &c->ledger_file, "FILE", "what each request cost (suan usage); by default ledger.db in the state directory; none: nothing is kept"),
        CLI_F32(0, "price-prompt", &o.price_prompt, NULL, 0, 1e6, "X", "price of a million tokens of prompts"),
        CLI_F32(0, "price-cached", &o.price_cached, NULL, 0, 1e6, "X", ".. of those that the prefix cache had (as price-prompt)"),
        CLI_F32(0, "price-completion", &o.price_completion, NULL, 0, 1e6, "X", "price of a million tokens of answers"),
        CLI_TEXT(0, "currency", &c->currency, "CODE", "of the prices, such as EUR"),
        CLI_TEXT(0, "log-file", &c->log_file, "FILE", "a line of JSON for each request goes there instead of stderr; opened anew on SIGHUP"),
        CLI_FLAG(0, "log-prompts", &c->log_prompts, "requests with their texts go to the log too"),
        CLI_FLAG(0, "allow-core", &c->allow_core, "the process may be dumped and traced: for finding faults"),
        CLI_SAMPLING_OPTIONS(o.sampling),
        CLI_END};
    /* clang-format on */
    cli_texts words = {0};
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 0);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK) status = serve(command, &o);
    cli_texts_fini(&words);
    cli_texts_fini(&o.hosts);
    cli_texts_fini(&o.origins);
    cli_sampling_fini(&o.sampling);
    return status;
}

const cli_command cli_command_serve = {
    .name = "serve",
    .usage = "[-m MODEL] [options]",
    .summary = "Serves a model over HTTP: OpenAI, Anthropic, Gemini and Ollama interfaces, and a page",
    .details =
        "Clients work when their base address is changed: http://127.0.0.1:8080/v1 (OpenAI), http://127.0.0.1:8080 (Anthropic, Gemini,\n"
        "Ollama, and the page in a browser). SIGTERM: running answers may end, then the server stops; SIGHUP: keys and\n"
        "certificates are read anew, and the log is opened anew.\n"
        "/health, /ready, /metrics and /openapi.json are for those who operate it.",
    .main = serve_main};
