/* grammar_table.c: what a grammar reads by tables: characters of a set, and text up to markers; and lists of words.
 *
 * A set of code points becomes an automaton over the bytes of their UTF-8 forms with one row for each thing that may be known of a
 * character's beginning; beginnings with the same future share a row. Markers become the automaton of Aho and Corasick ("Efficient string
 * matching", 1975): its state is the longest end of the text that is the beginning of a marker.
 */
#include <stdlib.h>
#include <string.h>

#include "text/grammar_internal.h"
#include "text/pretok_set.h"

/* ---- sets ---- */

/* How many code points a character's last n_more bytes tell apart. */
static uint32_t span_of(int n_more) {
    return 1u << 6 * n_more;
}

typedef struct set_maker {
    suan__builder *b;
    const suan__cpset *set; /* the characters of one length */
    uint32_t first_row;
    uint32_t full[4]; /* the row (number within the table) behind which n more bytes are free; 0: not made yet */
    uint32_t *hash;   /* of each row */
} set_maker;

/* What the set holds of [first, last]: 0 nothing, 2 all, 1 some. */
static int coverage(const suan__cpset *s, uint32_t first, uint32_t last) {
    uint32_t low = 0, high = s->n;
    while (low < high) { /* the first range that ends at or behind `first` */
        uint32_t mid = low + (high - low) / 2;
        if (s->r[mid].last < first)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == s->n || s->r[low].first > last) return 0;
    return s->r[low].first <= first && s->r[low].last >= last ? 2 : 1;
}

static uint32_t hash_row(const suan__row row, uint32_t h) {
    for (int i = 0; i < 256; i++) h = (h ^ row[i]) * 16777619u;
    return h ^ h >> 15;
}

/* The number (from 1) of a row with this content within the table: of one that is there, or of a new one. 0 on failure. */
static uint32_t share_row(set_maker *m, const suan__row content) {
    suan__ir *ir = &m->b->ir;
    uint32_t hash = hash_row(content, 0), n_rows = ir->n_row - m->first_row;
    for (uint32_t i = 1; i < n_rows; i++) { /* row 0 is that of first bytes */
        if (m->hash[i] == hash && memcmp(ir->row[m->first_row + i], content, sizeof(suan__row)) == 0) return i + 1;
    }
    suan__row *row = suan__ir_add_row(m->b);
    if (!row) return 0;
    memcpy(*row, content, sizeof(suan__row));
    m->hash[n_rows] = hash;
    return n_rows + 1;
}

/* The entry for a beginning of which n_more bytes are missing, when it stands for the code points from `base` on. The depth of recursion is
 * that of UTF-8: at most 3. UINT32_MAX on failure. */
static uint32_t entry_of(set_maker *m, uint32_t base, int n_more) {
    int covered = coverage(m->set, base, base + span_of(n_more) - 1);
    if (covered == 0) return TABLE_DEAD;
    if (n_more == 0) return TABLE_EXIT;
    if (covered == 2 && m->full[n_more]) return m->full[n_more];
    suan__row row = {0};
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t entry = entry_of(m, base + i * span_of(n_more - 1), n_more - 1);
        if (entry == UINT32_MAX) return UINT32_MAX;
        row[0x80 + i] = (uint16_t)entry;
    }
    uint32_t number = share_row(m, row);
    if (number == 0) return UINT32_MAX;
    if (covered == 2) m->full[n_more] = number;
    return number;
}

/* A character has one form: of each length only those code points count that need it. */
static const struct {
    uint32_t first, last;
    uint8_t lead_first, lead_last, lead_bits;
} lengths[4] = {
    {0, 0x7F, 0, 0, 0}, {0x80, 0x7FF, 0xC2, 0xDF, 0x1F}, {0x800, 0xFFFF, 0xE0, 0xEF, 0x0F}, {0x10000, 0x10FFFF, 0xF0, 0xF4, 0x07}};

/* The rows of a set, its first row where the builder's rows end. */
static bool make_set_rows(set_maker *m, const suan__cpset *set) {
    suan__row first = {0};
    if (!suan__ir_add_row(m->b)) return false;
    for (uint32_t c = 0; c < 0x80; c++) first[c] = coverage(set, c, c) ? TABLE_EXIT : TABLE_DEAD;
    for (int n_more = 1; n_more < 4; n_more++) {
        suan__cpset part = {.arena = set->arena};
        suan__cpset_add(&part, lengths[n_more].first, lengths[n_more].last);
        suan__cpset_intersect(&part, set);
        if (part.failed) return suan__builder_fail(m->b, SUAN_ENOMEM, "grammar: out of memory for a set of characters") != SUAN__NO_NODE;
        m->set = &part;
        for (uint32_t c = lengths[n_more].lead_first; part.n > 0 && c <= lengths[n_more].lead_last; c++) {
            uint32_t entry = entry_of(m, (c & lengths[n_more].lead_bits) * span_of(n_more), n_more);
            if (entry == UINT32_MAX) return false;
            first[c] = (uint16_t)entry;
        }
    }
    memcpy(m->b->ir.row[m->first_row], first, sizeof first);
    return true;
}

