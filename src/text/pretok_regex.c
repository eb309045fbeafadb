/* pretok_regex.c: from the tree of a regular expression to a program over classes of code points. */
#include "text/pretok_regex.h"

#include <stdlib.h>
#include <string.h>

#include "text/pretok_regex_internal.h"

/* ---- The program ---- */

typedef struct emitter {
    regex_inst *program;
    uint32_t n;
    uint8_t before_used;
    bool too_long;
} emitter;

static uint16_t emit_inst(emitter *e, regex_inst in) {
    if (e->n == SUAN__REGEX_MAX_PROGRAM) {
        e->too_long = true;
        return 0;
    }
    e->program[e->n] = in;
    return (uint16_t)e->n++;
}

static uint16_t emit_split(emitter *e, uint16_t body, uint16_t next, bool lazy) {
    return emit_inst(e, (regex_inst){.op = INST_SPLIT, .x = lazy ? next : body, .y = lazy ? body : next});
}

/* Emits code that matches the node and goes on at `next`; returns its entry. The depth of nodes is bounded by the parser. */
static uint16_t emit(emitter *e, const regex_node *node, uint16_t next) {
    if (e->too_long) return 0;
    switch (node->type) {
    case NODE_EMPTY:
        return next;
    case NODE_SET:
        return emit_inst(e, (regex_inst){.op = INST_CHAR, .arg = (uint8_t)node->set, .x = next});
    case NODE_LOOK: {
        uint8_t flag = (uint8_t)((node->negative ? 1 : 0) | (node->or_end ? 2 : 0));
        return emit_inst(e, (regex_inst){.op = INST_LOOK, .arg = (uint8_t)node->set, .flag = flag, .x = next});
    }
    case NODE_CONTEXT:
        e->before_used |= node->context == CONTEXT_TEXT_BEGIN
                              ? BEFORE_TEXT
                              : (node->context == CONTEXT_LINE_BEGIN ? BEFORE_TEXT | BEFORE_NEWLINE : BEFORE_WORD);
        return emit_inst(e, (regex_inst){.op = INST_CONTEXT, .arg = (uint8_t)node->context, .x = next});
    case NODE_CAT:
        for (uint32_t i = node->n_kids; i-- > 0;) next = emit(e, node->kids[i], next);
        return next;
    case NODE_ALT: {
        uint16_t entry = emit(e, node->kids[node->n_kids - 1], next);
        for (uint32_t i = node->n_kids - 1; i-- > 0;) entry = emit_split(e, emit(e, node->kids[i], next), entry, false);
        return entry;
    }
    case NODE_REPEAT:
        break;
    }
    int copies = node->min;
    uint16_t entry = next;
    if (node->max < 0) {
        uint16_t loop = emit_split(e, 0, next, node->lazy);
        uint16_t body = emit(e, node->kids[0], loop);
        if (e->too_long) return 0;
        if (node->lazy)
            e->program[loop].y = body;
        else
            e->program[loop].x = body;
        entry = copies > 0 ? body : loop;
        if (copies > 0) copies--;
    } else {
        for (int i = node->min; i < node->max && !e->too_long; i++) entry = emit_split(e, emit(e, node->kids[0], entry), next, node->lazy);
    }
    for (int i = 0; i < copies && !e->too_long; i++) {
        uint32_t before = e->n;
        entry = emit(e, node->kids[0], entry);
        if (e->n == before) break; /* the body is empty: more copies change nothing, however deeply they are nested */
    }
    return entry;
}

/* ---- Classes: code points that no set of the expression tells apart ---- */

typedef struct signature {
    uint64_t bits[4];
} signature;

typedef struct class_builder {
    const regex_sets *sets;
    uint32_t *bounds; /* first code points of segments, sorted */
    uint32_t n_bounds;
    uint8_t *segment_class;
    signature *signatures;
    uint32_t n_classes;
} class_builder;

