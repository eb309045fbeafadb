/* test_dispatch.c: every entry of every level is a function of that level; where it is not, the table below says why. */
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

/* Levels that are nothing but instructions for integers: their products of block types are their own, and all else is that of the level
 * below. */
static const char *const integer_levels[] = {"avxvnni", "dotprod", "i8mm"};

static bool is_integer_level(const char *level) {
    for (size_t i = 0; i < sizeof(integer_levels) / sizeof(integer_levels[0]); i++) {
        if (strcmp(integer_levels[i], level) == 0) return true;
    }
    return false;
}

/* An entry that is allowed to be the C function, or that of the level below. */
static const struct reason {
    const char *level, *entry, *why;
} reasons[] = {
    {"amx", NULL, "its products of tiles are entries of their own"}, /* every entry */
    {NULL, NULL, NULL},
};

static const char *reason_for(const char *level, const char *entry) {
    for (const struct reason *r = reasons; r->level; r++) {
        if (strcmp(r->level, level) == 0 && (!r->entry || strcmp(r->entry, entry) == 0)) return r->why;
    }
    return NULL;
}

typedef void any_fn(void);
static int n_bad;

/* mine: the entry; c: that of the reference; below: that of the next lower level (may be the reference); integers: a product of integers. */
static void entry(const char *level, const char *name, bool integers, any_fn *mine, any_fn *c, any_fn *below) {
    const char *why = !integers && is_integer_level(level) ? "the level has no instructions for it" : reason_for(level, name);
    if (!mine) {
        printf("%s %s: empty\n", level, name);
        n_bad++;
    } else if (mine == c || mine == below) {
        printf("%s %s: %s%s%s\n", level, name, mine == c ? "the C function" : "the function of the level below", why ? ", because " : "",
               why ? why : "");
        n_bad += !why;
    } else {
        printf("%s %s: own\n", level, name);
        if (why) {
            printf("  but a reason is stated: %s\n", why);
            n_bad++;
        }
    }
}

static void compare(const suan__kernels *t, const suan__kernels *c, const suan__kernels *below) {
#define FIELD(field, type) entry(t->name, #field, false, (any_fn *)t->field, (any_fn *)c->field, (any_fn *)below->field);
    SUAN__KERNEL_MAP(FIELD)
#undef FIELD
#define TYPE(type)                                                                                                \
    entry(t->name, "matmul " #type, suan__activation_block(SUAN__##type) != 0, (any_fn *)t->matmul[SUAN__##type], \
          (any_fn *)c->matmul[SUAN__##type], (any_fn *)below->matmul[SUAN__##type]);                              \
    entry(t->name, "expand " #type, false, (any_fn *)t->expand[SUAN__##type], (any_fn *)c->expand[SUAN__##type],  \
          (any_fn *)below->expand[SUAN__##type]);
    SUAN__WEIGHT_MAP(TYPE)
#undef TYPE
}

/* The level of tiles has a product of them for each type of integers. */
static void look_for_tiles(const suan__kernels *t) {
    for (int type = 0; type < SUAN__DTYPE_END; type++) {
        bool wanted = t->matmul[type] && suan__activation_block(type) && strcmp(t->name, "amx") == 0;
        if (wanted == (t->matmul_tiles[type] != NULL && t->tiles_from[type] > 0)) continue;
        printf("%s: product of tiles of type %d %s\n", t->name, type, wanted ? "is missing" : "at a level without tiles");
        n_bad++;
    }
}

/* On x86 every type has a product of pairs, each level of vectors its own; floats with AVX2 and AVX-512. */
static void look_for_pairs(const suan__kernels *t, const suan__kernels *below) {
    bool vectors = strncmp(t->name, "avx", 3) == 0, tiles = strcmp(t->name, "amx") == 0;
    for (int type = 0; type < SUAN__DTYPE_END; type++) {
        bool integers = suan__activation_block(type) != 0, own = t->matmul_pair[type] != below->matmul_pair[type];
        bool wanted = t->matmul[type] && (vectors || tiles),
             wanted_own = t->matmul[type] && vectors && (integers || strcmp(t->name, "avxvnni") != 0);
        if ((t->matmul_pair[type] != NULL) == wanted && own == wanted_own) continue;
        printf("%s: product of pairs of type %d: %s\n", t->name, type, own ? "its own" : "none of its own");
        n_bad++;
    }
}

int main(void) {
    const char *const *levels = suan__kernels_levels();
    const suan__kernels *c, *t, *below;
    int n = 0;
    suan_error err = {0};
    while (levels[n]) n++;
    if (n == 0 || strcmp(levels[n - 1], "c") != 0 || suan__kernels_get(&c, "c", &err) != SUAN_OK) {
        printf("the last level is not c\n");
        return 1;
    }
    for (int i = 0; i + 1 < n; i++) {
        if (suan__kernels_get(&t, levels[i], &err) != SUAN_OK || suan__kernels_get(&below, levels[i + 1], &err) != SUAN_OK) return 1;
        compare(t, c, below);
        look_for_tiles(t);
        look_for_pairs(t, below);
    }
    if (suan__kernels_get(&t, NULL, &err) != SUAN_OK || strcmp(t->name, levels[0]) != 0) n_bad++;
    if (suan__kernels_get(&t, "mmx", &err) == SUAN_OK || t) {
        printf("an unknown level was accepted\n");
        n_bad++;
    }
#if defined(__aarch64__)
    if (n < 2) {
        printf("NEON is missing\n");
        n_bad++;
    }
#endif
    return n_bad ? 1 : 0;
}
