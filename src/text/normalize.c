/* normalize.c: the steps that change text before it is cut into pieces.
 *
 * Each step reads one buffer and writes the other. Where the encoder has trusted and untrusted spans, a byte array runs beside the text; what
 * a step makes of several bytes is trusted when all of them were.
 */
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_internal.h"

static suan_status no_memory(suan_error *err) {
    return suan__fail(err, SUAN_ENOMEM, "out of memory while normalising text");
}

/* The step under way: where it reads, where it writes. */
typedef struct step {
    const suan__normalizer *norm;
    const char *in;
    const uint8_t *trust; /* NULL: not kept */
    size_t n;
    suan__text *out;
    suan_error *err;
} step;

static bool put(step *st, const char *s, size_t n, bool trusted) {
    if (n == 0) return true;
    if (st->trust) {
        char mark[64];
        memset(mark, trusted, sizeof mark);
        for (size_t i = 0; i < n; i += sizeof mark) {
            if (!suan__buf_append(&st->out->trust, mark, n - i < sizeof mark ? n - i : sizeof mark)) return false;
        }
    }
    return suan__buf_append(&st->out->bytes, s, n);
}

/* Copies n bytes of the input with their marks. */
static bool copy(step *st, size_t at, size_t n) {
    if (n == 0) return true;
    if (st->trust && !suan__buf_append(&st->out->trust, st->trust + at, n)) return false;
    return suan__buf_append(&st->out->bytes, st->in + at, n);
}

static bool all_trusted(const step *st, size_t at, size_t n) {
    for (size_t i = 0; st->trust && i < n; i++) {
        if (!st->trust[at + i]) return false;
    }
    return true;
}

/* ---- Unicode normal forms ---- */

#define TRUSTED_MARK 0x01000000u
#define RAW_MARK 0x00200000u /* above U+10FFFF: a byte that is not UTF-8, in the low 8 bits */

/* Whether the text is surely unchanged by NFC: nothing from U+0300 on. By the other forms: nothing from U+0080 on. */
static bool is_normal_already(const step *st, suan__normal_form form) {
    uint8_t limit = form == SUAN__NFC ? 0xCC : 0x80; /* 0xCC leads U+0300 */
    for (size_t i = 0; i < st->n; i++) {
        if ((uint8_t)st->in[i] >= limit) return false;
    }
    return true;
}

/* Decomposes, orders and composes cp[0..n) and writes it. */
static bool write_normal(step *st, uint32_t *cp, size_t n, suan__normal_form form) {
    if (!suan__unicode_reorder(cp, n)) return false;
    if (form == SUAN__NFC || form == SUAN__NFKC) n = suan__unicode_compose_all(cp, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t c = cp[i] & SUAN__CP_MASK;
        char s[4] = {(char)c};
        size_t k = c & RAW_MARK ? 1 : suan__utf8_encode(c, s);
        if (!put(st, s, k, (cp[i] & TRUSTED_MARK) != 0)) return false;
    }
    return true;
}

static suan_status normal_form(step *st) {
    suan__normal_form form = (suan__normal_form)st->norm->type;
    if (is_normal_already(st, form)) return copy(st, 0, st->n) ? SUAN_OK : no_memory(st->err);
    bool compatible = form == SUAN__NFKC || form == SUAN__NFKD;
    suan__buf list = {0};
    bool ok = true;
    for (size_t i = 0, k; i < st->n && ok; i += k) {
        uint32_t cp, parts[SUAN__MAX_DECOMPOSITION];
        k = suan__utf8_decode(st->in + i, st->n - i, &cp);
        if (k == 0) {
            k = 1;
            cp = RAW_MARK | (uint8_t)st->in[i];
        }
        size_t n = cp & RAW_MARK ? (parts[0] = cp, 1) : suan__unicode_decompose(cp, compatible, parts);
        uint32_t mark = all_trusted(st, i, k) ? TRUSTED_MARK : 0;
        for (size_t j = 0; j < n; j++) parts[j] |= mark;
        ok = suan__buf_append(&list, parts, n * sizeof *parts);
    }
    if (ok && list.n > 0) ok = write_normal(st, (uint32_t *)(void *)list.data, list.n / sizeof(uint32_t), form);
    suan__buf_fini(&list);
    return ok ? SUAN_OK : no_memory(st->err);
}

static suan_status lowercase(step *st) {
    for (size_t i = 0, k; i < st->n; i += k) {
        uint32_t cp, to[3];
        k = suan__utf8_decode(st->in + i, st->n - i, &cp);
        if (k == 0) {
            k = 1;
            if (!copy(st, i, 1)) return no_memory(st->err);
            continue;
        }
        size_t n = suan__unicode_lower_full(cp, to);
        for (size_t j = 0; j < n; j++) {
            char s[4];
            if (!put(st, s, suan__utf8_encode(to[j], s), all_trusted(st, i, k))) return no_memory(st->err);
        }
    }
    return SUAN_OK;
}

/* ---- Strip, Prepend, Replace ---- */

