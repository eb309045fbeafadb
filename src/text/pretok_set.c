/* pretok_set.c: sets of code points as sorted ranges. */
#include "text/pretok_set.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"

#define LAST_CP 0x10FFFFu

void suan__cpset_init(suan__cpset *s, suan__arena *arena) {
    *s = (suan__cpset){.arena = arena};
}

void suan__cpset_add(suan__cpset *s, uint32_t first, uint32_t last) {
    if (s->failed || first > last) return;
    if (s->n == s->capacity) {
        uint32_t capacity = s->capacity ? s->capacity * 2 : 8;
        suan__unicode_range *r = capacity > s->capacity ? SUAN_ARENA_NEW(s->arena, suan__unicode_range, capacity) : NULL;
        if (!r) {
            s->failed = true;
            return;
        }
        if (s->n) memcpy(r, s->r, s->n * sizeof *r);
        s->r = r;
        s->capacity = capacity;
    }
    s->r[s->n++] = (suan__unicode_range){first, last};
}

void suan__cpset_add_set(suan__cpset *s, const suan__cpset *other) {
    if (other->failed) s->failed = true;
    for (uint32_t i = 0, n = other->n; i < n; i++) suan__cpset_add(s, other->r[i].first, other->r[i].last);
}

static int compare_ranges(const void *a, const void *b) {
    const suan__unicode_range *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->last < y->last ? -1 : x->last > y->last;
}

void suan__cpset_finish(suan__cpset *s) {
    if (s->failed || s->n < 2) return;
    bool sorted = true;
    for (uint32_t i = 1; i < s->n && sorted; i++) sorted = s->r[i].first > s->r[i - 1].last;
    if (!sorted) qsort(s->r, s->n, sizeof *s->r, compare_ranges);
    uint32_t out = 0;
    for (uint32_t i = 1; i < s->n; i++) {
        if (s->r[i].first <= s->r[out].last + 1) {
            if (s->r[i].last > s->r[out].last) s->r[out].last = s->r[i].last;
        } else {
            s->r[++out] = s->r[i];
        }
    }
    s->n = out + 1;
}

void suan__cpset_negate(suan__cpset *s) {
    suan__cpset out;
    suan__cpset_init(&out, s->arena);
    out.failed = s->failed;
    uint32_t next = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->r[i].first > next) suan__cpset_add(&out, next, s->r[i].first - 1);
        next = s->r[i].last + 1;
    }
    if (next <= LAST_CP) suan__cpset_add(&out, next, LAST_CP);
    *s = out;
}

void suan__cpset_intersect(suan__cpset *s, const suan__cpset *other) {
    suan__cpset out;
    suan__cpset_init(&out, s->arena);
    out.failed = s->failed || other->failed;
    for (uint32_t i = 0, j = 0; i < s->n && j < other->n;) {
        uint32_t first = s->r[i].first > other->r[j].first ? s->r[i].first : other->r[j].first;
        uint32_t last = s->r[i].last < other->r[j].last ? s->r[i].last : other->r[j].last;
        suan__cpset_add(&out, first, last);
        if (s->r[i].last < other->r[j].last)
            i++;
        else
            j++;
    }
    *s = out;
}

void suan__cpset_fold(suan__cpset *s) {
    for (int back = 0; back < 2; back++) { /* first to the foldings, then to all that fold to them */
        suan__cpset more;
        suan__cpset_init(&more, s->arena);
        for (uint32_t i = 0; i < suan__unicode_fold_map_n; i++) {
            const suan__unicode_map *m = &suan__unicode_fold_map[i];
            for (uint32_t from = m->first; from <= m->last; from += m->step) {
                uint32_t to = from + (uint32_t)m->delta, have = back ? to : from, add = back ? from : to;
                if (suan__cpset_has(s, have)) suan__cpset_add(&more, add, add);
            }
        }
        suan__cpset_add_set(s, &more);
        suan__cpset_finish(s);
    }
}

bool suan__cpset_has(const suan__cpset *s, uint32_t cp) {
    uint32_t low = 0, high = s->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (cp < s->r[mid].first)
            high = mid;
        else if (cp > s->r[mid].last)
            low = mid + 1;
        else
            return true;
    }
    return false;
}

bool suan__cpset_equal(const suan__cpset *a, const suan__cpset *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->r, b->r, a->n * sizeof *a->r) == 0);
}

typedef struct property {
    const char *name;    /* lower case, without '_', '-', ' ' */
    uint32_t categories; /* bits of suan__category */
} property;

