/* grammar_automaton.c: the deterministic automaton of a grammar, made a state at a time.
 *
 * A configuration is a place in the program (an instruction that reads) and a stack: (pc, frame), where a frame holds where to return to,
 * how often a repetition came round, and the frame below. Frames are interned: equal stacks are one number, and stacks share what they have
 * in common. A state is the set of configurations that a text leads to; states are interned too, and a transition is looked up in a table
 * once it was made.
 *
 * A closure takes configurations through everything that reads nothing (choices, calls, returns, counts). It keeps what it has seen, so
 * circles that read nothing end. Left recursion, which would push frames for ever, was refused when the grammar was compiled. A repetition
 * whose body may be empty is entered again only if its frame was not pushed within this closure: going round with nothing read gains
 * nothing, since fewer rounds used allow all that more allow.
 *
 * A byte that would lead to more configurations than the limit, or a stack that would be higher, is not allowed: fewer texts are possible
 * then, never more, and the same ones whatever was looked at before.
 */
#include <stdlib.h>
#include <string.h>

#include "text/grammar_internal.h"

enum { MAX_SEEN = 4 * SUAN__GRAMMAR_MAX_CONFIGS, MAX_AHEAD = 16 };

static uint32_t mix_hash(uint32_t h, uint32_t x) {
    h = (h ^ x) * 0x9E3779B1u;
    return h ^ h >> 15;
}

/* ---- growing ---- */

static bool grow(suan__automaton *a, void **array, uint32_t *capacity, size_t size, uint64_t n) {
    if (n <= *capacity) return true;
    uint64_t grown = n + n / 2 + 16;
    void *p = grown < UINT32_MAX ? suan__realloc(*array, (size_t)grown, size) : NULL;
    if (!p) {
        a->no_memory = true;
        return false;
    }
    *array = p;
    *capacity = (uint32_t)grown;
    return true;
}

/* A table of slots with at least twice as many places as entries; entries are put in anew by the caller. False: out of memory. */
static bool grow_slots(suan__automaton *a, uint32_t **slots, uint32_t *mask, uint32_t n, bool *is_new) {
    *is_new = false;
    if (*slots && n < *mask / 2) return true;
    uint32_t wider = *slots ? *mask * 2 + 1 : 255;
    uint32_t *s = suan__calloc((size_t)wider + 1, sizeof *s);
    if (!s) {
        a->no_memory = true;
        return false;
    }
    suan__free(*slots);
    *slots = s;
    *mask = wider;
    *is_new = true;
    return true;
}

static void pool_fini(suan__pool *p) {
    for (uint32_t i = STATE_FIRST; i < p->n_state; i++) suan__free(p->state[i].mask);
    suan__free(p->frame);
    suan__free(p->state);
    suan__free(p->config);
    suan__free(p->next);
    suan__free(p->frame_slot);
    suan__free(p->state_slot);
    *p = (suan__pool){0};
}

/* ---- frames ---- */

static uint32_t hash_frame(const suan__frame *f) {
    return mix_hash(mix_hash(mix_hash(0, f->pc), f->count), f->parent);
}

/* The number of a frame; UINT32_MAX when out of memory. */
static uint32_t intern_frame(suan__automaton *a, uint32_t pc, uint32_t count, uint32_t parent) {
    suan__pool *p = &a->pool;
    suan__frame f = {pc, count, parent, p->n_frame > 0 ? p->frame[parent].depth + 1 : 0};
    bool is_new;
    if (!grow_slots(a, &p->frame_slot, &p->frame_mask, p->n_frame, &is_new)) return UINT32_MAX;
    for (uint32_t i = 0; is_new && i < p->n_frame; i++) {
        uint32_t at = hash_frame(&p->frame[i]) & p->frame_mask;
        while (p->frame_slot[at]) at = (at + 1) & p->frame_mask;
        p->frame_slot[at] = i + 1;
    }
    uint32_t at = hash_frame(&f) & p->frame_mask;
    for (; p->frame_slot[at]; at = (at + 1) & p->frame_mask) {
        const suan__frame *g = &p->frame[p->frame_slot[at] - 1];
        if (g->pc == pc && g->count == count && g->parent == parent && g->depth == f.depth) return p->frame_slot[at] - 1;
    }
    if (!grow(a, (void **)&p->frame, &p->c_frame, sizeof *p->frame, (uint64_t)p->n_frame + 1)) return UINT32_MAX;
    p->frame[p->n_frame] = f;
    p->frame_slot[at] = ++p->n_frame;
    return p->n_frame - 1;
}

