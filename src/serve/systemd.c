/* systemd.c: socket activation and notification. Source: sd_listen_fds(3) and sd_notify(3), sections on the protocol. */
#include "serve/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"

#define FIRST_FD 3

static bool is_number(const char *text, unsigned long want) {
    char *end;
    if (!text || *text < '0' || *text > '9') return false;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    return errno == 0 && *end == 0 && value == want;
}

suan_status suan__systemd_socket(int *fd, suan_error *err) {
    const char *count = getenv("LISTEN_FDS");
    int is_listening = 0;
    socklen_t n = sizeof is_listening;
    *fd = -1;
    if (!is_number(getenv("LISTEN_PID"), (unsigned long)getpid())) return SUAN_OK;
    SUAN_CHECK(is_number(count, 1), SUAN_EINVAL, "the service manager hands over %s sockets, expected 1", count ? count : "no");
    SUAN_CHECK(getsockopt(FIRST_FD, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &n) == 0 && is_listening, SUAN_EINVAL,
               "what the service manager handed over is no listening socket");
    fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC);
    fcntl(FIRST_FD, F_SETFL, fcntl(FIRST_FD, F_GETFL) | O_NONBLOCK);
    unsetenv("LISTEN_PID"); /* not for children */
    unsetenv("LISTEN_FDS");
    *fd = FIRST_FD;
    return SUAN_OK;
}

void suan__systemd_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof to.sun_path || (*path != '/' && *path != '@')) return;
    memcpy(to.sun_path, path, n);
    if (*path == '@') to.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0) {
        /* nobody listens: then nobody wants to know */
    }
    close(fd);
}