static suan_status strip(step *st) {
    size_t begin = 0, end = st->n, k;
    uint32_t cp;
    while (st->norm->left && begin < end && (k = suan__utf8_decode(st->in + begin, end - begin, &cp)) > 0 && suan__unicode_is_space(cp)) {
        begin += k;
    }
    while (st->norm->right && end > begin) {
        size_t back = 1;
        while (back < 4 && back < end - begin && ((uint8_t)st->in[end - back] & 0xC0) == 0x80) back++;
        if (suan__utf8_decode(st->in + end - back, back, &cp) != back || !suan__unicode_is_space(cp)) break;
        end -= back;
    }
    return copy(st, begin, end - begin) ? SUAN_OK : no_memory(st->err);
}

static suan_status replace_literal(step *st) {
    size_t at = 0, n = st->norm->n_literal;
    for (;;) {
        const char *hit = n && at < st->n ? memmem(st->in + at, st->n - at, st->norm->literal, n) : NULL;
        size_t begin = hit ? (size_t)(hit - st->in) : st->n;
        if (!copy(st, at, begin - at)) return no_memory(st->err);
        if (!hit) return SUAN_OK;
        if (!put(st, st->norm->content, st->norm->n_content, all_trusted(st, begin, n))) return no_memory(st->err);
        at = begin + n;
    }
}

static suan_status replace_regex(step *st) {
    suan__regex_scan scan;
    suan__regex_begin(&scan, st->norm->regex, st->in, st->n);
    size_t begin, end, at = 0;
    int found;
    bool ok = true;
    while (ok && (found = suan__regex_next(&scan, &begin, &end)) > 0) {
        ok = copy(st, at, begin - at) && put(st, st->norm->content, st->norm->n_content, all_trusted(st, begin, end - begin));
        at = end;
    }
    suan__regex_end(&scan);
    return ok && found == 0 && copy(st, at, st->n - at) ? SUAN_OK : no_memory(st->err);
}

/* ---- SentencePiece ---- */

static uint32_t unit_at(const suan__charsmap *map, uint32_t i) {
    uint32_t u;
    memcpy(&u, map->units + (size_t)i * 4, 4);
    return u;
}

suan_status suan__charsmap_init(suan__charsmap *map, const char *data, size_t n, const char *path, suan_error *err) {
    *map = (suan__charsmap){0};
    if (n == 0) return SUAN_OK;
    uint32_t size;
    SUAN_CHECK(n >= 4, SUAN_EFORMAT, "%s: precompiled_charsmap has %zu bytes, expected none or at least 4", path, n);
    memcpy(&size, data, 4);
    SUAN_CHECK(size <= n - 4 && size % 4 == 0 && size > 0, SUAN_EFORMAT, "%s: precompiled_charsmap of %zu bytes says its trie has %u bytes",
               path, n, size);
    map->units = (const unsigned char *)data + 4;
    map->n_units = size / 4;
    map->strings = data + 4 + size;
    SUAN_CHECK(n - 4 - size <= INT32_MAX, SUAN_EFORMAT, "%s: precompiled_charsmap of %zu bytes is too long", path, n);
    map->n_strings = (uint32_t)(n - 4 - size);
    return SUAN_OK;
}

/* The longest key of the double array that s[0..n) begins with: its length (0: none) and its replacement.
 * A unit: bits 0..7 label, bit 8 has a value, bit 9 and bits 10..30 the offset to the children; a unit with bit 31 holds a value. */
static size_t charsmap_match(const suan__charsmap *map, const char *s, size_t n, const char **to, size_t *n_to) {
    size_t length = 0;
    uint32_t node = 0;
    if (map->n_units == 0) return 0;
    uint32_t unit = unit_at(map, 0);
    node ^= (unit >> 10) << ((unit & (1u << 9)) >> 6);
    for (size_t i = 0; i < n; i++) {
        node ^= (uint8_t)s[i];
        if (node >= map->n_units) break;
        unit = unit_at(map, node);
        if ((unit & ((1u << 31) | 0xFF)) != (uint8_t)s[i]) break;
        node ^= (unit >> 10) << ((unit & (1u << 9)) >> 6);
        if (!(unit >> 8 & 1)) continue;
        if (node >= map->n_units) break;
        uint32_t value = unit_at(map, node) & 0x7FFFFFFF;
        if (value >= map->n_strings) continue; /* points past the replacements: as if there were no key */
        *to = map->strings + value;
        *n_to = strnlen(*to, map->n_strings - value);
        length = i + 1;
    }
    return length;
}

/* What stands at in[at..): its replacement and its length in the input. A user-defined piece is taken as it is. */
static size_t next_unit(const suan_tokenizer *t, const step *st, size_t at, const char **to, size_t *n_to) {
    uint32_t node = 0;
    size_t piece = 0;
    for (size_t i = at; t->user_defined.edge && i < st->n && (!st->trust || st->trust[i]); i++) {
        node = suan__trie_step(&t->user_defined, node, (uint8_t)st->in[i]);
        if (!node) break;
        if (t->user_defined.value[node] >= 0) piece = i + 1 - at;
    }
    *to = st->in + at;
    *n_to = piece;
    if (piece) return piece;
    size_t n = charsmap_match(&st->norm->charsmap, st->in + at, st->n - at, to, n_to);
    if (n) return n;
    uint32_t cp;
    n = suan__utf8_decode(st->in + at, st->n - at, &cp);
    return *n_to = n ? n : 1;
}