/* ---- states ---- */

static bool same_configs(const suan__pool *p, const suan__state *s, const uint64_t *config, uint32_t n) {
    return s->n == n && (n == 0 || memcmp(p->config + s->first, config, n * sizeof *config) == 0);
}

static void describe_state(suan__automaton *a, suan__state *s, const uint64_t *config) {
    for (uint32_t i = 0; i < s->n; i++) {
        uint8_t op = a->grammar->program.inst[config[i] >> 32].op;
        s->has_token |= op == I_TOKEN;
        s->has_until |= op == I_UNTIL;
    }
}

/* The state of ascending configurations; STATE_UNKNOWN when out of memory. */
static uint32_t intern_state(suan__automaton *a, const uint64_t *config, uint32_t n, bool is_complete) {
    suan__pool *p = &a->pool;
    suan__state s = {.n = n, .is_complete = is_complete, .hash = mix_hash(n, is_complete)};
    bool is_new;
    uint32_t n_classes = a->grammar->program.n_classes;
    if (n == 0 && !is_complete) return STATE_DEAD;
    for (uint32_t i = 0; i < n; i++) s.hash = mix_hash(mix_hash(s.hash, (uint32_t)(config[i] >> 32)), (uint32_t)config[i]);
    if (!grow_slots(a, &p->state_slot, &p->state_mask, p->n_state, &is_new)) return STATE_UNKNOWN;
    for (uint32_t i = STATE_FIRST; is_new && i < p->n_state; i++) {
        uint32_t at = p->state[i].hash & p->state_mask;
        while (p->state_slot[at]) at = (at + 1) & p->state_mask;
        p->state_slot[at] = i;
    }
    uint32_t at = s.hash & p->state_mask;
    for (; p->state_slot[at]; at = (at + 1) & p->state_mask) {
        const suan__state *t = &p->state[p->state_slot[at]];
        if (t->hash == s.hash && t->is_complete == is_complete && same_configs(p, t, config, n)) return p->state_slot[at];
    }
    if (!grow(a, (void **)&p->state, &p->c_state, sizeof *p->state, (uint64_t)p->n_state + 1) ||
        !grow(a, (void **)&p->config, &p->c_config, sizeof *p->config, (uint64_t)p->n_config + n) ||
        !grow(a, (void **)&p->next, &p->c_next, sizeof *p->next, ((uint64_t)p->n_state + 1) * n_classes))
        return STATE_UNKNOWN;
    s.first = p->n_config;
    describe_state(a, &s, config);
    if (n) memcpy(p->config + p->n_config, config, n * sizeof *config);
    p->n_config += n;
    p->state[p->n_state] = s;
    memset(p->next + (size_t)p->n_state * n_classes, 0, n_classes * sizeof *p->next);
    p->state_slot[at] = p->n_state;
    return p->n_state++;
}

static bool pool_init(suan__automaton *a) {
    suan__pool *p = &a->pool;
    *p = (suan__pool){0};
    p->n_state = STATE_FIRST;
    uint32_t n_classes = a->grammar->program.n_classes;
    if (!grow(a, (void **)&p->state, &p->c_state, sizeof *p->state, STATE_FIRST) ||
        !grow(a, (void **)&p->next, &p->c_next, sizeof *p->next, (uint64_t)STATE_FIRST * n_classes) ||
        intern_frame(a, PC_RETURN, 0, 0) != 0)
        return false;
    memset(p->state, 0, STATE_FIRST * sizeof *p->state);
    for (size_t i = 0; i < (size_t)STATE_FIRST * n_classes; i++) p->next[i] = STATE_DEAD;
    return true;
}

