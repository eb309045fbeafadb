/* load.c: many streaming clients of one server at once: tokens a second, time to the first token, time between tokens.
 *
 *     load [-c CLIENTS] [-p PROMPT] [-n ANSWER] [-m MODEL] [-k KEY] [-b BANNED] HOST PORT
 *
 * Each client asks POST /v1/completions of any server with the OpenAI interface for a stream of ANSWER tokens behind a prompt of PROMPT token ids, every client another one; all at the
 * same moment. An event with text, or with any choice, counts as a token; servers that join tokens are seen by the usage in the last event, which is asked for and preferred.
 * BANNED: the id of the end token, which gets a bias of -100 so that no answer ends early. Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 1024
#define BUFFER (1 << 16)

typedef struct client {
    int fd;
    char buffer[BUFFER];
    size_t n;
    double first, last, longest_gap;
    long n_events, n_tokens; /* tokens: of the usage, 0: it gave none */
    int status, is_done;
} client;

typedef struct options {
    int n_clients, n_prompt, n_answer;
    const char *model, *key, *banned, *host, *port;
} options;

static client *clients;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_to(const options *o) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(o->host, o->port, &hints, &list) != 0) die(o->host);
    int fd = socket(list->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) != 0) die("connect");
    freeaddrinfo(list);
    return fd;
}

/* The request of client i; ids from a fixed sequence, none of the first 1,000, where control tokens tend to be. */
static char *make_request(const options *o, int i) {
    size_t room = 1024 + (size_t)o->n_prompt * 8, n = 0;
    char *body = malloc(room), *request = malloc(room + 1024);
    if (!body || !request) die("memory");
    n += (size_t)snprintf(
        body, room, "{\"model\":\"%s\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"temperature\":0,\"max_tokens\":%d,",
        o->model, o->n_answer);
    if (o->banned) n += (size_t)snprintf(body + n, room - n, "\"logit_bias\":{\"%s\":-100},", o->banned);
    n += (size_t)snprintf(body + n, room - n, "\"prompt\":[");
    unsigned x = 12345u + (unsigned)i * 7919u;
    for (int k = 0; k < o->n_prompt; k++) {
        x = x * 1664525u + 1013904223u;
        n += (size_t)snprintf(body + n, room - n, "%s%u", k ? "," : "", 1000 + (x >> 8) % 20000);
    }
    n += (size_t)snprintf(body + n, room - n, "]}");
    char key[256] = "";
    if (o->key) snprintf(key, sizeof key, "Authorization: Bearer %s\r\n", o->key);
    snprintf(request, room + 1024,
             "POST /v1/completions HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\n%sConnection: close\r\nContent-Length: "
             "%zu\r\n\r\n%s",
             o->host, o->port, key, n, body);
    free(body);
    return request;
}

/* One line of the reply. */
static void take_line(client *c, char *line) {
    if (!c->status && sscanf(line, "HTTP/1.%*d %d", &c->status) == 1) return;
    if (strncmp(line, "data: ", 6) != 0) return;
    char *usage = strstr(line, "\"completion_tokens\":");
    if (usage) c->n_tokens = strtol(usage + 20, NULL, 10);
    if (!strstr(line, "\"text\":") && !strstr(line, "\"content\":")) return;
    if (strstr(line, "\"choices\":[]")) return;
    double t = now();
    if (!c->n_events) c->first = t;
    if (c->n_events && t - c->last > c->longest_gap) c->longest_gap = t - c->last;
    c->last = t;
    c->n_events++;
}

