/* http_origin.c: Host and Origin.
 *
 * A page of any site can make a browser send requests to 127.0.0.1, under a name of its own that resolves there (DNS rebinding) or across origins. So on loopback Host must be a name
 * of this machine, and what changes something must not come from another origin unless the operator names it.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "serve/http.h"

/* Length of the name in "name", "name:port", "[v6]", "[v6]:port"; 0: malformed. */
static size_t host_name_length(const char *host) {
    size_t n;
    if (*host == '[') {
        n = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
        if (n < 3 || host[n] != ']') return 0;
        n++;
    } else {
        for (n = 0; isalnum((unsigned char)host[n]) || (host[n] && strchr("-._", host[n])); n++) {}
        if (n > 253) return 0;
    }
    if (n > 0 && host[n] == ':') {
        size_t digits = strspn(host + n + 1, "0123456789");
        return host[n + 1 + digits] == 0 && digits <= 5 ? n : 0;
    }
    return host[n] == 0 ? n : 0;
}

static bool is_name(const char *host, size_t n, const char *name) {
    return strlen(name) == n && strncasecmp(host, name, n) == 0;
}

static bool is_loopback_name(const char *host, size_t n) {
    return is_name(host, n, "localhost") || is_name(host, n, "127.0.0.1") || is_name(host, n, "[::1]");
}

/* Whether Host may be what it is. Beyond loopback every request needs a key, which a foreign page does not have: there any name goes, unless the operator lists them. */
static bool is_host_allowed(const suan__http *http, const char *host, size_t n) {
    const suan__serve_config *config = &http->server->config;
    for (size_t i = 0; i < config->n_hosts; i++)
        if (is_name(host, n, config->hosts[i])) return true;
    if (is_loopback_name(host, n) || is_name(host, n, http->bound)) return true;
    return !http->is_loopback && config->n_hosts == 0;
}

static bool is_origin_listed(const suan__http *http, const char *origin) {
    for (size_t i = 0; i < http->server->config.n_origins; i++)
        if (strcmp(origin, http->server->config.origins[i]) == 0) return true;
    return false;
}

static bool is_same_origin(const suan__exchange *x, const char *host, const char *origin) {
    const char *scheme = x->is_tls ? "https://" : "http://";
    if (!host) return false;
    if (strncmp(origin, scheme, strlen(scheme)) == 0 && strcasecmp(origin + strlen(scheme), host) == 0) return true;
    /* Behind a proxy that ends TLS the scheme differs, the host does not. */
    return !x->is_tls && strncmp(origin, "https://", 8) == 0 && strcasecmp(origin + 8, host) == 0;
}

bool suan__origin_check(suan__exchange *x, const char *host, const char *origin) {
    size_t n = host ? host_name_length(host) : 0;
    if (host && n == 0) {
        suan__exchange_refuse(x, SUAN__PROBLEM_INVALID, "", "Host is malformed.");
        x->must_close = true;
        return false;
    }
    if (host && !is_host_allowed(x->http, host, n)) {
        suan__exchange_refuse(x, SUAN__PROBLEM_FORBIDDEN, "",
                              "This server does not answer under that Host: name it with --allow-host when it is yours.");
        return false;
    }
    if (!origin) return true;
    if (is_origin_listed(x->http, origin)) {
        suan__reply_header(x, "Access-Control-Allow-Origin", origin);
        suan__reply_header(x, "Access-Control-Expose-Headers", "x-request-id, request-id, x-suan-advisory, x-suan-seed, Retry-After");
        suan__reply_header(x, "Vary", "Origin");
        return true;
    }
    bool changes_nothing = strcmp(x->method, "GET") == 0 || x->is_head;
    if (changes_nothing || is_same_origin(x, host, origin)) return true;
    suan__exchange_refuse(x, SUAN__PROBLEM_FORBIDDEN, "",
                          "Requests of this Origin are not taken: name it with --allow-origin when it is yours.");
    return false;
}

/* The browser asks whether it may ask. Replies. */
bool suan__origin_preflight(suan__exchange *x) {
    const char *origin = suan__exchange_header(x, "origin"), *headers = suan__exchange_header(x, "access-control-request-headers");
    if (origin && is_origin_listed(x->http, origin)) {
        suan__reply_header(x, "Access-Control-Allow-Methods", "GET, POST, DELETE");
        suan__reply_header(x, "Access-Control-Allow-Headers", headers && *headers ? headers : "authorization, content-type");
        suan__reply_header(x, "Access-Control-Max-Age", "600");
    }
    suan__reply(x, 204, NULL, "", 0);
    return true;
}
