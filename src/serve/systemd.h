/* systemd.h: the two protocols of a service manager that need no library: sockets that it opened, and telling it how we are. */
#ifndef SUAN_SERVE_SYSTEMD_H
#define SUAN_SERVE_SYSTEMD_H

#include "suan/status.h"

/* The one listening socket that the service manager handed over ($LISTEN_PID, $LISTEN_FDS); -1: none. SUAN_EINVAL: several, or none that listens. */
suan_status suan__systemd_socket(int *fd, suan_error *err);
/* Sends "READY=1", "STOPPING=1", "STATUS=..." to $NOTIFY_SOCKET, if there is one. */
void suan__systemd_notify(const char *state);

#endif
