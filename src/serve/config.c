/* config.c: the defaults of suan serve's options, and what is checked of them. */
#include "serve/serve.h"

#include <string.h>

#include "base/error.h"

void suan__serve_config_init(suan__serve_config *config) {
    *config = (suan__serve_config){.host = "127.0.0.1",
                                   .port = 8080,
                                   .max_body = 32u << 20,
                                   .max_connections = 4096,
                                   .max_connections_per_address = 2048,
                                   .header_seconds = 10,
                                   .body_seconds = 30,
                                   .idle_seconds = 60,
                                   .write_seconds = 30,
                                   .stop_seconds = 30,
                                   .watch_seconds = 300};
    suan_sampling_init(&config->sampling);
}

/* "https://example.org" or "http://localhost:3000": a scheme, a host, perhaps a port, and nothing behind. */
static bool is_origin(const char *s) {
    const char *host = strncmp(s, "http://", 7) == 0 ? s + 7 : strncmp(s, "https://", 8) == 0 ? s + 8 : NULL;
    return host && *host && !strpbrk(host, "/?#*@ ");
}

suan_status suan__serve_config_check(const suan__serve_config *c, suan_error *err) {
    SUAN_CHECK(!c->tls_cert == !c->tls_key, SUAN_EINVAL, "--tls-cert and --tls-key go together");
    for (size_t i = 0; i < c->n_origins; i++)
        SUAN_CHECK(is_origin(c->origins[i]), SUAN_EINVAL,
                   "--allow-origin: \"%s\" is no origin like https://example.org (scheme, host, perhaps port; no path, no *)",
                   c->origins[i]);
    for (size_t i = 0; i < c->n_hosts; i++)
        SUAN_CHECK(c->hosts[i][0] && !strpbrk(c->hosts[i], "/* "), SUAN_EINVAL, "--allow-host: \"%s\" is no name of a host", c->hosts[i]);
    SUAN_CHECK(!c->model_name || c->model_name[0], SUAN_EINVAL, "--alias: the name is empty");
    bool has_price = c->price_prompt > 0 || c->price_completion > 0 || c->price_cached > 0;
    SUAN_CHECK(!has_price || (c->currency && *c->currency), SUAN_EINVAL, "a price needs --currency, such as EUR");
    return SUAN_OK;
}