static int compare_u32(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static suan_status find_bounds(class_builder *b, suan__arena *scratch, suan_error *err) {
    size_t n = 1;
    for (int i = 0; i < b->sets->n; i++) n += 2 * (size_t)b->sets->set[i].n;
    b->bounds = SUAN_ARENA_NEW(scratch, uint32_t, n);
    b->segment_class = SUAN_ARENA_NEW(scratch, uint8_t, n);
    b->signatures = SUAN_ARENA_NEW(scratch, signature, SUAN__REGEX_MAX_CLASSES);
    SUAN_CHECK(b->bounds && b->segment_class && b->signatures, SUAN_ENOMEM, "out of memory for a regular expression");
    size_t k = 0;
    b->bounds[k++] = 0;
    for (int i = 0; i < b->sets->n; i++) {
        const suan__cpset *s = &b->sets->set[i];
        for (uint32_t r = 0; r < s->n; r++) {
            b->bounds[k++] = s->r[r].first;
            if (s->r[r].last < 0x10FFFF) b->bounds[k++] = s->r[r].last + 1;
        }
    }
    qsort(b->bounds, k, sizeof *b->bounds, compare_u32);
    uint32_t out = 0;
    for (size_t i = 1; i < k; i++) {
        if (b->bounds[i] != b->bounds[out]) b->bounds[++out] = b->bounds[i];
    }
    b->n_bounds = out + 1;
    return SUAN_OK;
}

static suan_status find_classes(class_builder *b, suan_error *err) {
    uint32_t cursor[SUAN__REGEX_MAX_SETS] = {0};
    for (uint32_t i = 0; i < b->n_bounds; i++) {
        signature sig = {{0}};
        for (int s = 0; s < b->sets->n; s++) {
            const suan__cpset *set = &b->sets->set[s];
            while (cursor[s] < set->n && set->r[cursor[s]].last < b->bounds[i]) cursor[s]++;
            if (cursor[s] < set->n && set->r[cursor[s]].first <= b->bounds[i]) sig.bits[s / 64] |= 1ull << (s % 64);
        }
        uint32_t c = 0;
        while (c < b->n_classes && memcmp(&b->signatures[c], &sig, sizeof sig) != 0) c++;
        if (c == b->n_classes) {
            SUAN_CHECK(c < SUAN__REGEX_MAX_CLASSES, SUAN_ELIMIT, "regular expression tells more than %d kinds of characters apart",
                       SUAN__REGEX_MAX_CLASSES);
            b->signatures[b->n_classes++] = sig;
        }
        b->segment_class[i] = (uint8_t)c;
    }
    return SUAN_OK;
}

/* Fills the two-stage table; pages of one class are shared. */
static suan_status fill_pages(suan__regex *re, const class_builder *b, suan__arena *arena, suan_error *err) {
    enum { N_PAGES = 0x110000 >> 8 };
    size_t n_mixed = 0;
    uint32_t last_mixed = UINT32_MAX;
    for (uint32_t i = 1; i < b->n_bounds; i++) {
        if ((b->bounds[i] & 255) == 0 || b->bounds[i] >> 8 == last_mixed) continue;
        last_mixed = b->bounds[i] >> 8;
        n_mixed++;
    }
    re->page = SUAN_ARENA_NEW(arena, uint16_t, N_PAGES);
    re->pages = SUAN_ARENA_NEW(arena, uint8_t, (n_mixed + b->n_classes + 1) * 256);
    SUAN_CHECK(re->page && re->pages, SUAN_ENOMEM, "out of memory for a regular expression");
    uint16_t uniform[SUAN__REGEX_MAX_CLASSES] = {0}; /* page + 1 */
    uint32_t n_pages = 0, segment = 0;
    for (uint32_t page = 0; page < N_PAGES; page++) {
        uint32_t first = page << 8;
        while (segment + 1 < b->n_bounds && b->bounds[segment + 1] <= first) segment++;
        bool mixed = segment + 1 < b->n_bounds && b->bounds[segment + 1] <= first + 255;
        uint8_t c = b->segment_class[segment];
        if (!mixed && uniform[c]) {
            re->page[page] = (uint16_t)(uniform[c] - 1);
            continue;
        }
        uint8_t *row = re->pages + (size_t)n_pages * 256;
        uint32_t s = segment;
        for (uint32_t k = 0; k < 256; k++) {
            while (s + 1 < b->n_bounds && b->bounds[s + 1] <= first + k) s++;
            row[k] = b->segment_class[s];
        }
        if (!mixed) uniform[c] = (uint16_t)(n_pages + 1);
        re->page[page] = (uint16_t)n_pages++;
    }
    memcpy(re->ascii, re->pages + (size_t)re->page[0] * 256, sizeof re->ascii);
    return SUAN_OK;
}

static suan_status build_classes(suan__regex *re, const regex_sets *sets, suan__arena *arena, suan__arena *scratch, suan_error *err) {
    class_builder b = {.sets = sets};
    SUAN_TRY(find_bounds(&b, scratch, err));
    SUAN_TRY(find_classes(&b, err));
    SUAN_TRY(fill_pages(re, &b, arena, err));
    re->n_classes = b.n_classes;
    re->n_sets = (uint32_t)sets->n;
    re->member = SUAN_ARENA_NEW(arena, uint8_t, (size_t)re->n_sets * re->n_classes + 1);
    re->before = SUAN_ARENA_NEW(arena, uint8_t, re->n_classes);
    SUAN_CHECK(re->member && re->before, SUAN_ENOMEM, "out of memory for a regular expression");
    for (uint32_t c = 0; c < re->n_classes; c++) {
        for (uint32_t s = 0; s < re->n_sets; s++) {
            re->member[(size_t)s * re->n_classes + c] = (uint8_t)(b.signatures[c].bits[s / 64] >> (s % 64) & 1);
        }
        if (sets->newline >= 0 && re->member[(size_t)sets->newline * re->n_classes + c]) re->before[c] |= BEFORE_NEWLINE;
        if (sets->word >= 0 && re->member[(size_t)sets->word * re->n_classes + c]) re->before[c] |= BEFORE_WORD;
    }
    return SUAN_OK;
}

static suan_status compile(suan__regex **out, suan__arena *arena, suan__arena *scratch, const char *pattern, size_t n, suan_error *err) {
    regex_sets *sets = SUAN_ARENA_NEW(scratch, regex_sets, 1);
    suan__regex *re = SUAN_ARENA_NEW(arena, suan__regex, 1);
    emitter e = {.program = SUAN_ARENA_NEW(scratch, regex_inst, SUAN__REGEX_MAX_PROGRAM)};
    SUAN_CHECK(sets && re && e.program, SUAN_ENOMEM, "out of memory for a regular expression");
    regex_node *root = NULL;
    SUAN_TRY(suan__regex_parse(&root, sets, scratch, pattern, n, err));
    uint16_t match = emit_inst(&e, (regex_inst){.op = INST_MATCH});
    re->entry = emit(&e, root, match);
    SUAN_CHECK(!e.too_long, SUAN_ELIMIT, "regular expression needs more than %d instructions", SUAN__REGEX_MAX_PROGRAM);
    re->before_used = e.before_used;
    re->n_program = e.n;
    re->program = SUAN_ARENA_NEW(arena, regex_inst, e.n);
    SUAN_CHECK(re->program, SUAN_ENOMEM, "out of memory for a regular expression");
    memcpy(re->program, e.program, e.n * sizeof *e.program);
    SUAN_TRY(build_classes(re, sets, arena, scratch, err));
    SUAN_CHECK(suan__regex_build_table(re, arena), SUAN_ENOMEM, "out of memory for a regular expression");
    *out = re;
    return SUAN_OK;
}

suan_status suan__regex_compile(suan__regex **re, suan__arena *arena, const char *pattern, size_t n, suan_error *err) {
    suan__arena scratch;
    suan__arena_init(&scratch, 1 << 16);
    *re = NULL;
    suan_status status = compile(re, arena, &scratch, pattern, n, err);
    suan__arena_fini(&scratch);
    return status;
}
