/* grammar_language.c: automata over bytes: made of nodes, and of one another. */
#include "text/grammar_language.h"

#include <string.h>

void suan__language_fini(suan__language *l) {
    suan__free(l->row);
    *l = (suan__language){0};
}

bool suan__language_has(const suan__language *l, const char *s, size_t n) {
    uint32_t at = 1;
    for (size_t i = 0; i < n && l->n_rows > 0; i++) {
        uint16_t entry = l->row[at - 1][(unsigned char)s[i]];
        if (entry & TABLE_EXIT) return i + 1 == n;
        if (entry == TABLE_DEAD) return false;
        at = entry;
    }
    return false;
}

/* ---- making ---- */

/* Rows that are being made, each for a pair of states; (a, b) of row i: pair[2 i], pair[2 i + 1]. */
typedef struct maker {
    suan__builder *b;
    suan__row *row;
    uint32_t *pair, *slot;
    uint32_t n, c_row, c_pair, mask;
    bool is_cut;
} maker;

static bool maker_init(maker *m, suan__builder *b) {
    *m = (maker){.b = b, .mask = 4 * SUAN__LANGUAGE_MAX_ROWS - 1};
    m->slot = suan__calloc((size_t)m->mask + 1, sizeof *m->slot);
    if (!m->slot) suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for an automaton");
    return m->slot != NULL;
}

static bool grow(maker *m, void **array, uint32_t *capacity, size_t size, uint32_t n) {
    if (n <= *capacity) return true;
    uint32_t grown = n + n / 2 + 16;
    void *p = suan__realloc(*array, grown, size);
    if (!p) {
        suan__builder_fail(m->b, SUAN_ENOMEM, "grammar: out of memory for an automaton");
        m->is_cut = true;
        return false;
    }
    *array = p;
    *capacity = grown;
    return true;
}

/* 1 + the row of a pair of states, made if need be; TABLE_DEAD when there is no more room. */
static uint16_t row_of(maker *m, uint32_t x, uint32_t y) {
    uint32_t at = (x * 2654435761u ^ y * 40503u * 65537u);
    for (at = (at ^ at >> 15) & m->mask; m->slot[at]; at = (at + 1) & m->mask)
        if (m->pair[2 * (m->slot[at] - 1)] == x && m->pair[2 * (m->slot[at] - 1) + 1] == y) return (uint16_t)m->slot[at];
    m->is_cut |= m->n == SUAN__LANGUAGE_MAX_ROWS;
    if (m->is_cut || !grow(m, (void **)&m->row, &m->c_row, sizeof *m->row, m->n + 1) ||
        !grow(m, (void **)&m->pair, &m->c_pair, sizeof *m->pair, 2 * (m->n + 1)))
        return TABLE_DEAD;
    memset(m->row[m->n], 0, sizeof *m->row);
    m->pair[2 * m->n] = x;
    m->pair[2 * m->n + 1] = y;
    m->slot[at] = ++m->n;
    return (uint16_t)m->n;
}

/* Marks the rows from which an exit can be reached: by passes until nothing changes. */
static bool mark_living(const maker *m, uint8_t *lives) {
    for (bool changes = true; changes;) {
        changes = false;
        for (uint32_t i = m->n; i-- > 0;) {
            for (int c = 0; c < 256 && !lives[i]; c++) {
                uint16_t entry = m->row[i][c];
                if (entry == TABLE_DEAD || (!(entry & TABLE_EXIT) && !lives[entry - 1])) continue;
                lives[i] = 1;
                changes = true;
            }
        }
    }
    return lives[0];
}