/* Tables of sets by content, so that a set that is used often has one. */
static bool grow_known(suan__builder *b) {
    if (b->known_set && b->n_sets < b->set_mask / 2) return true;
    uint32_t mask = b->known_set ? b->set_mask * 2 + 1 : 63;
    uint32_t *slots = suan__calloc((size_t)mask + 1, 2 * sizeof *slots); /* hash and 1 + table */
    if (!slots) return suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for sets of characters") != SUAN__NO_NODE;
    for (uint32_t i = 0; b->known_set && i <= b->set_mask; i++) {
        if (!b->known_set[2 * i + 1]) continue;
        uint32_t at = b->known_set[2 * i] & mask;
        while (slots[2 * at + 1]) at = (at + 1) & mask;
        memcpy(&slots[2 * at], &b->known_set[2 * i], 2 * sizeof *slots);
    }
    suan__free(b->known_set);
    b->known_set = slots;
    b->set_mask = mask;
    return true;
}

/* The table of the rows from first_row on: one that is there already (then the rows are given back), or a new one. UINT32_MAX on failure. */
static uint32_t share_table(suan__builder *b, uint32_t first_row) {
    suan__ir *ir = &b->ir;
    uint32_t n_rows = ir->n_row - first_row, hash = n_rows;
    if (!grow_known(b)) return UINT32_MAX;
    for (uint32_t i = first_row; i < ir->n_row; i++) hash = hash_row(ir->row[i], hash);
    uint32_t at = hash & b->set_mask;
    for (; b->known_set[2 * at + 1]; at = (at + 1) & b->set_mask) {
        const suan__ir_table *t = &ir->table[b->known_set[2 * at + 1] - 1];
        if (b->known_set[2 * at] != hash || t->n_rows != n_rows) continue;
        if (memcmp(ir->row[t->first_row], ir->row[first_row], n_rows * sizeof(suan__row)) != 0) continue;
        ir->n_row = first_row;
        return b->known_set[2 * at + 1] - 1;
    }
    if (!suan__ir_reserve(b, (void **)&ir->table, &ir->c_table, sizeof *ir->table, (uint64_t)ir->n_table + 1, SUAN__GRAMMAR_MAX_TABLES,
                          "tables"))
        return UINT32_MAX;
    ir->table[ir->n_table++] = (suan__ir_table){first_row, n_rows, 1};
    b->known_set[2 * at] = hash;
    b->known_set[2 * at + 1] = ir->n_table;
    b->n_sets++;
    return ir->n_table - 1;
}

suan__node suan__node_set(suan__builder *b, const suan__unicode_range *ranges, size_t n, bool negated) {
    if (b->failure.status != SUAN_OK) return SUAN__NO_NODE;
    suan__arena arena;
    suan__arena_init(&arena, 4096);
    suan__cpset set = {.arena = &arena}, legal = {.arena = &arena};
    for (size_t i = 0; i < n; i++) suan__cpset_add(&set, ranges[i].first, ranges[i].last);
    suan__cpset_finish(&set);
    if (negated) suan__cpset_negate(&set);
    suan__cpset_add(&legal, 0, 0xD7FF);
    suan__cpset_add(&legal, 0xE000, 0x10FFFF);
    suan__cpset_intersect(&set, &legal);
    set_maker m = {.b = b, .first_row = b->ir.n_row, .hash = SUAN_ARENA_NEW(&arena, uint32_t, SUAN__GRAMMAR_MAX_TABLES)};
    uint32_t table = UINT32_MAX;
    if (set.failed || legal.failed || !m.hash)
        suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for a set of characters");
    else if (set.n > 0 && make_set_rows(&m, &set))
        table = share_table(b, m.first_row);
    bool is_empty = set.n == 0;
    suan__arena_fini(&arena);
    if (b->failure.status != SUAN_OK) return SUAN__NO_NODE;
    return is_empty ? suan__node_alt(b, NULL, 0) : suan__ir_add_node(b, (suan__ir_node){.op = NODE_SET, .a = table});
}

/* ---- text up to markers ---- */

enum { NO_MARKER = 0xffff };