static void take_bytes(client *c) {
    ssize_t got = read(c->fd, c->buffer + c->n, BUFFER - 1 - c->n);
    if (got <= 0) {
        c->is_done = 1;
        close(c->fd);
        return;
    }
    c->n += (size_t)got;
    c->buffer[c->n] = 0;
    char *line = c->buffer, *end;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        take_line(c, line);
        line = end + 1;
    }
    c->n = strlen(line);
    if (c->n == BUFFER - 1) c->n = 0; /* no line of ours is that long */
    memmove(c->buffer, line, c->n + 1);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const options *o, double begin) {
    static double firsts[MAX_CLIENTS], gaps[MAX_CLIENTS];
    int n = 0;
    long tokens = 0;
    double last = begin;
    for (int i = 0; i < o->n_clients; i++) {
        const client *c = &clients[i];
        if (c->status != 200 || !c->n_events) continue;
        firsts[n] = c->first - begin;
        gaps[n++] = c->longest_gap;
        tokens += c->n_tokens ? c->n_tokens : c->n_events;
        if (c->last > last) last = c->last;
    }
    qsort(firsts, (size_t)n, sizeof *firsts, ascending);
    qsort(gaps, (size_t)n, sizeof *gaps, ascending);
    if (!n) {
        printf("{\"clients\":%d,\"answered\":0,\"status\":%d}\n", o->n_clients, clients[0].status);
        exit(1);
    }
    printf("{\"clients\":%d,\"answered\":%d,\"tokens\":%ld,\"seconds\":%.3f,\"tokens_per_second\":%.2f,\"prompt_and_answer_tokens_per_"
           "second\":%.2f,\"first_token\":{\"median\":%.3f,\"p99\":%.3f},"
           "\"longest_gap\":{\"median\":%.3f,\"most\":%.3f}}\n",
           o->n_clients, n, tokens, last - begin, (double)tokens / (last - begin),
           ((double)tokens + (double)n * o->n_prompt) / (last - begin), firsts[n / 2], firsts[(n * 99 + 99) / 100 - 1], gaps[n / 2],
           gaps[n - 1]);
}

/* 0 for what is no number: main refuses it. */
static int number(const char *text) {
    char *end;
    long n = strtol(text, &end, 10);
    return *text && !*end && n > 0 && n < 1000000 ? (int)n : 0;
}

static void run(const options *o) {
    struct pollfd fds[MAX_CLIENTS];
    for (int i = 0; i < o->n_clients; i++) clients[i].fd = connect_to(o);
    double begin = now();
    for (int i = 0; i < o->n_clients; i++) {
        char *request = make_request(o, i);
        for (size_t at = 0, n = strlen(request); at < n;) {
            ssize_t sent = write(clients[i].fd, request + at, n - at);
            if (sent <= 0) die("send");
            at += (size_t)sent;
        }
        free(request);
    }
    for (int open = o->n_clients; open;) {
        int n = 0;
        for (int i = 0; i < o->n_clients; i++)
            if (!clients[i].is_done) fds[n++] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        if (poll(fds, (nfds_t)n, -1) < 0) die("poll");
        open = 0;
        for (int i = 0, k = 0; i < o->n_clients; i++) {
            if (clients[i].is_done) continue;
            if (fds[k++].revents) take_bytes(&clients[i]);
            open += !clients[i].is_done;
        }
    }
    report(o, begin);
}

int main(int argc, char **argv) {
    options o = {.n_clients = 32, .n_prompt = 256, .n_answer = 128, .model = "default"};
    for (int c; (c = getopt(argc, argv, "c:p:n:m:k:b:")) != -1;) {
        if (c == 'c') o.n_clients = number(optarg);
        if (c == 'p') o.n_prompt = number(optarg);
        if (c == 'n') o.n_answer = number(optarg);
        if (c == 'm') o.model = optarg;
        if (c == 'k') o.key = optarg;
        if (c == 'b') o.banned = optarg;
        if (c == '?') return 2;
    }
    if (argc - optind != 2 || o.n_clients < 1 || o.n_clients > MAX_CLIENTS || o.n_prompt < 1 || o.n_answer < 1) {
        fprintf(stderr, "usage: load [-c CLIENTS] [-p PROMPT] [-n ANSWER] [-m MODEL] [-k KEY] [-b BANNED] HOST PORT\n");
        return 2;
    }
    o.host = argv[optind], o.port = argv[optind + 1];
    clients = calloc((size_t)o.n_clients, sizeof *clients);
    if (!clients) die("memory");
    run(&o);
    return 0;
}
