/* pretok_regex_match.c: finding all matches of a compiled expression. */
#include <string.h>

#include "base/utf8.h"
#include "text/pretok_regex_internal.h"

/* What bytes beyond the matches may be looked at before the two passes take over: this many times the text, and a bit. */
enum { WASTE_FACTOR = 8, WASTE_SLACK = 4096 };

/* The class of the character at text[at], and its length. */
static inline uint32_t class_at(const suan__regex *re, const unsigned char *text, size_t n, size_t at, size_t *length) {
    uint32_t b = text[at], cp;
    if (b < 0x80) {
        *length = 1;
        return re->ascii[b];
    }
    if ((b & 0xE0) == 0xC0 && b >= 0xC2 && n - at >= 2 && (text[at + 1] & 0xC0) == 0x80) {
        cp = (b & 31) << 6 | (text[at + 1] & 63);
        *length = 2;
    } else {
        *length = suan__utf8_decode((const char *)text + at, n - at, &cp);
        if (*length == 0) {
            *length = 1;
            cp = 0xFFFD;
        }
    }
    return re->pages[(size_t)re->page[cp >> 8] * 256 + (cp & 255)];
}

/* The BEFORE bits at a position: from the character that ends there. */
static unsigned before_at(const suan__regex *re, const unsigned char *text, size_t at) {
    if (!re->before_used) return 0;
    if (at == 0) return BEFORE_TEXT & re->before_used;
    size_t begin = at - 1, length;
    while (begin > 0 && at - begin < 4 && (text[begin] & 0xC0) == 0x80) begin--;
    uint32_t c = class_at(re, text, at, begin, &length);
    if (begin + length != at) c = class_at(re, text, at, at - 1, &length);
    return re->before[c] & re->before_used;
}

/* ---- The automaton, from one position ---- */

/* Returns the end of the match that begins at `at`, or SIZE_MAX; *looked is how far it had to look. */
static size_t run_table(const suan__regex *re, const unsigned char *text, size_t n, size_t at, size_t *looked) {
    size_t last = SIZE_MAX, i = at, length;
    uint32_t s = re->start[before_at(re, text, at)];
    const unsigned shift = re->shift;
    while (i < n) {
        uint32_t entry = re->table[(s << shift) + class_at(re, text, n, i, &length)];
        if (entry & REGEX_MATCH) last = i;
        s = entry & ~REGEX_MATCH;
        if (s == 0) {
            *looked = i;
            return last;
        }
        i += length;
    }
    if (re->table[(s << shift) + re->n_classes] & REGEX_MATCH) last = n;
    *looked = n;
    return last;
}

/* ---- Two passes ---- */

/* alive[k][pc] says whether the program at pc, in front of character k, can still reach MATCH. Rows are computed backwards; every
 * BLOCK-th is kept, and the rows of one block are recomputed when the forward pass enters it. */
enum { BLOCK = 512 };

typedef struct regex_slow {
    uint32_t n_chars;
    uint32_t *begin;   /* [n_chars + 1] byte offsets */
    uint8_t *class;    /* [n_chars + 1]; the last is the end */
    uint8_t *kept;     /* [n_blocks + 1][n_program]: the row at the end of each block */
    uint8_t *rows;     /* [BLOCK + 1][n_program] of the block below */
    uint32_t block;    /* whose rows are in `rows`, UINT32_MAX: none */
    uint32_t *mark;    /* [n_program] */
    uint16_t *stack;   /* [2 * n_program + 2] */
    uint32_t stamp, k; /* k: the next character to try */
    uint64_t work;
} regex_slow;

static unsigned before_char(const suan__regex *re, const regex_slow *s, uint32_t k) {
    if (k == 0) return BEFORE_TEXT & re->before_used;
    return re->before[s->class[k - 1]] & re->before_used;
}