/* ---- closures ---- */

static void closure_begin(suan__automaton *a) {
    a->n_todo = a->n_out = a->n_seen = 0;
    a->complete = a->overflow = false;
    if (++a->stamp == 0) { /* stamps of long ago must not look new */
        memset(a->seen_at, 0, ((size_t)a->seen_mask + 1) * sizeof *a->seen_at);
        memset(a->frame_at, 0, a->c_frame_at * sizeof *a->frame_at);
        a->stamp = 1;
    }
}

static bool grow_seen(suan__automaton *a) {
    if (a->seen && a->n_seen < a->seen_mask / 2) return true;
    uint32_t mask = a->seen ? a->seen_mask * 2 + 1 : 255;
    uint64_t *seen = suan__malloc(((size_t)mask + 1) * sizeof *seen);
    uint32_t *at = suan__calloc((size_t)mask + 1, sizeof *at);
    if (!seen || !at) {
        suan__free(seen);
        suan__free(at);
        a->no_memory = true;
        return false;
    }
    for (uint32_t i = 0; a->seen && i <= a->seen_mask; i++) {
        if (a->seen_at[i] != a->stamp) continue;
        uint32_t to = mix_hash((uint32_t)(a->seen[i] >> 32), (uint32_t)a->seen[i]) & mask;
        while (at[to] == a->stamp) to = (to + 1) & mask;
        seen[to] = a->seen[i];
        at[to] = a->stamp;
    }
    suan__free(a->seen);
    suan__free(a->seen_at);
    a->seen = seen;
    a->seen_at = at;
    a->seen_mask = mask;
    return true;
}

/* One more configuration to go on from, if it was not seen before. */
static void closure_add(suan__automaton *a, uint32_t pc, uint32_t frame) {
    uint64_t config = (uint64_t)pc << 32 | frame;
    if (a->no_memory || a->grammar->program.inst[pc].op == I_FAIL) return;
    if (a->n_seen >= MAX_SEEN) {
        a->overflow = true;
        return;
    }
    if (!grow_seen(a) || !grow(a, (void **)&a->todo, &a->c_todo, sizeof *a->todo, (uint64_t)a->n_todo + 1)) return;
    uint32_t at = mix_hash(pc, frame) & a->seen_mask;
    for (; a->seen_at[at] == a->stamp; at = (at + 1) & a->seen_mask) {
        if (a->seen[at] == config) return;
    }
    a->seen[at] = config;
    a->seen_at[at] = a->stamp;
    a->n_seen++;
    a->work++;
    a->todo[a->n_todo++] = config;
}

/* Goes to pc with one more frame. */
static void closure_push(suan__automaton *a, uint32_t to, uint32_t pc, uint32_t count, uint32_t parent) {
    if (a->pool.frame[parent].depth >= SUAN__GRAMMAR_MAX_STACK) {
        a->is_cut = true;
        return;
    }
    uint32_t frame = intern_frame(a, pc, count, parent), had = a->c_frame_at;
    if (frame == UINT32_MAX || !grow(a, (void **)&a->frame_at, &a->c_frame_at, sizeof *a->frame_at, (uint64_t)frame + 1)) return;
    if (a->c_frame_at > had) memset(a->frame_at + had, 0, (a->c_frame_at - had) * sizeof *a->frame_at);
    a->frame_at[frame] = a->stamp;
    closure_add(a, to, frame);
}

