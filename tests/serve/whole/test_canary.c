/* test_canary.c: nobody gets a word of anybody else: many requests of 50 keys against a running server, each with its owner's secret in the prompt, each answer equal to its lone
 * run to the last bit of every log-probability (security checklist I1, I3, I6; flaws I-01, I-02, I-03, I-06).
 *
 *     test_canary            1,000 requests; SUAN_CANARY_REQUESTS says how many
 *
 * All prompts begin alike, then come the owner's secret and one of a few questions: the cache is full of prefixes of others that fit but for the secret. Some clients leave in the
 * middle of their answers. The lone runs are made by a session of this process, before the server starts, without batch, pages or cache. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../base/scratch.h"
#include "suan/suan.h"

#define N_KEYS 50
#define N_QUESTIONS 6
#define N_PROMPTS (N_KEYS * N_QUESTIONS)
#define N_ANSWER 24
#define N_CLIENTS 48
#define REPLY_BYTES (1 << 16)

typedef struct lone {
    char prompt[700];
    int32_t ids[N_ANSWER];
    float logprobs[N_ANSWER];
    size_t n;
} lone;
static lone lones[N_PROMPTS];
static char secrets[N_KEYS][24];
static uint32_t random_state = 2463534242u;

static uint32_t draw(uint32_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

/* ---- prompts and lone runs ---- */

static void make_prompts(void) {
    static const char *const questions[N_QUESTIONS] = {"Once upon a time there was a fox", "A little girl found a key",
                                                       "The sun was warm and the cat",     "Tom and Lily went to the park",
                                                       "One day a bird could not fly",     "There was a big red ball"};
    for (int k = 0; k < N_KEYS; k++) {
        snprintf(secrets[k], sizeof secrets[k], "code %u%u%u", draw(10), draw(1000), 100000 + draw(900000));
        for (int q = 0; q < N_QUESTIONS; q++) {
            lone *l = &lones[k * N_QUESTIONS + q];
            int n = 0;
            for (int i = 0; i < 12 + k % 3; i++)
                n += snprintf(l->prompt + n, sizeof l->prompt - (size_t)n, "The same old story is told again. ");
            snprintf(l->prompt + n, sizeof l->prompt - (size_t)n, "The secret is %s. %s", secrets[k], questions[q]);
        }
    }
}

typedef struct taken {
    lone *l;
} taken;

static int take_piece(void *ctx, const suan_piece *piece) {
    lone *l = ((taken *)ctx)->l;
    if (piece->id < 0) return 0;
    assert_true(l->n < N_ANSWER);
    l->ids[l->n] = piece->id;
    l->logprobs[l->n++] = piece->logprob;
    return 0;
}

