/* stop.c: signal handlers. What they touch is lock-free and of this process, so it stands here as state of the file. */
#include "cli/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static _Atomic(suan_session *) watched;
static atomic_int caught;
static atomic_bool is_patient_now, is_interrupted;
static bool is_installed;
static struct sigaction before_int, before_term;

static void on_signal(int number) {
    suan_session *session = atomic_load(&watched);
    int none = 0;
    bool is_first = atomic_compare_exchange_strong(&caught, &none, number);
    if (!is_first && !atomic_load(&is_patient_now)) {
        signal(number, SIG_DFL);
        raise(number);
    } else if (session) {
        suan_session_cancel(session);
    }
}

static void on_interrupt(int number) {
    (void)number;
    atomic_store(&is_interrupted, true);
}

void cli_stop_watch(suan_session *session, bool is_patient) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    atomic_store(&caught, 0);
    atomic_store(&is_patient_now, is_patient);
    atomic_store(&watched, session);
    if (!is_installed) {
        sigaction(SIGINT, &action, &before_int);
        sigaction(SIGTERM, &action, &before_term);
        is_installed = true;
    }
}

void cli_stop_unwatch(void) {
    if (is_installed) {
        sigaction(SIGINT, &before_int, NULL);
        sigaction(SIGTERM, &before_term, NULL);
        is_installed = false;
    }
    atomic_store(&watched, NULL);
}

int cli_stop_signal(void) {
    return atomic_load(&caught);
}

void cli_stop_keep(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

bool cli_stop_interrupted(void) {
    return atomic_exchange(&is_interrupted, false);
}