#define BIT(c) (1u << SUAN__##c)
static const property properties[] = {
    {"l", BIT(LL) | BIT(LM) | BIT(LO) | BIT(LT) | BIT(LU)},
    {"letter", BIT(LL) | BIT(LM) | BIT(LO) | BIT(LT) | BIT(LU)},
    {"ll", BIT(LL)},
    {"lowercaseletter", BIT(LL)},
    {"lm", BIT(LM)},
    {"modifierletter", BIT(LM)},
    {"lo", BIT(LO)},
    {"otherletter", BIT(LO)},
    {"lt", BIT(LT)},
    {"titlecaseletter", BIT(LT)},
    {"lu", BIT(LU)},
    {"uppercaseletter", BIT(LU)},
    {"m", BIT(MC) | BIT(ME) | BIT(MN)},
    {"mark", BIT(MC) | BIT(ME) | BIT(MN)},
    {"mc", BIT(MC)},
    {"me", BIT(ME)},
    {"mn", BIT(MN)},
    {"n", BIT(ND) | BIT(NL) | BIT(NO)},
    {"number", BIT(ND) | BIT(NL) | BIT(NO)},
    {"nd", BIT(ND)},
    {"decimalnumber", BIT(ND)},
    {"nl", BIT(NL)},
    {"no", BIT(NO)},
    {"p", BIT(PC) | BIT(PD) | BIT(PE) | BIT(PF) | BIT(PI) | BIT(PO) | BIT(PS)},
    {"punctuation", BIT(PC) | BIT(PD) | BIT(PE) | BIT(PF) | BIT(PI) | BIT(PO) | BIT(PS)},
    {"pc", BIT(PC)},
    {"pd", BIT(PD)},
    {"pe", BIT(PE)},
    {"pf", BIT(PF)},
    {"pi", BIT(PI)},
    {"po", BIT(PO)},
    {"ps", BIT(PS)},
    {"s", BIT(SC) | BIT(SK) | BIT(SM) | BIT(SO)},
    {"symbol", BIT(SC) | BIT(SK) | BIT(SM) | BIT(SO)},
    {"sc", BIT(SC)},
    {"sk", BIT(SK)},
    {"sm", BIT(SM)},
    {"so", BIT(SO)},
    {"z", BIT(ZL) | BIT(ZP) | BIT(ZS)},
    {"separator", BIT(ZL) | BIT(ZP) | BIT(ZS)},
    {"zl", BIT(ZL)},
    {"zp", BIT(ZP)},
    {"zs", BIT(ZS)},
    {"c", BIT(CN) | BIT(CC) | BIT(CF) | BIT(CO) | BIT(CS)},
    {"other", BIT(CN) | BIT(CC) | BIT(CF) | BIT(CO) | BIT(CS)},
    {"cc", BIT(CC)},
    {"cf", BIT(CF)},
    {"cn", BIT(CN)},
    {"co", BIT(CO)},
    {"cs", BIT(CS)},
    /* \d and \w of the compiler, and the POSIX names that mean the same. */
    {"digit", BIT(ND)},
    {"word", BIT(LL) | BIT(LM) | BIT(LO) | BIT(LT) | BIT(LU) | BIT(MC) | BIT(ME) | BIT(MN) | BIT(ND) | BIT(PC)},
};

static void add_ranges(suan__cpset *s, const suan__unicode_range *r, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) suan__cpset_add(s, r[i].first, r[i].last);
}

bool suan__cpset_add_property(suan__cpset *s, const char *name, size_t n) {
    char key[32];
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        if (c == '_' || c == '-' || c == ' ') continue;
        if (k + 1 >= sizeof key) return false;
        key[k++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    key[k] = 0;
    if (strcmp(key, "han") == 0 || strcmp(key, "script=han") == 0) {
        add_ranges(s, suan__unicode_han, suan__unicode_han_n);
        return true;
    }
    if (strcmp(key, "whitespace") == 0 || strcmp(key, "space") == 0) {
        add_ranges(s, suan__unicode_white_space, suan__unicode_white_space_n);
        return true;
    }
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        if (strcmp(key, properties[i].name) != 0) continue;
        for (uint32_t r = 0; r < suan__unicode_category_runs_n; r++) {
            uint32_t run = suan__unicode_category_runs[r];
            uint32_t end = r + 1 < suan__unicode_category_runs_n ? (suan__unicode_category_runs[r + 1] >> 5) - 1 : LAST_CP;
            if (properties[i].categories >> (run & 31) & 1) suan__cpset_add(s, run >> 5, end);
        }
        return true;
    }
    return false;
}