/* row = alive[k] from next = alive[k + 1] (NULL at the end). Conditions make loops through splits: repeat until nothing changes. */
static void step_back(const suan__regex *re, regex_slow *s, uint32_t k, const uint8_t *next, uint8_t *row) {
    unsigned before = before_char(re, s, k);
    uint32_t c = s->class[k];
    memset(row, 0, re->n_program);
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t pc = 0; pc < re->n_program; pc++) { /* code is emitted from its end, so this order settles most at once */
            if (row[pc]) continue;
            const regex_inst *in = &re->program[pc];
            bool alive = false;
            switch (in->op) {
            case INST_MATCH:
                alive = true;
                break;
            case INST_CHAR:
                alive = next && re->member[(size_t)in->arg * re->n_classes + c] && next[in->x];
                break;
            case INST_SPLIT:
                alive = row[in->x] || row[in->y];
                break;
            default:
                alive = row[in->x] && regex_condition(re, in, before, c);
            }
            if (alive) row[pc] = 1, changed = true;
        }
        s->work += re->n_program;
    }
}

static void slow_free(regex_slow *s) {
    if (!s) return;
    suan__free(s->begin);
    suan__free(s->class);
    suan__free(s->kept);
    suan__free(s->rows);
    suan__free(s->mark);
    suan__free(s->stack);
    suan__free(s);
}

static bool slow_alloc(regex_slow *s, const suan__regex *re, uint32_t n_chars) {
    size_t m = re->n_program, n_blocks = n_chars / BLOCK + 2;
    s->begin = suan__malloc(((size_t)n_chars + 1) * sizeof *s->begin);
    s->class = suan__malloc((size_t)n_chars + 1);
    s->kept = suan__calloc(n_blocks, m);
    s->rows = suan__malloc((BLOCK + 1) * m);
    s->mark = suan__calloc(m, sizeof *s->mark);
    s->stack = suan__malloc((2 * m + 2) * sizeof *s->stack);
    return s->begin && s->class && s->kept && s->rows && s->mark && s->stack;
}

/* The backward pass over text[at..n). The text before `at` counts as context only through the character right before it. */
static regex_slow *slow_new(const suan__regex *re, const unsigned char *text, size_t n, size_t at) {
    uint32_t n_chars = 0;
    size_t length;
    for (size_t i = 0; i < n; i += length, n_chars++) class_at(re, text, n, i, &length);
    regex_slow *s = suan__calloc(1, sizeof *s);
    if (!s || !slow_alloc(s, re, n_chars)) {
        slow_free(s);
        return NULL;
    }
    s->n_chars = n_chars;
    s->block = UINT32_MAX;
    uint32_t k = 0;
    for (size_t i = 0; i < n; i += length, k++) {
        if (i <= at) s->k = k;
        s->begin[k] = (uint32_t)i;
        s->class[k] = (uint8_t)class_at(re, text, n, i, &length);
    }
    if (at >= n) s->k = n_chars;
    s->begin[n_chars] = (uint32_t)n;
    s->class[n_chars] = (uint8_t)re->n_classes;
    uint32_t m = re->n_program, first_block = s->k / BLOCK;
    uint8_t *row = s->rows, *other = s->rows + m;
    step_back(re, s, n_chars, NULL, row);
    for (k = n_chars;; k--) {
        if (k % BLOCK == 0) memcpy(s->kept + (size_t)(k / BLOCK) * m, row, m);
        if (k <= first_block * BLOCK) break;
        step_back(re, s, k - 1, row, other);
        uint8_t *t = row;
        row = other;
        other = t;
    }
    return s;
}

/* alive[k]. Rows of the block [b * BLOCK, (b + 1) * BLOCK) are recomputed from the kept row behind it. */
static const uint8_t *row_at(const suan__regex *re, regex_slow *s, uint32_t k) {
    uint32_t b = k / BLOCK, m = re->n_program;
    if (b != s->block) {
        uint32_t first = b * BLOCK, last = s->n_chars - first < BLOCK ? s->n_chars : first + BLOCK;
        uint8_t *row = s->rows + (size_t)(last - first) * m;
        if (last - first == BLOCK)
            memcpy(row, s->kept + (size_t)(b + 1) * m, m);
        else
            step_back(re, s, last, NULL, row);
        for (uint32_t i = last; i > first; i--) {
            step_back(re, s, i - 1, s->rows + (size_t)(i - first) * m, s->rows + (size_t)(i - 1 - first) * m);
        }
        s->block = b;
    }
    return s->rows + (size_t)(k - b * BLOCK) * m;
}

/* One step forwards: from pc in front of character k, the first thread in order of preference that can succeed. Returns false at MATCH;
 * else *pc waits in front of character k + 1. */