static void run_alone(const char *path) {
    suan_error err = {0};
    suan_model *model;
    suan_session *session;
    suan_session_options options = {.n_ctx = 512};
    if (suan_model_open(&model, path, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    if (suan_session_create(&session, model, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (int i = 0; i < N_PROMPTS; i++) {
        int32_t ids[600];
        size_t n;
        suan_generate_params params;
        suan_result result;
        taken t = {&lones[i]};
        if (suan_tokenizer_encode(suan_model_tokenizer(model), lones[i].prompt, strlen(lones[i].prompt), SUAN_TOKENIZE_ADD_SPECIAL, ids,
                                  600, &n, &err) != SUAN_OK)
            fail_msg("%s", err.message);
        suan_generate_params_init(&params);
        if (suan_model_sampling(model, &params.sampling, &err) != SUAN_OK) fail_msg("%s", err.message);
        params.max_tokens = N_ANSWER;
        params.sampling.temperature = 0.8f;
        params.sampling.seed = (uint64_t)i;
        params.want_logprobs = true;
        params.on_piece = take_piece;
        params.ctx = &t;
        if (suan_session_rewind(session, 0, &err) != SUAN_OK || suan_generate(session, ids, n, &params, &result, &err) != SUAN_OK)
            fail_msg("%s", err.message);
        suan_result_fini(&result);
    }
    suan_session_close(&session);
    suan_model_close(&model);
}

/* ---- the server ---- */

static void write_keys(const char *path) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int k = 0; k < N_KEYS; k++) {
        unsigned char digest[32];
        char key[32];
        unsigned n = 0;
        snprintf(key, sizeof key, "canary-key-%d", k);
        EVP_Digest(key, strlen(key), digest, &n, EVP_sha256(), NULL);
        fprintf(f, "owner-%d:", k);
        for (unsigned i = 0; i < n; i++) fprintf(f, "%02x", digest[i]);
        fprintf(f, "\n");
    }
    fclose(f);
    assert_int_equal(chmod(path, 0600), 0);
}

static int free_port(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

static int connect_to(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    close(fd);
    return -1;
}

/* The body of a GET, "" for a reply that is no 200. */
static void get(int port, const char *path, char *body, size_t room) {
    char text[REPLY_BYTES];
    size_t n = 0;
    ssize_t got;
    *body = 0;
    int fd = connect_to(port);
    if (fd < 0) return;
    dprintf(fd, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer canary-key-0\r\nConnection: close\r\n\r\n", path, port);
    while (n < sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - n)) > 0) n += (size_t)got;
    text[n] = 0;
    close(fd);
    const char *head_end = strstr(text, "\r\n\r\n");
    if (strncmp(text, "HTTP/1.1 200", 12) == 0 && head_end) snprintf(body, room, "%s", head_end + 4);
}

static pid_t start_server(const char *model, const char *keys, int port) {
    char port_text[16], body[256];
    snprintf(port_text, sizeof port_text, "%d", port);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* not longer than a test that fails */
        execl(getenv("SUAN"), "suan", "serve", "-m", model, "--port", port_text, "--keys", keys, "--ledger", "none", "--log-file",
              "/dev/null", "--alias", "canary", "--parallel", "24", "--queue", "200", "--cache-memory", "8", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 600; i++) {
        get(port, "/ready", body, sizeof body);
        if (*body) return pid;
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        usleep(50000);
    }
    fail_msg("the server does not get ready");
    return -1;
}

/* ---- clients ---- */

typedef struct client {
    int fd, prompt;
    size_t leaves_at; /* after so many bytes of the reply; 0: stays */
    size_t n;
    char *reply;
} client;

static void ask(client *c, int port, int prompt) {
    const lone *l = &lones[prompt];
    char body[2048];
    c->leaves_at = draw(20) == 0 ? 1 + draw(600) : 0;
    int n =
        snprintf(body, sizeof body,
                 "{\"model\":\"canary\",\"prompt\":\"%s\",\"max_tokens\":%d,\"temperature\":0.8,\"seed\":%d,\"logprobs\":0,\"stream\":%s}",
                 l->prompt, N_ANSWER, prompt, c->leaves_at ? "true" : "false");
    c->fd = connect_to(port);
    assert_true(c->fd >= 0);
    c->prompt = prompt;
    c->n = 0;
    dprintf(c->fd,
            "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer canary-key-%d\r\nContent-Type: "
            "application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
            port, prompt / N_QUESTIONS, n, body);
}

/* The whole reply against the lone run. */
static void check(const client *c) {
    const lone *l = &lones[c->prompt];
    const char *body = strstr(c->reply, "\r\n\r\n");
    json_error_t where;
    if (strncmp(c->reply, "HTTP/1.1 200", 12) != 0 || !body) fail_msg("reply: %.300s", c->reply);
    json_t *json = json_loads(body + 4, 0, &where);
    if (!json) fail_msg("%s in %.300s", where.text, body + 4);
    json_t *choice = json_array_get(json_object_get(json, "choices"), 0);
    json_t *list = json_object_get(json_object_get(choice, "logprobs"), "token_logprobs");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < l->n; i++) {
        float found = (float)json_number_value(json_array_get(list, i));
        if (memcmp(&found, &l->logprobs[i], sizeof found) != 0)
            fail_msg("owner %d: token %zu has the log-probability %.9g, alone %.9g: %s", c->prompt / N_QUESTIONS, i, (double)found,
                     (double)l->logprobs[i], json_string_value(json_object_get(choice, "text")));
    }
    if (n != l->n && n + 1 != l->n)
        fail_msg("owner %d: %zu tokens, alone %zu", c->prompt / N_QUESTIONS, n, l->n); /* the end token may be left out */
    const char *text = json_string_value(json_object_get(choice, "text"));
    for (int k = 0; k < N_KEYS; k++)
        if (k != c->prompt / N_QUESTIONS && strstr(text, secrets[k]))
            fail_msg("owner %d was told the secret of owner %d", c->prompt / N_QUESTIONS, k);
    json_decref(json);
}

/* true: this one is done. */
static bool take(client *c) {
    ssize_t got = read(c->fd, c->reply + c->n, REPLY_BYTES - 1 - c->n);
    if (got > 0) c->n += (size_t)got;
    c->reply[c->n] = 0;
    bool leaves = c->leaves_at && c->n >= c->leaves_at;
    if (got > 0 && !leaves) return false;
    if (!leaves && !c->leaves_at) check(c);
    close(c->fd);
    return true;
}

static void run_clients(int port, int n_requests) {
    static client clients[N_CLIENTS];
    struct pollfd fds[N_CLIENTS];
    int asked = 0, n_open = 0;
    for (int i = 0; i < N_CLIENTS && asked < n_requests; i++, asked++, n_open++) {
        clients[i].reply = malloc(REPLY_BYTES);
        assert_non_null(clients[i].reply);
        ask(&clients[i], port, (int)draw(N_PROMPTS));
    }
    while (n_open) {
        int n = n_open < N_CLIENTS ? n_open : N_CLIENTS;
        for (int i = 0; i < n; i++) fds[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        assert_true(poll(fds, (unsigned)n, 60000) > 0);
        for (int i = n - 1; i >= 0; i--) {
            if (!fds[i].revents || !take(&clients[i])) continue;
            if (asked < n_requests) {
                asked++;
                ask(&clients[i], port, (int)draw(N_PROMPTS));
                continue;
            }
            client last = clients[--n_open];
            free(clients[i].reply);
            clients[i] = last;
        }
    }
}

static void test_canary(void **state) {
    (void)state;
    scratch s;
    char model[4200], keys[PATH_MAX], stats[REPLY_BYTES];
    const char *text = getenv("SUAN_CANARY_REQUESTS");
    int n_requests = text ? (int)strtol(text, NULL, 10) : 1000, port = free_port(), status;
    if (!getenv("SUAN")) skip();
    snprintf(model, sizeof model, "%s/../../models/seed", getenv("SUAN_TEST_DATA"));
    scratch_make(&s);
    snprintf(keys, sizeof keys, "%s", scratch_path(&s, "keys"));
    write_keys(keys);
    make_prompts();
    run_alone(model);
    pid_t server = start_server(model, keys, port);
    run_clients(port, n_requests);
    get(port, "/metrics", stats, sizeof stats);
    const char *hits = strstr(stats, "\nsuan_cross_owner_hits_total ");
    assert_non_null(hits);
    assert_int_equal(strtol(hits + strlen("\nsuan_cross_owner_hits_total "), NULL, 10), 0);
    kill(server, SIGTERM);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    print_message("%d requests of %d keys: every answer as alone, none with another's secret\n", n_requests, N_KEYS);
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_canary)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
