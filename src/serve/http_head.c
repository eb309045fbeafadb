/* http_head.c: what is decided on a request's head, in this order: is it HTTP without doubt, which path, whose Host, which route, which Origin, whose key, and is the server ready.
 *
 * All of it looks at one set of parsed bytes; nothing is parsed twice. A request is refused here by filling in the refusal: its body is then read and thrown away, so
 * that the connection stays usable, unless the refusal is about where the request ends: then the connection closes behind it.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "serve/http.h"

typedef struct reading {
    suan__exchange *x;
    uint32_t n_host, n_length, n_encoding, n_authorization, n_expect;
    const char *host, *length, *encoding, *origin, *key, *expect, *content_encoding;
    bool is_bad, is_too_many;
    bool has_stray_body; /* of a method that has none */
} reading;

static bool is_token(const char *s, size_t n) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !(s[i] && strchr(others, s[i]))) return false;
    return n > 0;
}

static bool is_value(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7F) return false;
    return true;
}

/* Headers that carry a key: handlers see that they are there, not what they hold. */
static bool is_secret(const char *name) {
    return strcasecmp(name, "authorization") == 0 || strcasecmp(name, "x-api-key") == 0 || strcasecmp(name, "x-goog-api-key") == 0 ||
           strcasecmp(name, "cookie") == 0 || strcasecmp(name, "proxy-authorization") == 0;
}

/* The key of "Bearer KEY", or of a header that is the key. */
static const char *key_of(const char *name, const char *value) {
    if (strcasecmp(name, "authorization") != 0) return strcasecmp(name, "cookie") && strcasecmp(name, "proxy-authorization") ? value : NULL;
    if (strncasecmp(value, "bearer", 6) != 0 || (value[6] != ' ' && value[6] != '\t')) return NULL;
    value += 6;
    while (*value == ' ' || *value == '\t') value++;
    return value;
}

/* libmicrohttpd appends a folded line to the name of its field, not to the value: a field that says where the body ends would pass for another one. */
static bool is_folded(const char *name) {
    static const char *const fields[] = {"transfer-encoding", "content-length", "host", "connection", "expect"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t n = strlen(fields[i]);
        if (strncasecmp(name, fields[i], n) == 0 && name[n]) return true;
    }
    return false;
}

/* Pointers to secrets stay with libmicrohttpd and are not copied; they are good while the head is read. */
static void note(reading *r, const char *name, const char *value) {
    if (strcasecmp(name, "host") == 0) {
        r->n_host++;
        r->host = value;
    } else if (strcasecmp(name, "content-length") == 0) {
        r->n_length++;
        r->length = value;
    } else if (strcasecmp(name, "transfer-encoding") == 0) {
        r->n_encoding++;
        r->encoding = value;
    } else if (strcasecmp(name, "origin") == 0) {
        r->origin = value;
    } else if (strcasecmp(name, "expect") == 0) {
        r->n_expect++;
        r->expect = value;
    } else if (strcasecmp(name, "content-encoding") == 0) {
        r->content_encoding = value;
    } else if (is_secret(name)) {
        const char *key = key_of(name, value);
        r->n_authorization += strcasecmp(name, "authorization") == 0;
        if (key && *key && !r->key) r->key = key;
    }
}

static enum MHD_Result take_header(void *ctx, enum MHD_ValueKind kind, const char *name, size_t n_name, const char *value, size_t n_value) {
    reading *r = ctx;
    suan__exchange *x = r->x;
    if (!value) value = "";
    if (!is_token(name, n_name) || !is_value(value, n_value) || is_folded(name)) {
        r->is_bad = true;
        return MHD_YES;
    }
    if (x->n_headers == SUAN__MAX_HEADERS) {
        r->is_too_many = true;
        return MHD_NO;
    }
    suan__pair *h = &x->headers[x->n_headers];
    h->name = suan__arena_strndup(&x->arena, name, n_name);
    h->value = is_secret(name) ? "" : suan__arena_strndup(&x->arena, value, n_value);
    if (!h->name || !h->value) return MHD_NO;
    x->n_headers++;
    note(r, name, value);
    return MHD_YES;
}

/* ---- where the request ends (RFC 9112, 6.3), stricter than it must be ---- */

static void refuse_and_close(suan__exchange *x, const char *why) {
    suan__exchange_refuse(x, SUAN__PROBLEM_INVALID, "", "%s", why);
    x->must_close = true;
}

/* With another status than 400. */
static void refuse_as(suan__exchange *x, int status, const char *why) {
    if (!x->is_refused) x->refused_status = status;
    refuse_and_close(x, why);
}

static bool read_length(const char *s, uint64_t *length) {
    *length = 0;
    if (!*s) return false;
    for (; *s; s++)
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(*length, 10u, length) ||
            __builtin_add_overflow(*length, (uint64_t)(*s - '0'), length))
            return false;
    return true;
}

