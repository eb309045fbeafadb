/* checkpoint_gguf.c: a GGUF file, or all parts of a split one.
 *
 * Part k of n is named BASE-0000k-of-0000n.gguf, k from 1. Each part is a GGUF file of its own, with split.no (k - 1) and split.count; the
 * first holds the metadata, split.tensors.count among it.
 */
#include <string.h>

#include "formats/checkpoint_internal.h"

#define ULL(x) ((unsigned long long)(x))
#define DIGITS 5
#define SUFFIX_BYTES (1 + DIGITS + 4 + DIGITS + 5) /* "-00001-of-00003.gguf" */

static bool read_digits(const char *s, uint32_t *v) {
    *v = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        *v = *v * 10 + (uint32_t)(s[i] - '0');
    }
    return true;
}

static void write_digits(char *s, uint32_t v) {
    for (int i = DIGITS; i-- > 0; v /= 10) s[i] = (char)('0' + v % 10);
}

/* Where the suffix begins, or NULL when the path does not end like a part's. */
static char *find_suffix(char *path, uint32_t *part, uint32_t *n_parts) {
    size_t n = strlen(path);
    if (n <= SUFFIX_BYTES) return NULL;
    char *s = path + n - SUFFIX_BYTES;
    bool ok = s[0] == '-' && read_digits(s + 1, part) && memcmp(s + 1 + DIGITS, "-of-", 4) == 0 && read_digits(s + 5 + DIGITS, n_parts) &&
              strcmp(s + 5 + 2 * DIGITS, ".gguf") == 0;
    return ok ? s : NULL;
}

static suan_status open_part(suan__checkpoint_private *p, uint32_t i, uint32_t count, suan_error *err) {
    uint32_t no = 0, n = 0;
    suan__gguf *g = &p->ggufs[i];
    SUAN_TRY(suan__gguf_open(g, &p->arena, &p->pub.files[i], err));
    SUAN_TRY(suan__gguf_u32(g, "split.no", true, &no, err));
    SUAN_TRY(suan__gguf_u32(g, "split.count", true, &n, err));
    SUAN_CHECK(no == i && n == count, SUAN_EFORMAT, "%s: is part %lu of %lu by its metadata, expected %lu of %lu by its name", g->path,
               (unsigned long)no + 1, (unsigned long)n, (unsigned long)i + 1, (unsigned long)count);
    return SUAN_OK;
}

static suan_status open_parts(suan__checkpoint_private *p, uint32_t count, char *path, char *suffix, suan_error *err) {
    suan__gguf first = p->ggufs[0];
    SUAN_TRY(suan__checkpoint_reserve_files(p, count, err));
    suan__gguf *ggufs = SUAN_ARENA_NEW(&p->arena, suan__gguf, count);
    SUAN_CHECK(ggufs, SUAN_ENOMEM, "%s: out of memory", path);
    p->ggufs = ggufs;
    ggufs[0] = first;
    for (uint32_t i = 1; i < count; i++) {
        write_digits(suffix + 1, i + 1);
        SUAN_TRY(suan__checkpoint_add_file(p, path, err));
        SUAN_TRY(open_part(p, i, count, err));
    }
    return SUAN_OK;
}

/* Opens the other parts, if there are any. */
static suan_status open_split(suan__checkpoint_private *p, suan_error *err) {
    const suan__gguf *g = &p->ggufs[0];
    uint32_t no = 0, count = 1, part, n_parts;
    SUAN_TRY(suan__gguf_u32(g, "split.no", false, &no, err));
    SUAN_TRY(suan__gguf_u32(g, "split.count", false, &count, err));
    if (count <= 1) {
        SUAN_CHECK(no == 0, SUAN_EFORMAT, "%s: split.no is %lu although split.count is %lu", g->path, (unsigned long)no,
                   (unsigned long)count);
        return SUAN_OK;
    }
    char *path = suan__arena_strndup(&p->arena, p->pub.path, strlen(p->pub.path));
    SUAN_CHECK(path, SUAN_ENOMEM, "%s: out of memory", p->pub.path);
    char *suffix = find_suffix(path, &part, &n_parts);
    SUAN_CHECK(suffix, SUAN_EFORMAT, "%s: is part %lu of a model in %lu files, whose names must end in -00001-of-%05lu.gguf and so on",
               g->path, (unsigned long)no + 1, (unsigned long)count, (unsigned long)count);
    SUAN_CHECK(part == (uint64_t)no + 1 && n_parts == count, SUAN_EFORMAT, "%s: is part %lu of %lu by its metadata, %lu of %lu by its name",
               g->path, (unsigned long)no + 1, (unsigned long)count, (unsigned long)part, (unsigned long)n_parts);
    if (no != 0) {
        write_digits(suffix + 1, 1);
        return suan__fail(err, SUAN_EINVAL, "%s: is part %lu of %lu; open the first one, %s", g->path, (unsigned long)no + 1,
                          (unsigned long)count, path);
    }
    return open_parts(p, count, path, suffix, err);
}

suan_status suan__checkpoint_open_gguf(suan__checkpoint_private *p, suan_error *err) {
    p->pub.kind = SUAN__CHECKPOINT_GGUF;
    p->ggufs = SUAN_ARENA_NEW(&p->arena, suan__gguf, 1);
    SUAN_CHECK(p->ggufs, SUAN_ENOMEM, "%s: out of memory", p->pub.path);
    SUAN_TRY(suan__gguf_open(&p->ggufs[0], &p->arena, &p->pub.files[0], err));
    SUAN_TRY(open_split(p, err));
    suan__tensor **lists = SUAN_ARENA_NEW(&p->arena, suan__tensor *, p->pub.n_files);
    uint64_t *counts = SUAN_ARENA_NEW(&p->arena, uint64_t, p->pub.n_files);
    SUAN_CHECK(lists && counts, SUAN_ENOMEM, "%s: out of memory", p->pub.path);
    for (uint64_t i = 0; i < p->pub.n_files; i++) {
        lists[i] = p->ggufs[i].tensors;
        counts[i] = p->ggufs[i].n_tensors;
    }
    SUAN_TRY(suan__checkpoint_join(p, lists, counts, err));
    p->pub.gguf = &p->ggufs[0];
    uint32_t announced = 0;
    if (p->pub.n_files > 1) {
        SUAN_TRY(suan__gguf_u32(p->pub.gguf, "split.tensors.count", true, &announced, err));
        SUAN_CHECK(announced == p->pub.n_tensors, SUAN_EFORMAT, "%s: split.tensors.count is %lu, but the parts hold %llu tensors",
                   p->pub.path, (unsigned long)announced, ULL(p->pub.n_tensors));
    }
    return SUAN_OK;
}