typedef struct marker_state {
    uint32_t fail;    /* the state of the longest end of its text that is the beginning of a marker, too */
    uint32_t ends;    /* the marker that is complete here, NO_MARKER: none */
    uint16_t to[256]; /* 1 + child; 0: none */
} marker_state;

/* Adds a marker to the trie; the first of equal ones counts. */
static void add_marker(marker_state *s, uint32_t *n_states, const suan__marker *marker, uint32_t number) {
    uint32_t at = 0;
    for (size_t i = 0; i < marker->n; i++) {
        uint16_t *to = &s[at].to[(unsigned char)marker->text[i]];
        if (!*to) {
            s[*n_states].ends = NO_MARKER;
            *to = (uint16_t)(++*n_states);
        }
        at = *to - 1u;
    }
    if (s[at].ends == NO_MARKER) s[at].ends = number;
}

/* In order of length: where each state goes on a byte that is not its child's, and which marker ends there. Then `to` is complete. */
static void complete_markers(marker_state *s, uint32_t *queue) {
    uint32_t n_queue = 0;
    for (int c = 0; c < 256; c++) {
        if (s[0].to[c])
            queue[n_queue++] = s[0].to[c] - 1u; /* fail is 0 */
        else
            s[0].to[c] = 1;
    }
    for (uint32_t i = 0; i < n_queue; i++) {
        marker_state *state = &s[queue[i]];
        const marker_state *fail = &s[state->fail];
        if (state->ends == NO_MARKER) state->ends = fail->ends;
        for (int c = 0; c < 256; c++) {
            if (state->to[c]) {
                s[state->to[c] - 1].fail = fail->to[c] - 1u;
                queue[n_queue++] = state->to[c] - 1u;
            } else {
                state->to[c] = fail->to[c];
            }
        }
    }
}

/* Rows for the states in which no marker is complete. */
static uint32_t make_marker_table(suan__builder *b, const marker_state *s, uint32_t n_states, uint32_t *number, size_t n_markers) {
    suan__ir *ir = &b->ir;
    uint32_t first_row = ir->n_row, n_rows = 0;
    for (uint32_t i = 0; i < n_states; i++) number[i] = s[i].ends == NO_MARKER ? ++n_rows : TABLE_EXIT | s[i].ends;
    for (uint32_t i = 0; i < n_states; i++) {
        if (s[i].ends != NO_MARKER) continue;
        suan__row *row = suan__ir_add_row(b);
        if (!row) return UINT32_MAX;
        for (int c = 0; c < 256; c++) (*row)[c] = (uint16_t)number[s[i].to[c] - 1];
    }
    if (!suan__ir_reserve(b, (void **)&ir->table, &ir->c_table, sizeof *ir->table, (uint64_t)ir->n_table + 1, SUAN__GRAMMAR_MAX_TABLES,
                          "tables"))
        return UINT32_MAX;
    ir->table[ir->n_table++] = (suan__ir_table){first_row, n_rows, (uint32_t)n_markers};
    return ir->n_table - 1;
}

static uint32_t make_markers(suan__builder *b, const suan__marker *markers, size_t n) {
    uint64_t n_bytes = 1;
    for (size_t i = 0; i < n; i++) {
        if (markers[i].n == 0) {
            suan__builder_fail(b, SUAN_EINVAL, "grammar: a marker without a text");
            return UINT32_MAX;
        }
        n_bytes += markers[i].n < SUAN__GRAMMAR_MAX_TABLES ? markers[i].n : SUAN__GRAMMAR_MAX_TABLES;
    }
    if (n_bytes > SUAN__GRAMMAR_MAX_TABLES) {
        suan__builder_fail(b, SUAN_ELIMIT, "grammar: markers of more than %d bytes", SUAN__GRAMMAR_MAX_TABLES);
        return UINT32_MAX;
    }
    marker_state *s = suan__calloc(n_bytes, sizeof *s);
    uint32_t *queue = suan__malloc(n_bytes * sizeof *queue), n_states = 1, table = UINT32_MAX;
    if (s && queue) {
        s[0].ends = NO_MARKER;
        for (size_t i = 0; i < n; i++) add_marker(s, &n_states, &markers[i], (uint32_t)i);
        complete_markers(s, queue);
        table = make_marker_table(b, s, n_states, queue, n);
    } else {
        suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for markers");
    }
    suan__free(s);
    suan__free(queue);
    return table;
}