/* A repetition after `count` rounds. */
static void closure_repeat(suan__automaton *a, uint32_t pc, uint32_t count, uint32_t frame) {
    const suan__inst *in = &a->grammar->program.inst[pc];
    const suan__count *c = &a->grammar->program.count[in->y];
    if (count >= c->min) closure_add(a, in->z, frame);
    if (count >= c->max) return;
    uint32_t round = c->max == SUAN__NO_END && count >= c->min ? c->min : count + 1; /* without an end rounds beyond min are alike */
    closure_push(a, in->x, pc, round, frame);
}

static void closure_return(suan__automaton *a, uint32_t frame) {
    if (frame == 0) {
        a->complete = true;
        return;
    }
    suan__frame f = a->pool.frame[frame];
    const suan__inst *in = &a->grammar->program.inst[f.pc];
    if (f.count == 0)
        closure_add(a, f.pc, f.parent);
    else if (!in->arg || frame >= a->c_frame_at || a->frame_at[frame] != a->stamp)
        closure_repeat(a, f.pc, f.count, f.parent);
}

static void closure_step(suan__automaton *a, uint64_t config) {
    const suan__program *p = &a->grammar->program;
    uint32_t pc = (uint32_t)(config >> 32), frame = (uint32_t)config;
    const suan__inst *in = &p->inst[pc];
    switch ((inst_op)in->op) {
    case I_JUMP:
        closure_add(a, in->x, frame);
        return;
    case I_SPLIT:
        for (uint32_t i = 0; i < in->y; i++) closure_add(a, p->target[in->x + i], frame);
        return;
    case I_CALL:
        closure_push(a, in->x, in->y, 0, frame);
        return;
    case I_RETURN:
        closure_return(a, frame);
        return;
    case I_REPEAT:
        closure_repeat(a, pc, 0, frame);
        return;
    case I_TOKEN:
        if (a->token_id[in->x] < 0 && !a->grammar->ir.token[in->x].negated) {
            closure_add(a, in->z, frame);
            return;
        }
        break;
    case I_UNTIL:
        if (in->arg) closure_add(a, p->target[in->z - 1], frame);
        break;
    default:
        break;
    }
    if (a->n_out >= SUAN__GRAMMAR_MAX_CONFIGS)
        a->overflow = true;
    else if (grow(a, (void **)&a->out, &a->c_out, sizeof *a->out, (uint64_t)a->n_out + 1))
        a->out[a->n_out++] = config;
}