static void check_framing(reading *r) {
    suan__exchange *x = r->x;
    x->is_chunked = r->n_encoding > 0;
    x->has_length = r->n_length > 0;
    x->wants_continue = r->expect && strcasecmp(r->expect, "100-continue") == 0;
    if (r->is_too_many) {
        suan__exchange_refuse(x, SUAN__PROBLEM_HEADERS, "", "The request has more than %d header fields.", SUAN__MAX_HEADERS);
        x->must_close = true;
    }
    if (r->is_bad) refuse_and_close(x, "A header field of the request is malformed.");
    if (r->n_encoding && r->n_length) refuse_and_close(x, "The request has both Content-Length and Transfer-Encoding.");
    if (r->n_length > 1) refuse_and_close(x, "The request has more than one Content-Length.");
    if (r->n_length && !read_length(r->length, &x->content_length)) refuse_and_close(x, "Content-Length is not a number.");
    if (r->n_encoding > 1 || (r->n_encoding && strcasecmp(r->encoding, "chunked") != 0))
        refuse_and_close(x, "Transfer-Encoding must be \"chunked\" and nothing else.");
    if (r->n_host > 1) refuse_and_close(x, "The request has more than one Host.");
    if (r->n_authorization > 1) refuse_and_close(x, "The request has more than one Authorization.");
    if (r->expect && (r->n_expect > 1 || !x->wants_continue)) {
        refuse_as(x, 417, "Expect must be \"100-continue\".");
    }
    bool needs_length = strcmp(x->method, "POST") == 0 || strcmp(x->method, "PUT") == 0 || strcmp(x->method, "PATCH") == 0;
    bool takes_body = needs_length || strcmp(x->method, "DELETE") == 0; /* a client of Ollama names the model there */
    if (strcmp(x->method, "?") == 0) suan__exchange_refuse(x, SUAN__PROBLEM_METHOD, "", "This method is not known here.");
    r->has_stray_body = !takes_body && (x->is_chunked || x->content_length > 0);
    x->must_close = x->must_close || r->has_stray_body;
    /* It may have been hidden from libmicrohttpd: what follows would pass for a request. */
    if (needs_length && !x->is_chunked && !x->has_length) refuse_as(x, 411, "Content-Length is missing.");
    if (r->content_encoding && strcasecmp(r->content_encoding, "identity") != 0) {
        refuse_as(x, 415, "The body must not be compressed (Content-Encoding).");
    }
    if (x->content_length > x->http->server->config.max_body) {
        suan__exchange_refuse(x, SUAN__PROBLEM_TOO_LARGE, "", "The body has %llu bytes; at most %zu are taken.",
                              (unsigned long long)x->content_length, x->http->server->config.max_body);
        x->must_close = true;
    }
}

/* ---- the address ---- */

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decodes n bytes into the arena. NULL: malformed, or a control character is in it. */
static char *decode(suan__exchange *x, const char *s, size_t n, bool plus_is_space) {
    char *to = SUAN_ARENA_NEW(&x->arena, char, n + 1);
    size_t n_to = 0;
    if (!to) return NULL;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '%') {
            if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0) return NULL;
            c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c <= 0x20 || c >= 0x7F || c == '#' || c == '\\') {
            return NULL;
        }
        if (c < 0x20 || c == 0x7F) return NULL;
        to[n_to++] = (char)c;
    }
    to[n_to] = 0;
    return to;
}

static bool read_query(suan__exchange *x, const char *s, reading *r) {
    x->query = SUAN_ARENA_NEW(&x->arena, suan__pair, SUAN__MAX_QUERY);
    if (!x->query) return false;
    while (*s) {
        size_t n = strcspn(s, "&"), n_name = strcspn(s, "=&");
        if (n > 0) {
            if (x->n_query == SUAN__MAX_QUERY) return false;
            suan__pair *q = &x->query[x->n_query];
            q->name = decode(x, s, n_name, true);
            q->value = decode(x, s + n_name + (n_name < n), n - n_name - (n_name < n), true);
            if (!q->name || !q->value) return false;
            if (strcmp(q->name, "key") == 0) { /* Gemini's clients may send it there; taken once the route is known to be Gemini's */
                if (!r->key) r->key = q->value;
            }
            x->n_query++;
        }
        s += n + (s[n] == '&');
    }
    return true;
}

#define MAX_SEGMENTS 16