/* Leaves out rows that lead nowhere, and hands the others over. */
static void finish(maker *m, suan__language *l) {
    uint8_t *lives = suan__calloc(m->n + 1, 1);
    uint16_t *number = suan__calloc(m->n + 1, sizeof *number);
    *l = (suan__language){.is_cut = m->is_cut};
    if (!lives || !number) {
        suan__builder_fail(m->b, SUAN_ENOMEM, "grammar: out of memory for an automaton");
    } else if (!m->is_cut && m->n > 0 && mark_living(m, lives)) {
        uint16_t n = 0;
        for (uint32_t i = 0; i < m->n; i++) number[i] = lives[i] ? ++n : TABLE_DEAD;
        for (uint32_t i = 0; i < m->n; i++) {
            if (!lives[i]) continue;
            for (int c = 0; c < 256; c++) {
                uint16_t entry = m->row[i][c];
                m->row[number[i] - 1][c] = entry & TABLE_EXIT || entry == TABLE_DEAD ? entry : number[entry - 1];
            }
        }
        l->row = m->row;
        l->n_rows = n;
        m->row = NULL;
    }
    suan__free(lives);
    suan__free(number);
    suan__free(m->row);
    suan__free(m->pair);
    suan__free(m->slot);
}

/* ---- out of nodes ---- */

static void determinise(suan__language *l, suan__automaton *a, suan__builder *b) {
    maker m;
    suan_error why = {0};
    if (!maker_init(&m, b)) return;
    const suan__program *p = &a->grammar->program;
    row_of(&m, suan__automaton_start(a), 0);
    for (uint32_t i = 0; i < m.n && !m.is_cut; i++) {
        uint32_t state = m.pair[2 * i];
        uint16_t entry[256];
        for (uint32_t k = 0; k < p->n_classes; k++) {
            uint32_t to = suan__automaton_next(a, state, k);
            entry[k] = TABLE_DEAD;
            if (to == STATE_DEAD || to == STATE_UNKNOWN) continue;
            entry[k] = a->pool.state[to].is_complete ? TABLE_EXIT : row_of(&m, to, 0);
        }
        a->work = 0;
        for (int c = 0; c < 256; c++) m.row[i][c] = entry[p->class_of[c]];
    }
    if (suan__automaton_check(a, &why) != SUAN_OK) suan__builder_fail(b, why.status, "%s", why.message);
    finish(&m, l);
}

void suan__language_of(suan__language *l, suan__builder **scratch, suan__node node, suan__builder *b) {
    suan_grammar *g = NULL;
    suan__automaton *a = NULL;
    suan_error why = {0};
    suan_vocabulary nothing = {0};
    *l = (suan__language){0};
    suan_status status = suan__builder_finish(&g, scratch, node, &why);
    if (status == SUAN_EINVAL) return; /* a grammar without a text */
    if (status == SUAN_OK) status = suan__automaton_create(&a, g, &nothing, &why);
    if (status == SUAN_OK)
        determinise(l, a, b);
    else
        suan__builder_fail(b, status, "%s", why.message);
    suan__automaton_free(a);
    suan_grammar_free(g);
}

/* ---- out of one another ---- */

static uint16_t step(const suan__language *l, uint32_t state, int c) {
    return state == 0 ? TABLE_DEAD : l->row[state - 1][c];
}

/* State 0 of y: what y has not; then every text of x is outside. */
void suan__language_combine(suan__language *l, const suan__language *x, const suan__language *y, bool in_both, suan__builder *b) {
    maker m;
    *l = (suan__language){.is_cut = x->is_cut || y->is_cut};
    if (l->is_cut || x->n_rows == 0 || !maker_init(&m, b)) return;
    row_of(&m, 1, y->n_rows > 0);
    for (uint32_t i = 0; i < m.n && !m.is_cut; i++) {
        uint32_t in_x = m.pair[2 * i], in_y = m.pair[2 * i + 1];
        for (int c = 0; c < 256 && !m.is_cut; c++) {
            uint16_t to_x = step(x, in_x, c), to_y = step(y, in_y, c), entry;
            if (to_x & TABLE_EXIT)
                entry = (to_y & TABLE_EXIT ? in_both : !in_both) ? TABLE_EXIT : TABLE_DEAD;
            else if (to_x == TABLE_DEAD || (in_both && (to_y == TABLE_DEAD || to_y & TABLE_EXIT)))
                entry = TABLE_DEAD;
            else
                entry = row_of(&m, to_x, to_y & TABLE_EXIT ? 0 : to_y);
            m.row[i][c] = entry;
        }
    }
    finish(&m, l);
}