static int compare_configs(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The state of all that was added and what it leads to. STATE_UNKNOWN when out of memory. */
static uint32_t closure_end(suan__automaton *a) {
    while (a->n_todo > 0 && !a->no_memory && !a->overflow) closure_step(a, a->todo[--a->n_todo]);
    if (a->no_memory) return STATE_UNKNOWN;
    if (a->overflow) {
        a->is_cut = true;
        return STATE_DEAD;
    }
    if (a->n_out > 32) {
        qsort(a->out, a->n_out, sizeof *a->out, compare_configs);
    } else {
        for (uint32_t i = 1; i < a->n_out; i++) {
            uint64_t x = a->out[i];
            uint32_t k = i;
            for (; k > 0 && a->out[k - 1] > x; k--) a->out[k] = a->out[k - 1];
            a->out[k] = x;
        }
    }
    return intern_state(a, a->out, a->n_out, a->complete);
}

/* Where an instruction that reads leads with a byte; PC_FAIL: nowhere. */
static uint32_t read_byte(const suan__program *p, const suan__ir *ir, const suan__inst *in, uint8_t byte) {
    if (in->op == I_BYTE) return in->arg == byte ? in->x : PC_FAIL;
    if (in->op != I_TABLE && in->op != I_UNTIL) return PC_FAIL;
    uint16_t entry = ir->row[in->x][byte];
    if (entry == TABLE_DEAD) return PC_FAIL;
    return entry & TABLE_EXIT ? p->target[in->z + (entry & ~TABLE_EXIT)] : in->y + entry - 1;
}

uint32_t suan__automaton_make(suan__automaton *a, uint32_t state, uint32_t class) {
    const suan__program *p = &a->grammar->program;
    uint8_t byte = p->example[class];
    if (a->no_memory) return STATE_DEAD;
    closure_begin(a);
    for (uint32_t i = 0; i < a->pool.state[state].n; i++) {
        uint64_t config = a->pool.config[a->pool.state[state].first + i];
        uint32_t to = read_byte(p, &a->grammar->ir, &p->inst[config >> 32], byte);
        a->work++;
        if (to != PC_FAIL) closure_add(a, to, (uint32_t)config);
    }
    uint32_t to = closure_end(a);
    if (to == STATE_UNKNOWN) return STATE_DEAD;
    a->pool.next[(size_t)state * p->n_classes + class] = to;
    return to;
}

uint32_t suan__automaton_start(suan__automaton *a) {
    if (a->pool.start != STATE_UNKNOWN) return a->pool.start;
    closure_begin(a);
    closure_add(a, a->grammar->program.start, 0);
    uint32_t state = closure_end(a);
    if (state == STATE_UNKNOWN) return STATE_DEAD;
    a->pool.start = state;
    return state;
}

uint32_t suan__automaton_walk(suan__automaton *a, uint32_t state, const char *s, size_t n) {
    const uint8_t *class_of = a->grammar->program.class_of;
    for (size_t i = 0; i < n && state != STATE_DEAD; i++) state = suan__automaton_next(a, state, class_of[(unsigned char)s[i]]);
    return state;
}

/* ---- tokens ---- */

bool suan__automaton_wants(const suan__automaton *a, const suan__inst *in, const suan_vocabulary *v, int32_t id) {
    if (in->op != I_TOKEN) return false;
    int32_t wanted = a->token_id[in->x];
    if (!a->grammar->ir.token[in->x].negated) return id == wanted;
    return id != wanted && v->kind[id] != TOKEN_END && suan_tokenizer_token_type(v->tokenizer, id) != SUAN_TOKEN_UNUSED;
}

/* A special token inside free text: its bytes go through the markers' automaton, and must end inside the text or with a marker. PC_FAIL: no. */
static uint32_t read_special(const suan__automaton *a, uint32_t pc, const suan_vocabulary *v, int32_t id) {
    const suan__program *p = &a->grammar->program;
    size_t n;
    const char *s = suan_tokenizer_token_bytes(v->tokenizer, id, &n);
    bool is_inside = true;
    for (size_t i = 0; i < n; i++) {
        if (!is_inside) return PC_FAIL;
        const suan__inst *in = &p->inst[pc];
        uint16_t entry = a->grammar->ir.row[in->x][(unsigned char)s[i]];
        is_inside = !(entry & TABLE_EXIT);
        pc = read_byte(p, &a->grammar->ir, in, (unsigned char)s[i]);
    }
    return is_inside && v->kind[id] == TOKEN_END ? PC_FAIL : pc;
}

bool suan__automaton_special(const suan__automaton *a, uint32_t state, const suan_vocabulary *v, int32_t id) {
    const suan__state *s = &a->pool.state[state];
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t pc = (uint32_t)(a->pool.config[s->first + i] >> 32);
        if (a->grammar->program.inst[pc].op == I_UNTIL && read_special(a, pc, v, id) != PC_FAIL) return true;
    }
    return false;
}