/* Splits at '/' before anything is decoded: an encoded slash never makes a new segment. */
static bool read_path(suan__exchange *x, const char *uri, reading *r, const char *segments[MAX_SEGMENTS], size_t *n_segments) {
    size_t n = strcspn(uri, "?");
    *n_segments = 0;
    if (*uri != '/') return false;
    x->path = decode(x, uri, n, false);
    if (!x->path) return false;
    for (const char *s = uri + 1, *end = uri + n; s <= end;) {
        size_t n_segment = strcspn(s, "/?");
        if (n_segment > (size_t)(end - s)) n_segment = (size_t)(end - s);
        if (*n_segments == MAX_SEGMENTS || !(segments[*n_segments] = decode(x, s, n_segment, false))) return false;
        ++*n_segments;
        s += n_segment + 1;
    }
    return uri[n] != '?' || read_query(x, uri + n + 1, r);
}

/* ---- who asks ---- */

static void check_key(suan__exchange *x, reading *r) {
    suan__auth *auth = x->http->auth;
    bool is_public = x->route && x->route->flags & SUAN__ROUTE_PUBLIC;
    bool key_in_query = r->key && suan__exchange_query(x, "key") == r->key;
    if (key_in_query && strcmp(x->dialect->name, "gemini") != 0) r->key = NULL;
    if (suan__auth_is_needed(auth)) {
        if (r->key && suan__auth_check(auth, r->key, strlen(r->key), x->key_name))
            x->owner = suan__auth_owner(x->key_name);
        else if (!is_public && r->key)
            suan__exchange_refuse(x, SUAN__PROBLEM_KEY, "", "The API key is not known here.");
        else if (!is_public)
            suan__exchange_refuse(x, SUAN__PROBLEM_KEY, "",
                                  "An API key is needed: send it as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\".");
    }
    for (size_t i = 0; i < x->n_query; i++) /* it has done what it is for */
        if (strcmp(x->query[i].name, "key") == 0) {
            explicit_bzero((char *)x->query[i].value, strlen(x->query[i].value));
            x->query[i].value = "";
        }
}

static void check_ready(suan__exchange *x) {
    suan__server *s = x->http->server;
    if (x->route && x->route->flags & SUAN__ROUTE_ALWAYS) return;
    if (atomic_load(&s->stopping))
        suan__exchange_refuse(x, SUAN__PROBLEM_BUSY, "", "The server is stopping.");
    else if (!atomic_load(&s->ready))
        suan__exchange_refuse(x, SUAN__PROBLEM_BUSY, "", "The model is being loaded.");
    if (x->is_refused && x->problem.retry_after == 0 && x->problem.kind == SUAN__PROBLEM_BUSY) x->problem.retry_after = 2;
}

static const char *method_of(const char *method) {
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i]) == 0) return known[i];
    return NULL;
}

bool suan__head_read(suan__exchange *x, suan__connection *c, struct MHD_Connection *connection, const char *method, const char *version) {
    const char *segments[MAX_SEGMENTS];
    size_t n_segments = 0;
    reading r = {.x = x};
    x->headers = SUAN_ARENA_NEW(&x->arena, suan__pair, SUAN__MAX_HEADERS);
    if (!x->headers) return false;
    const char *known = method_of(method);
    x->method = known ? known : "?";
    x->is_head = strcmp(x->method, "HEAD") == 0;
    x->is_tls = x->http->tls != NULL;
    x->is_version_1_0 = strcmp(version, "HTTP/1.0") == 0;
    if (!x->is_version_1_0 && strcmp(version, "HTTP/1.1") != 0) {
        refuse_as(x, 505, "The version of HTTP must be 1.0 or 1.1.");
    }
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, take_header, &r);
    x->uri = c->uri;
    suan__route_find(x, NULL, 0); /* how errors look when there is no route */
    check_framing(&r);
    if (!c->uri || strlen(c->uri) > SUAN__MAX_URI_BYTES) {
        refuse_as(x, 414, "The address is too long.");
    } else if (!(strcmp(c->uri, "*") == 0 && strcmp(x->method, "OPTIONS") == 0) && !read_path(x, c->uri, &r, segments, &n_segments)) {
        refuse_and_close(x, "The address is malformed.");
    }
    if (!r.host && !x->is_version_1_0) refuse_and_close(x, "Host is missing.");
    bool is_host_right = suan__origin_check(x, r.host, r.origin);
    if (x->path) suan__route_find(x, segments, n_segments);
    x->uri = NULL;
    if (r.has_stray_body)
        suan__exchange_refuse(x, SUAN__PROBLEM_INVALID, "",
                              "A request of this method has no body.");   /* unless the path does not take it anyway */
    if (!is_host_right || x->is_refused) r.key = NULL;                    /* nobody is anybody then */
    if (!x->is_refused && strcmp(x->method, "OPTIONS") == 0) return true; /* preflights come without a key */
    if (!x->is_refused) check_key(x, &r);
    if (!x->is_refused) check_ready(x);
    if (!x->is_refused && x->route && x->route->flags & SUAN__ROUTE_NO_BODY && (x->is_chunked || x->content_length > 0))
        refuse_and_close(x, "This route takes no body.");
    return true;
}