/* ---- text up to a marker ---- */

/* Bytes of UTF-8: what may come in a state, and the state behind it. States: 0 between characters; 1, 2, 3: so many bytes missing; 4, 5: behind E0 and
 * ED; 6, 7: behind F0 and F4. 8: none. */
static unsigned utf8_step(unsigned state, int c) {
    bool follows = c >= 0x80 && c < 0xc0;
    switch (state) {
    case 0:
        if (c < 0x80) return (c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n' || c == '\r' ? 0 : 8;
        if (c < 0xc2 || c > 0xf4) return 8;
        if (c < 0xe0) return 1;
        if (c < 0xf0) return c == 0xe0 ? 4 : c == 0xed ? 5 : 2;
        return c == 0xf0 ? 6 : c == 0xf4 ? 7 : 3;
    case 4:
        return c >= 0xa0 && c < 0xc0 ? 1 : 8;
    case 5:
        return c >= 0x80 && c < 0xa0 ? 1 : 8;
    case 6:
        return c >= 0x90 && c < 0xc0 ? 2 : 8;
    case 7:
        return c >= 0x80 && c < 0x90 ? 2 : 8;
    default:
        return follows ? state - 1 : 8;
    }
}

/* How much of the marker's beginning ends the text of which k bytes of the marker and c are the end. */
static size_t marker_step(const char *marker, size_t k, int c) {
    for (;; k--) {
        if ((unsigned char)marker[k] != c) {
            if (k == 0) return 0;
        } else {
            return k + 1;
        }
        /* the longest proper end of marker[0 .. k) that is its beginning */
        size_t shorter = k - 1;
        while (shorter > 0 && memcmp(marker, marker + k - shorter, shorter) != 0) shorter--;
        k = shorter + 1;
    }
}

void suan__language_until(suan__language *l, const char *marker, size_t n, suan__builder *b) {
    maker m;
    *l = (suan__language){0};
    if (!maker_init(&m, b)) return;
    row_of(&m, 0, 0);
    for (uint32_t i = 0; i < m.n && !m.is_cut; i++) {
        for (int c = 0; c < 256 && !m.is_cut; c++) {
            unsigned utf8 = utf8_step(m.pair[2 * i + 1], c);
            size_t k = utf8 < 8 ? marker_step(marker, m.pair[2 * i], c) : 0;
            uint16_t entry = utf8 == 8 ? TABLE_DEAD : k == n ? TABLE_EXIT : row_of(&m, (uint32_t)k, utf8);
            m.row[i][c] = entry;
        }
    }
    finish(&m, l);
}

/* ---- into a grammar ---- */

suan__node suan__language_node(const suan__language *l, suan__builder *b) {
    suan__ir *ir = &b->ir;
    if (b->failure.status != SUAN_OK) return SUAN__NO_NODE;
    if (l->n_rows == 0) return suan__node_alt(b, NULL, 0);
    uint32_t first = ir->n_row;
    for (uint32_t i = 0; i < l->n_rows; i++) {
        suan__row *row = suan__ir_add_row(b);
        if (!row) return SUAN__NO_NODE;
        memcpy(*row, l->row[i], sizeof *row);
    }
    if (!suan__ir_reserve(b, (void **)&ir->table, &ir->c_table, sizeof *ir->table, (uint64_t)ir->n_table + 1, SUAN__GRAMMAR_MAX_TABLES,
                          "tables"))
        return SUAN__NO_NODE;
    ir->table[ir->n_table++] = (suan__ir_table){first, l->n_rows, 1};
    return suan__ir_add_node(b, (suan__ir_node){.op = NODE_SET, .a = ir->n_table - 1});
}