uint32_t suan__automaton_token(suan__automaton *a, uint32_t state, const suan_vocabulary *v, int32_t id) {
    const suan__program *p = &a->grammar->program;
    size_t n;
    const char *s = suan_tokenizer_token_bytes(v->tokenizer, id, &n);
    bool is_text = v->kind[id] == TOKEN_TEXT;
    uint32_t by_bytes = is_text ? suan__automaton_walk(a, state, s, n) : STATE_DEAD;
    if ((is_text && !a->pool.state[state].has_token) || a->no_memory) return by_bytes;
    closure_begin(a);
    for (uint32_t i = 0; i < a->pool.state[state].n; i++) {
        uint64_t config = a->pool.config[a->pool.state[state].first + i];
        const suan__inst *in = &p->inst[config >> 32];
        if (suan__automaton_wants(a, in, v, id)) closure_add(a, in->y, (uint32_t)config);
        uint32_t to = !is_text && in->op == I_UNTIL ? read_special(a, (uint32_t)(config >> 32), v, id) : PC_FAIL;
        if (to != PC_FAIL) closure_add(a, to, (uint32_t)config);
    }
    for (uint32_t i = 0; by_bytes != STATE_DEAD && i < a->pool.state[by_bytes].n; i++) {
        uint64_t config = a->pool.config[a->pool.state[by_bytes].first + i];
        closure_add(a, (uint32_t)(config >> 32), (uint32_t)config);
    }
    a->complete |= by_bytes != STATE_DEAD && a->pool.state[by_bytes].is_complete;
    uint32_t to = closure_end(a);
    return to == STATE_UNKNOWN ? STATE_DEAD : to;
}

/* ---- characters that lead on alike ---- */

/* The state that every byte of [first, last] leads to; STATE_UNKNOWN when they differ. */
static uint32_t all_lead_to(suan__automaton *a, uint32_t state, unsigned first, unsigned last) {
    const uint8_t *class_of = a->grammar->program.class_of;
    uint32_t to = suan__automaton_next(a, state, class_of[first]);
    for (unsigned b = first + 1; b <= last; b++) {
        if (class_of[b] != class_of[b - 1] && suan__automaton_next(a, state, class_of[b]) != to) return STATE_UNKNOWN;
    }
    return to;
}

/* Whether all characters of a lead byte in [first, last], a second byte in [low, high] and n_more bytes behind lead to `onward`. */
static bool all_arrive(suan__automaton *a, uint32_t state, uint32_t onward, unsigned first, unsigned last, unsigned low, unsigned high,
                       int n_more) {
    uint32_t to = all_lead_to(a, state, first, last);
    if (to > STATE_DEAD) to = all_lead_to(a, to, low, high);
    for (; n_more > 0 && to > STATE_DEAD; n_more--) to = all_lead_to(a, to, 0x80, 0xBF);
    return to == onward;
}

/* The groups of which every character leads to `onward`. Characters beyond ASCII as in the table of well-formed UTF-8 of the Unicode standard (3-7). */
static uint64_t find_alike(suan__automaton *a, uint32_t state, uint32_t onward) {
    const uint8_t *class_of = a->grammar->program.class_of;
    uint64_t alike = UINT64_MAX >> (64 - N_GROUPS);
    for (unsigned c = 0; c < 128; c++) {
        if (suan__automaton_next(a, state, class_of[c]) != onward) alike &= ~((uint64_t)1 << suan__vocab_group((unsigned char)c));
    }
    if (all_lead_to(a, state, 0x80, 0xFF) == onward) return alike;
    bool two = all_arrive(a, state, onward, 0xC2, 0xDF, 0x80, 0xBF, 0);
    bool three = all_arrive(a, state, onward, 0xE1, 0xEC, 0x80, 0xBF, 1) && all_arrive(a, state, onward, 0xEE, 0xEF, 0x80, 0xBF, 1) &&
                 all_arrive(a, state, onward, 0xE0, 0xE0, 0xA0, 0xBF, 1) && all_arrive(a, state, onward, 0xED, 0xED, 0x80, 0x9F, 1);
    bool four = all_arrive(a, state, onward, 0xF1, 0xF3, 0x80, 0xBF, 2) && all_arrive(a, state, onward, 0xF0, 0xF0, 0x90, 0xBF, 2) &&
                all_arrive(a, state, onward, 0xF4, 0xF4, 0x80, 0x8F, 2);
    if (!two) alike &= ~((uint64_t)1 << GROUP_TWO);
    if (!three) alike &= ~((uint64_t)1 << GROUP_THREE);
    if (!four) alike &= ~((uint64_t)1 << GROUP_FOUR);
    return alike & ~((uint64_t)1 << GROUP_BROKEN);
}

