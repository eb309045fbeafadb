/* unicode_normalize.c: decomposition, canonical order and composition (UAX #15). */
#include "base/memory.h"
#include "text/unicode.h"
#include "text/unicode_tables.h"

/* Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12). */
enum { S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7, L_COUNT = 19, V_COUNT = 21, T_COUNT = 28, S_COUNT = 11172 };

static const suan__unicode_decomposition *find_decomposition(const suan__unicode_decomposition *d, uint32_t n, uint32_t cp) {
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (d[mid].cp < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && d[low].cp == cp ? &d[low] : NULL;
}

size_t suan__unicode_decompose(uint32_t cp, bool compatible, uint32_t out[SUAN__MAX_DECOMPOSITION]) {
    if (cp - S_BASE < S_COUNT) {
        uint32_t s = cp - S_BASE, t = s % T_COUNT;
        out[0] = L_BASE + s / (V_COUNT * T_COUNT);
        out[1] = V_BASE + s % (V_COUNT * T_COUNT) / T_COUNT;
        out[2] = T_BASE + t;
        return t ? 3 : 2;
    }
    const suan__unicode_decomposition *d = NULL;
    if (cp >= 0xA0 && compatible) d = find_decomposition(suan__unicode_compatible, suan__unicode_compatible_n, cp);
    if (cp >= 0xA0 && !d) d = find_decomposition(suan__unicode_canonical, suan__unicode_canonical_n, cp);
    if (!d) {
        out[0] = cp;
        return 1;
    }
    for (uint32_t i = 0; i < d->n; i++) out[i] = suan__unicode_decomposition_pool[d->at + i];
    return d->n;
}

uint32_t suan__unicode_compose(uint32_t a, uint32_t b) {
    if (a - L_BASE < L_COUNT && b - V_BASE < V_COUNT) return S_BASE + ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
    if (a - S_BASE < S_COUNT && (a - S_BASE) % T_COUNT == 0 && b > T_BASE && b < T_BASE + T_COUNT) return a + (b - T_BASE);
    uint32_t low = 0, high = suan__unicode_compositions_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const suan__unicode_pair *p = &suan__unicode_compositions[mid];
        if (p->a < a || (p->a == a && p->b < b))
            low = mid + 1;
        else
            high = mid;
    }
    if (low == suan__unicode_compositions_n) return 0;
    const suan__unicode_pair *p = &suan__unicode_compositions[low];
    return p->a == a && p->b == b ? p->composed : 0;
}

/* A stable counting sort of one run of combining marks: a hostile text may hold a run of any length, so nothing quadratic. */
static void sort_marks(uint32_t *cp, uint32_t *copy, size_t n) {
    size_t count[257] = {0};
    for (size_t i = 0; i < n; i++) {
        copy[i] = cp[i];
        count[suan__unicode_combining_class(cp[i] & SUAN__CP_MASK) + 1]++;
    }
    for (int c = 0; c < 256; c++) count[c + 1] += count[c];
    for (size_t i = 0; i < n; i++) cp[count[suan__unicode_combining_class(copy[i] & SUAN__CP_MASK)]++] = copy[i];
}

static void insert_marks(uint32_t *cp, size_t n) {
    for (size_t i = 1; i < n; i++) {
        uint32_t x = cp[i];
        unsigned c = suan__unicode_combining_class(x & SUAN__CP_MASK);
        size_t k = i;
        for (; k > 0 && suan__unicode_combining_class(cp[k - 1] & SUAN__CP_MASK) > c; k--) cp[k] = cp[k - 1];
        cp[k] = x;
    }
}

bool suan__unicode_reorder(uint32_t *cp, size_t n) {
    for (size_t i = 0; i < n;) {
        if ((cp[i] & SUAN__CP_MASK) < 0x300 || suan__unicode_combining_class(cp[i] & SUAN__CP_MASK) == 0) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < n && suan__unicode_combining_class(cp[end] & SUAN__CP_MASK) != 0) end++;
        if (end - i <= 32) {
            insert_marks(cp + i, end - i);
        } else {
            uint32_t *copy = suan__malloc((end - i) * sizeof *copy);
            if (!copy) return false;
            sort_marks(cp + i, copy, end - i);
            suan__free(copy);
        }
        i = end;
    }
    return true;
}

size_t suan__unicode_compose_all(uint32_t *cp, size_t n) {
    size_t out = 0, starter = SIZE_MAX;
    unsigned last_class = 0; /* of the last element kept behind the starter */
    for (size_t i = 0; i < n; i++) {
        uint32_t c = cp[i] & SUAN__CP_MASK;
        unsigned cc = suan__unicode_combining_class(c);
        bool adjacent = starter != SIZE_MAX && starter + 1 == out;
        if (starter != SIZE_MAX && (adjacent || last_class < cc) && c <= 0x10FFFF) {
            uint32_t composed = suan__unicode_compose(cp[starter] & SUAN__CP_MASK, c);
            if (composed) {
                cp[starter] = composed | (cp[starter] & cp[i] & ~SUAN__CP_MASK);
                continue;
            }
        }
        if (cc == 0) starter = out;
        last_class = cc;
        cp[out++] = cp[i];
    }
    return out;
}
