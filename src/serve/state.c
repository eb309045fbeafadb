/* state.c: the state directory. */
#include "serve/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"

/* Creates every directory of `path`. */
static suan_status make_directories(char *path, suan_error *err) {
    for (char *end = path + 1;; end++) {
        if (*end != '/' && *end != 0) continue;
        char kept = *end;
        *end = 0;
        bool is_made = mkdir(path, 0700) == 0 || errno == EEXIST;
        int why = errno;
        *end = kept;
        SUAN_CHECK(is_made, SUAN_EIO, "%s: cannot make the directory: %s", path, strerror(why));
        if (!kept) return SUAN_OK;
    }
}

suan_status suan__state_path(char **path, const char *name, bool make, suan_error *err) {
    const char *given = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    suan__buf b = {0};
    *path = NULL;
    if (given && *given == '/')
        suan__buf_append(&b, given, strcspn(given, ":"));
    else if (xdg && *xdg == '/')
        suan__buf_printf(&b, "%s/suan", xdg);
    else if (home && *home == '/')
        suan__buf_printf(&b, "%s/.local/state/suan", home);
    else
        return suan__fail(err, SUAN_ENOTFOUND,
                          "there is no place for %s: none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is an absolute path", name);
    suan_status status = b.failed ? suan__fail(err, SUAN_ENOMEM, "out of memory") : SUAN_OK;
    if (status == SUAN_OK && make) status = make_directories(b.data, err);
    if (status == SUAN_OK && !suan__buf_printf(&b, "/%s", name)) status = suan__fail(err, SUAN_ENOMEM, "out of memory");
    if (status == SUAN_OK)
        *path = b.data;
    else
        suan__buf_fini(&b);
    return status;
}
