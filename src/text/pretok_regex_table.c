/* pretok_regex_table.c: the automaton of a compiled expression, built whole.
 *
 * A state is an ordered list of instructions (threads, the preferred one first) that wait in front of a character, before conditions are
 * looked at, together with what lies before. The entry for a class of characters follows splits and conditions (the next character is
 * known now), then steps over the character. A thread that reaches MATCH marks the entry and cuts off those behind it: so the last marked
 * entry of a run is where a backtracking search would have ended.
 */
#include <string.h>

#include "text/pretok_regex_internal.h"

typedef struct state {
    uint32_t at, n;  /* threads in the pool */
    uint32_t before; /* BEFORE bits, masked */
    uint32_t next;   /* in the same hash bucket, UINT32_MAX: none */
} state;

#define N_BUCKETS 1024u

typedef struct builder {
    suan__regex *re;
    suan__arena scratch;
    state *states;
    uint32_t n_states, max_states;
    uint16_t *pool;
    size_t n_pool, pool_capacity;
    uint32_t bucket[N_BUCKETS];
    uint32_t *mark; /* stamp for each instruction: seen in this closure */
    uint32_t *next_mark;
    uint32_t stamp;
    uint16_t *stack;
    uint16_t *list; /* the state under construction */
    uint64_t budget;
    bool failed, too_large;
} builder;

static bool pool_append(builder *b, const uint16_t *list, uint32_t n) {
    if (b->pool_capacity - b->n_pool < n) {
        size_t capacity = (b->pool_capacity + n) * 2;
        uint16_t *pool = SUAN_ARENA_NEW(&b->scratch, uint16_t, capacity);
        if (!pool) return false;
        if (b->n_pool) memcpy(pool, b->pool, b->n_pool * sizeof *pool);
        b->pool = pool;
        b->pool_capacity = capacity;
    }
    if (n) memcpy(b->pool + b->n_pool, list, n * sizeof *list);
    b->n_pool += n;
    return true;
}

/* The number of the state with these threads, made when new. */
static uint32_t intern_state(builder *b, const uint16_t *list, uint32_t n, uint32_t before) {
    if (n == 0) return 0;
    uint32_t h = before * 2654435761u;
    for (uint32_t i = 0; i < n; i++) h = (h ^ list[i]) * 2654435761u ^ h >> 15;
    h = (h ^ h >> 16) % N_BUCKETS;
    for (uint32_t i = b->bucket[h]; i != UINT32_MAX; i = b->states[i].next) {
        const state *s = &b->states[i];
        if (s->n == n && s->before == before && memcmp(b->pool + s->at, list, n * sizeof *list) == 0) return i;
    }
    if (b->n_states == b->max_states) {
        b->too_large = true;
        return 0;
    }
    size_t at = b->n_pool;
    if (!pool_append(b, list, n)) {
        b->failed = true;
        return 0;
    }
    b->states[b->n_states] = (state){(uint32_t)at, n, before, b->bucket[h]};
    return b->bucket[h] = b->n_states++;
}

/* Follows one thread up to characters and MATCH, the preferred branch first; adds what waits behind the character. True: MATCH reached. */
static bool follow(builder *b, uint16_t start, uint32_t before, uint32_t class, uint32_t *n) {
    const suan__regex *re = b->re;
    uint32_t top = 0;
    b->stack[top++] = start;
    while (top > 0) {
        uint16_t pc = b->stack[--top];
        if (b->mark[pc] == b->stamp) continue;
        b->mark[pc] = b->stamp;
        if (b->budget > 0) b->budget--;
        const regex_inst *in = &re->program[pc];
        switch (in->op) {
        case INST_MATCH:
            return true;
        case INST_SPLIT:
            b->stack[top++] = in->y;
            b->stack[top++] = in->x;
            break;
        case INST_CHAR:
            if (class < re->n_classes && re->member[(size_t)in->arg * re->n_classes + class] && b->next_mark[in->x] != b->stamp) {
                b->next_mark[in->x] = b->stamp;
                b->list[(*n)++] = in->x;
            }
            break;
        default:
            if (regex_condition(re, in, before, class)) b->stack[top++] = in->x;
        }
    }
    return false;
}

static uint16_t make_entry(builder *b, const state *s, uint32_t class) {
    uint32_t n = 0;
    bool match = false;
    b->stamp++;
    for (uint32_t i = 0; i < s->n && !match; i++) match = follow(b, b->pool[s->at + i], s->before, class, &n);
    uint32_t before = class < b->re->n_classes ? b->re->before[class] & b->re->before_used : 0;
    uint32_t to = intern_state(b, b->list, n, before);
    return (uint16_t)(to | (match ? REGEX_MATCH : 0));
}

static bool prepare(builder *b) {
    uint32_t n = b->re->n_program;
    b->states = SUAN_ARENA_NEW(&b->scratch, state, b->max_states);
    b->mark = SUAN_ARENA_NEW(&b->scratch, uint32_t, n);
    b->next_mark = SUAN_ARENA_NEW(&b->scratch, uint32_t, n);
    b->stack = SUAN_ARENA_NEW(&b->scratch, uint16_t, 2 * (size_t)n + 2); /* each instruction pushes at most two, once */
    b->list = SUAN_ARENA_NEW(&b->scratch, uint16_t, n);
    memset(b->bucket, 0xFF, sizeof b->bucket);
    b->n_states = 1; /* 0 is dead */
    return b->states && b->mark && b->next_mark && b->stack && b->list;
}

static bool build(builder *b, suan__arena *arena) {
    suan__regex *re = b->re;
    unsigned shift = 0;
    while ((1u << shift) < re->n_classes + 1) shift++;
    b->max_states = SUAN__REGEX_MAX_STATES;
    if (!prepare(b)) return false;
    uint16_t entry = re->entry;
    for (unsigned before = 0; before < 8; before++) {
        re->start[before] = (uint16_t)intern_state(b, &entry, 1, before & re->before_used);
    }
    uint16_t *table = SUAN_ARENA_NEW(&b->scratch, uint16_t, (size_t)b->max_states << shift);
    if (!table) return false;
    for (uint32_t i = 1; i < b->n_states; i++) {
        for (uint32_t c = 0; c <= re->n_classes; c++) {
            state s = b->states[i]; /* a copy: the pool may move */
            table[((size_t)i << shift) + c] = make_entry(b, &s, c);
        }
        if (b->failed) return false;
        if (b->too_large || b->budget == 0) return true;
    }
    re->table = SUAN_ARENA_NEW(arena, uint16_t, (size_t)b->n_states << shift);
    if (!re->table) return false;
    memcpy(re->table, table, ((size_t)b->n_states << shift) * sizeof *table);
    re->shift = shift;
    return true;
}

bool suan__regex_build_table(suan__regex *re, suan__arena *arena) {
    /* The budget bounds the time that a hostile expression may take here: about 10 ns a step. */
    builder b = {.re = re, .budget = 4000000};
    suan__arena_init(&b.scratch, 1 << 16);
    bool ok = build(&b, arena);
    suan__arena_fini(&b.scratch);
    return ok;
}