/* Only states that letters or digits lead on from alike are looked at closely. */
static void know_alike(suan__automaton *a, uint32_t state) {
    uint32_t onward = all_lead_to(a, state, 'a', 'z');
    if (onward <= STATE_DEAD) onward = all_lead_to(a, state, '0', '9');
    uint64_t alike = onward > STATE_DEAD ? find_alike(a, state, onward) : 0;
    suan__state *s = &a->pool.state[state];
    s->alike = alike;
    s->onward = onward;
    s->knows_alike = true;
}

/* Inside a string without an end a state leads back to itself; inside one whose characters are counted a chain of states goes on, which is followed
 * for some characters only: it may be long, and its states are made for this. */
bool suan__automaton_takes_all(suan__automaton *a, uint32_t state, uint64_t groups, unsigned rest) {
    for (unsigned i = 0; i < rest; i++) {
        if (!a->pool.state[state].knows_alike) know_alike(a, state);
        const suan__state *s = &a->pool.state[state];
        if (groups & ~s->alike) return false;
        if (s->onward == state) return true;
        if (rest > MAX_AHEAD) return false;
        state = s->onward;
    }
    return true;
}

/* ---- memory ---- */

size_t suan__automaton_bytes(const suan__automaton *a) {
    const suan__pool *p = &a->pool;
    return p->n_frame * (sizeof *p->frame + 2 * sizeof *p->frame_slot) + p->n_state * (sizeof *p->state + 2 * sizeof *p->state_slot) +
           p->n_config * sizeof *p->config + (size_t)p->n_state * a->grammar->program.n_classes * sizeof *p->next + p->mask_bytes;
}

/* The frame of the old pool in the new one: the stack is gone down to what was moved before, and put up again. moved: [old n_frame], 0: not
 * yet (the empty stack stays 0). */
static uint32_t move_frame(suan__automaton *a, const suan__pool *old, uint32_t *moved, uint32_t frame, uint32_t *path) {
    uint32_t n = 0;
    for (; frame != 0 && moved[frame] == 0; frame = old->frame[frame].parent) path[n++] = frame;
    uint32_t to = frame == 0 ? 0 : moved[frame];
    while (n > 0 && to != UINT32_MAX) {
        const suan__frame *f = &old->frame[path[--n]];
        to = intern_frame(a, f->pc, f->count, to);
        moved[path[n]] = to;
    }
    return to;
}

static uint32_t move_state(suan__automaton *a, const suan__pool *old, uint32_t *moved, uint32_t state, uint32_t *path) {
    const suan__state *s = &old->state[state];
    closure_begin(a);
    if (!grow(a, (void **)&a->out, &a->c_out, sizeof *a->out, s->n)) return STATE_UNKNOWN;
    for (uint32_t i = 0; i < s->n; i++) {
        uint64_t config = old->config[s->first + i];
        uint32_t frame = move_frame(a, old, moved, (uint32_t)config, path);
        if (frame == UINT32_MAX) return STATE_UNKNOWN;
        a->out[a->n_out++] = config >> 32 << 32 | frame;
    }
    a->complete = s->is_complete;
    return closure_end(a);
}