#define SPACE "\xE2\x96\x81" /* U+2581 */

/* Writes a replacement with its spaces escaped. Of several spaces in a row only the first stays when extra ones are removed. */
static bool put_spaced(step *st, const char *s, size_t n, bool trusted, bool *after_space) {
    const suan__normalizer *norm = st->norm;
    size_t begin = 0;
    if (norm->remove_extra && *after_space) {
        while (begin < n && s[begin] == ' ') begin++;
    }
    for (size_t i = begin; i < n; i++) {
        bool space = s[i] == ' ' && norm->escape;
        if (!put(st, space ? SPACE : s + i, space ? 3 : 1, trusted)) return false;
    }
    if (n > begin) *after_space = s[n - 1] == ' ';
    if (!norm->remove_extra) *after_space = false;
    return true;
}

static suan_status sentencepiece(const suan_tokenizer *t, step *st) {
    const suan__normalizer *norm = st->norm;
    const char *to;
    size_t n_to, at = 0, k;
    if (norm->remove_extra) { /* leading spaces */
        while (at < st->n && (k = next_unit(t, st, at, &to, &n_to)) > 0 && n_to <= 1 && (n_to == 0 || *to == ' ')) at += k;
    }
    if (at == st->n) return SUAN_OK;
    bool ok = !norm->add_prefix || put(st, norm->escape ? SPACE : " ", norm->escape ? 3 : 1, false);
    bool after_space = norm->remove_extra;
    for (; ok && at < st->n; at += k) {
        k = next_unit(t, st, at, &to, &n_to);
        if (to == st->in + at && n_to == 1 && *to != ' ')
            ok = copy(st, at, 1), after_space = false; /* the common case */
        else
            ok = put_spaced(st, to, n_to, all_trusted(st, at, k), &after_space);
    }
    if (!ok) return no_memory(st->err);
    suan__buf *b = &st->out->bytes;
    const char *space = norm->escape ? SPACE : " ";
    size_t n_space = norm->escape ? 3 : 1;
    while (norm->remove_extra && b->n >= n_space && memcmp(b->data + b->n - n_space, space, n_space) == 0) {
        b->n -= n_space;
        if (st->trust) st->out->trust.n -= n_space;
    }
    return SUAN_OK;
}

/* The charsmap alone. HF's Precompiled looks at whole grapheme clusters first; here, as in SentencePiece, the longest key counts. */
static suan_status charsmap_only(step *st) {
    for (size_t at = 0, k; at < st->n; at += k) {
        const char *to;
        size_t n_to;
        k = charsmap_match(&st->norm->charsmap, st->in + at, st->n - at, &to, &n_to);
        bool ok = k ? put(st, to, n_to, all_trusted(st, at, k)) : copy(st, at, k = 1);
        if (!ok) return no_memory(st->err);
    }
    return SUAN_OK;
}

static suan_status run_step(const suan_tokenizer *t, step *st) {
    switch (st->norm->type) {
    case SUAN__NORM_NFC:
    case SUAN__NORM_NFD:
    case SUAN__NORM_NFKC:
    case SUAN__NORM_NFKD:
        return normal_form(st);
    case SUAN__NORM_LOWERCASE:
        return lowercase(st);
    case SUAN__NORM_STRIP:
        return strip(st);
    case SUAN__NORM_PREPEND:
        if (st->n == 0) return SUAN_OK;
        return put(st, st->norm->literal, st->norm->n_literal, false) && copy(st, 0, st->n) ? SUAN_OK : no_memory(st->err);
    case SUAN__NORM_REPLACE:
        return st->norm->regex ? replace_regex(st) : replace_literal(st);
    case SUAN__NORM_CHARSMAP:
        return charsmap_only(st);
    case SUAN__NORM_SENTENCEPIECE:
        return sentencepiece(t, st);
    }
    return SUAN_OK;
}

suan_status suan__normalize(suan__encoder *e, const char *text, const uint8_t *trust, size_t n) {
    for (size_t i = 0; i < e->t->n_normalizers; i++) {
        e->i_norm ^= 1;
        suan__text *out = &e->norm[e->i_norm];
        out->bytes.n = out->trust.n = 0;
        out->bytes.limit = out->trust.limit = INT32_MAX;
        step st = {&e->t->normalizers[i], text, trust, n, out, e->err};
        SUAN_TRY(run_step(e->t, &st));
        text = out->bytes.n ? out->bytes.data : "";
        n = out->bytes.n;
        if (trust) trust = (const uint8_t *)(out->trust.n ? out->trust.data : "");
    }
    return SUAN_OK;
}