suan__node suan__node_until(suan__builder *b, const suan__marker *markers, size_t n, bool may_end) {
    if (b->failure.status != SUAN_OK) return SUAN__NO_NODE;
    uint32_t table = make_markers(b, markers, n), at = b->ir.n_part;
    for (size_t i = 0; i < n && table != UINT32_MAX; i++) {
        if (markers[i].then == SUAN__NO_NODE && !markers[i].is_last)
            return suan__builder_fail(b, SUAN_EINTERNAL, "grammar: a part that is no node");
        suan__node then = markers[i].is_last ? SUAN__NO_NODE : markers[i].then;
        if (suan__ir_add_parts(b, &then, 1) == UINT32_MAX) return SUAN__NO_NODE;
    }
    if (table == UINT32_MAX) return SUAN__NO_NODE;
    return suan__ir_add_node(b, (suan__ir_node){.op = NODE_UNTIL, .flag = may_end, .a = table, .b = at, .c = (uint32_t)n});
}

/* ---- words ---- */

/* A node of the radix tree of sorted words: word[first .. last) have their first `end` bytes in common, of which those behind `begin` are
 * this node's. */
typedef struct word_node {
    uint32_t first, last, parent;
    uint32_t begin, end;
    uint32_t child, sibling; /* 0: none */
    suan__node node;
} word_node;

static int compare_words(const void *a, const void *b) {
    const suan__word *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = n > 0 ? memcmp(x->text, y->text, n) : 0;
    return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

/* The tree of n sorted, different words; at most 2 n + 1 nodes, parents before children. Returns their number. */
static uint32_t split_words(word_node *t, const suan__word *w, uint32_t n) {
    uint32_t n_nodes = 1;
    t[0] = (word_node){.last = n};
    for (uint32_t i = 0; i < n_nodes; i++) {
        const suan__word *first = &w[t[i].first], *last = &w[t[i].last - 1];
        uint32_t end = t[i].begin;
        while (end < first->n && end < last->n && first->text[end] == last->text[end]) end++;
        t[i].end = end;
        uint32_t at = t[i].first + (first->n == end), *link = &t[i].child;
        while (at < t[i].last) { /* one child for each byte that follows */
            uint32_t from = at;
            while (at < t[i].last && w[at].text[end] == w[from].text[end]) at++;
            t[n_nodes] = (word_node){.first = from, .last = at, .parent = i, .begin = end};
            *link = n_nodes;
            link = &t[n_nodes++].sibling;
        }
    }
    return n_nodes;
}

static suan__node join_words(suan__builder *b, word_node *t, uint32_t n_nodes, const suan__word *w) {
    suan__node parts[257], text[2];
    for (uint32_t i = n_nodes; i-- > 0;) {
        size_t n = 0;
        if (w[t[i].first].n == t[i].end) parts[n++] = suan__node_bytes(b, "", 0);
        for (uint32_t c = t[i].child; c; c = t[c].sibling) parts[n++] = t[c].node;
        text[1] = suan__node_alt(b, parts, n);
        if (t[i].end > t[i].begin) {
            text[0] = suan__node_bytes(b, w[t[i].first].text + t[i].begin, t[i].end - t[i].begin);
            t[i].node = suan__node_seq(b, text, 2);
        } else {
            t[i].node = text[1];
        }
        if (t[i].node == SUAN__NO_NODE) return SUAN__NO_NODE;
    }
    return t[0].node;
}

suan__node suan__node_words(suan__builder *b, const suan__word *words, size_t n) {
    if (b->failure.status != SUAN_OK) return SUAN__NO_NODE;
    if (n == 0) return suan__node_alt(b, NULL, 0);
    if (n > SUAN__GRAMMAR_MAX_NODES)
        return suan__builder_fail(b, SUAN_ELIMIT, "grammar: %zu words, more than %d", n, SUAN__GRAMMAR_MAX_NODES);
    for (size_t i = 0; i < n; i++) {
        if (words[i].n > SUAN__GRAMMAR_MAX_BYTES) return suan__builder_fail(b, SUAN_ELIMIT, "grammar: a word of %zu bytes", words[i].n);
    }
    suan__word *w = suan__malloc(n * sizeof *w);
    word_node *t = suan__malloc((2 * n + 1) * sizeof *t);
    suan__node node = SUAN__NO_NODE;
    if (w && t) {
        uint32_t n_words = 1;
        memcpy(w, words, n * sizeof *w);
        qsort(w, n, sizeof *w, compare_words);
        for (size_t i = 1; i < n; i++) {
            if (compare_words(&w[n_words - 1], &w[i]) != 0) w[n_words++] = w[i];
        }
        node = join_words(b, t, split_words(t, w, n_words), w);
    } else {
        suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for %zu words", n);
    }
    suan__free(w);
    suan__free(t);
    return node;
}