static bool step_forward(const suan__regex *re, regex_slow *s, uint32_t k, uint16_t *pc) {
    const uint8_t *next = k < s->n_chars ? row_at(re, s, k) + re->n_program : NULL; /* each block has the row behind its last */
    unsigned before = before_char(re, s, k);
    uint32_t c = s->class[k], top = 0;
    s->stamp++;
    s->stack[top++] = *pc;
    while (top > 0) {
        uint16_t i = s->stack[--top];
        if (s->mark[i] == s->stamp) continue;
        s->mark[i] = s->stamp;
        s->work++;
        const regex_inst *in = &re->program[i];
        switch (in->op) {
        case INST_MATCH:
            return false;
        case INST_SPLIT:
            s->stack[top++] = in->y;
            s->stack[top++] = in->x;
            break;
        case INST_CHAR:
            if (next && re->member[(size_t)in->arg * re->n_classes + c] && next[in->x]) {
                *pc = in->x;
                return true;
            }
            break;
        default:
            if (regex_condition(re, in, before, c)) s->stack[top++] = in->x;
        }
    }
    return false; /* not reached: the caller starts where the program is alive */
}

/* The next match at or behind character s->k; false: none. */
static bool slow_next(const suan__regex *re, regex_slow *s, size_t *begin, size_t *end) {
    while (s->k <= s->n_chars && !row_at(re, s, s->k)[re->entry]) s->k++;
    if (s->k > s->n_chars) return false;
    uint32_t k = s->k;
    uint16_t pc = re->entry;
    while (step_forward(re, s, k, &pc)) k++;
    *begin = s->begin[s->k];
    *end = s->begin[k];
    s->k = k;
    return true;
}

/* ---- The search ---- */

void suan__regex_begin(suan__regex_scan *scan, const suan__regex *re, const char *text, size_t n) {
    *scan = (suan__regex_scan){.re = re, .text = (const unsigned char *)text, .n = n, .last_end = SIZE_MAX};
    scan->waste_limit = re->table ? n * WASTE_FACTOR + WASTE_SLACK : 0;
    if (!re->table) scan->waste = 1;
}

void suan__regex_end(suan__regex_scan *scan) {
    slow_free(scan->slow);
    scan->slow = NULL;
}

void suan__regex_force_slow(suan__regex_scan *scan) {
    scan->waste = 1;
    scan->waste_limit = 0;
}

uint64_t suan__regex_work(const suan__regex_scan *scan) {
    return scan->n + scan->waste + (scan->slow ? scan->slow->work : 0);
}

/* 1: found, 0: none, -1: the two passes must take over at scan->at. */
static int fast_next(suan__regex_scan *scan, size_t *begin, size_t *end) {
    const suan__regex *re = scan->re;
    size_t at = scan->at, looked, length;
    for (; at <= scan->n; at += length) {
        if (scan->waste > scan->waste_limit) {
            scan->at = at;
            return -1;
        }
        size_t last = run_table(re, scan->text, scan->n, at, &looked);
        scan->waste += looked - (last == SIZE_MAX ? at : last);
        if (last != SIZE_MAX && !(last == at && at == scan->last_end)) {
            *begin = at;
            *end = last;
            return 1;
        }
        if (at == scan->n) break;
        class_at(re, scan->text, scan->n, at, &length);
    }
    return 0;
}

static int slow_step(suan__regex_scan *scan, size_t *begin, size_t *end) {
    if (!scan->slow) {
        scan->slow = slow_new(scan->re, scan->text, scan->n, scan->at);
        if (!scan->slow) return -1;
    }
    while (slow_next(scan->re, scan->slow, begin, end)) {
        if (*begin != *end) return 1;
        scan->slow->k++; /* behind an empty match one character is skipped */
        if (*begin != scan->last_end) return 1;
    }
    return 0;
}

int suan__regex_next(suan__regex_scan *scan, size_t *begin, size_t *end) {
    int found = scan->slow ? -1 : fast_next(scan, begin, end);
    if (found < 0) found = slow_step(scan, begin, end);
    if (found > 0) {
        scan->last_end = *end;
        scan->at = *end;
        if (*begin == *end && !scan->slow) { /* step over one character, or past the end */
            size_t length = 1;
            if (*end < scan->n) class_at(scan->re, scan->text, scan->n, *end, &length);
            scan->at = *end + length;
        }
    }
    return found;
}