bool suan__automaton_trim(suan__automaton *a) {
    if (suan__automaton_bytes(a) <= a->trim_at) return true;
    suan__pool old = a->pool;
    a->pool = (suan__pool){0};
    uint32_t *moved = suan__calloc(old.n_frame, sizeof *moved), *path = suan__malloc(SUAN__GRAMMAR_MAX_STACK * sizeof *path + sizeof *path);
    bool ok = moved && path && pool_init(a);
    for (suan_matcher *m = a->matchers; m && ok; m = m->behind) {
        m->moved = m->state < STATE_FIRST ? m->state : move_state(a, &old, moved, m->state, path);
        ok = m->moved != STATE_UNKNOWN;
    }
    suan__free(moved);
    suan__free(path);
    if (!ok) {
        pool_fini(&a->pool);
        a->pool = old;
        return false;
    }
    for (suan_matcher *m = a->matchers; m; m = m->behind) m->state = m->moved;
    pool_fini(&old);
    if (a->c_frame_at) memset(a->frame_at, 0, a->c_frame_at * sizeof *a->frame_at);
    size_t live = suan__automaton_bytes(a);
    a->trim_at = live < SUAN__GRAMMAR_CACHE_BYTES / 2 ? SUAN__GRAMMAR_CACHE_BYTES : 2 * live;
    return true;
}

/* ---- beginning and end ---- */

/* The tokens that the grammar names, in this vocabulary. */
static suan_status find_tokens(suan__automaton *a, const suan_vocabulary *v, suan_error *err) {
    const suan__ir *ir = &a->grammar->ir;
    for (uint32_t i = 0; i < ir->n_token; i++) {
        const suan__ir_token *t = &ir->token[i];
        int32_t id = t->id >= 0 ? t->id : suan_tokenizer_find(v->tokenizer, ir->bytes + t->text, t->n);
        SUAN_CHECK(t->id < 0 || (uint32_t)t->id < v->n_vocab, SUAN_ERANGE, "grammar: names token %d, but the vocabulary has %u tokens",
                   t->id, v->n_vocab);
        suan_token_type type = suan_tokenizer_token_type(v->tokenizer, id);
        bool is_one = t->id >= 0 || type == SUAN_TOKEN_CONTROL || type == SUAN_TOKEN_USER_DEFINED;
        a->token_id[i] = is_one ? id : -1;
    }
    return SUAN_OK;
}

suan_status suan__automaton_create(suan__automaton **made, const suan_grammar *g, const suan_vocabulary *v, suan_error *err) {
    *made = NULL;
    suan__automaton *a = suan__calloc(1, sizeof *a);
    suan_status status = SUAN_OK;
    SUAN_CHECK(a, SUAN_ENOMEM, "grammar: out of memory");
    pthread_mutex_init(&a->lock, NULL);
    a->grammar = g;
    a->n_vocab = v->n_vocab;
    a->trim_at = SUAN__GRAMMAR_CACHE_BYTES;
    memcpy(a->fingerprint, v->fingerprint, sizeof a->fingerprint);
    a->token_id = suan__malloc(g->ir.n_token * sizeof *a->token_id);
    SUAN_CHECK_GOTO(a->token_id && grow_seen(a) && pool_init(a), SUAN_ENOMEM, "grammar: out of memory");
    SUAN_TRY_GOTO(find_tokens(a, v, err));
    *made = a;
    return SUAN_OK;
fail:
    suan__automaton_free(a);
    return status;
}

void suan__automaton_free(suan__automaton *a) {
    if (!a) return;
    pool_fini(&a->pool);
    suan__free(a->token_id);
    suan__free(a->seen);
    suan__free(a->seen_at);
    suan__free(a->todo);
    suan__free(a->out);
    suan__free(a->frame_at);
    pthread_mutex_destroy(&a->lock);
    suan__free(a);
}

suan_status suan__automaton_check(const suan__automaton *a, suan_error *err) {
    SUAN_CHECK(!a->no_memory, SUAN_ENOMEM, "grammar: out of memory for states");
    SUAN_CHECK(a->work <= SUAN__GRAMMAR_MAX_WORK, SUAN_ELIMIT, "grammar: more than %d steps for one mask", SUAN__GRAMMAR_MAX_WORK);
    return SUAN_OK;
}
