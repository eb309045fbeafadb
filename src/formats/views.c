/* views.c: finds the tensors that others are made of, and reads what is made of them. */
#include "formats/views.h"

#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "formats/checkpoint_internal.h"

#define SLAB_BYTES (UINT64_C(1) << 20) /* of a source that are read at a time */
#define BLOCK_VALUES 32
#define BLOCK_CODES 16 /* bytes of a block's codes */
#define BLOCK_BYTES 17 /* of a block of MXFP4 */
#define SCALE_NAN 255  /* of E8M0 */
#define ULL(x) ((unsigned long long)(x))

/* ---- blocks ---- */

static void join_block(unsigned char *to, const unsigned char *codes, unsigned char scale) {
    to[0] = scale;
    for (int j = 0; j < BLOCK_CODES; j++) {
        /* values j and j + 16, which stand in bytes j / 2 and j / 2 + 8 */
        int shift = j % 2 * 4;
        unsigned low = codes[j / 2] >> shift & 15, high = codes[j / 2 + 8] >> shift & 15;
        to[1 + j] = (unsigned char)(low | high << 4);
    }
}

/* Blocks [at, at + n) of row `row` of t. */
typedef struct block_run {
    uint64_t row, at, n;
} block_run;

static suan_status read_run(const suan__checkpoint *ck, const suan__tensor *t, const block_run *run, unsigned char *dst,
                            unsigned char *codes, unsigned char *scales, suan_error *err) {
    const suan__view *v = t->view;
    uint64_t a_row = t->ne[0] / BLOCK_VALUES, slice = run->row / t->ne[1], r = run->row % t->ne[1];
    uint64_t from = (slice * v->source->ne[2] + v->first + r * v->step) * a_row + run->at;
    SUAN_TRY(suan__checkpoint_read(ck, v->source, from * BLOCK_CODES, codes, (size_t)run->n * BLOCK_CODES, err));
    SUAN_TRY(suan__checkpoint_read(ck, v->scales, from, scales, (size_t)run->n, err));
    for (uint64_t i = 0; i < run->n; i++)
        SUAN_CHECK(scales[i] != SCALE_NAN, SUAN_ENUMERIC, "%s: tensor %s: scale %llu is no number", ck->path, v->scales->name,
                   ULL(from + i));
    for (uint64_t i = 0; i < run->n; i++) join_block(dst + i * BLOCK_BYTES, codes + i * BLOCK_CODES, scales[i]);
    return SUAN_OK;
}

static suan_status read_blocks(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, void *dst, size_t n, suan_error *err) {
    uint64_t a_row = t->ne[0] / BLOCK_VALUES, block = begin / BLOCK_BYTES, end = block + n / BLOCK_BYTES;
    unsigned char *codes = suan__malloc((size_t)a_row * (BLOCK_CODES + 1)), *to = dst;
    suan_status status = codes ? SUAN_OK : suan__fail(err, SUAN_ENOMEM, "%s: out of memory for tensor %s", ck->path, t->name);
    while (block < end && status == SUAN_OK) {
        block_run run = {block / a_row, block % a_row, a_row - block % a_row};
        if (run.n > end - block) run.n = end - block;
        status = read_run(ck, t, &run, to, codes, codes + a_row * BLOCK_CODES, err);
        block += run.n;
        to += run.n * BLOCK_BYTES;
    }
    suan__free(codes);
    return status;
}

/* ---- outputs side by side ---- */

/* Outputs [row0, row0 + n_rows) of one slice of t, in whole rows, from the source's rows a slab at a time. */
static suan_status read_rows(const suan__checkpoint *ck, const suan__tensor *t, uint64_t slice, uint64_t row0, uint64_t n_rows,
                             unsigned char *dst, unsigned char *slab, uint64_t slab_rows, suan_error *err) {
    const suan__view *v = t->view;
    size_t size = suan__dtype_get(t->type)->bytes;
    uint64_t width = v->source->ne[0], n_cols = t->n_dims > 2 ? t->ne[0] : 1, first = v->first + row0 * v->step,
             span = (n_rows - 1) * v->step + 1;
    bool is_whole = span > width / 2; /* then whole rows of the source are read, many at once */
    for (uint64_t c0 = 0; c0 < n_cols; c0 += is_whole ? slab_rows : 1) {
        uint64_t n = !is_whole ? 1 : n_cols - c0 < slab_rows ? n_cols - c0 : slab_rows, row = slice * n_cols + c0;
        uint64_t at = row * width + (is_whole ? 0 : first), values = is_whole ? n * width : span;
        SUAN_TRY(suan__checkpoint_read(ck, v->source, at * size, slab, (size_t)values * size, err));
        for (uint64_t r = 0; r < n_rows; r++)
            for (uint64_t c = 0; c < n; c++)
                memcpy(dst + (r * n_cols + c0 + c) * size, slab + (c * width + (is_whole ? first : 0) + r * v->step) * size, size);
    }
    return SUAN_OK;
}

static suan_status read_outputs(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, void *dst, size_t n, suan_error *err) {
    size_t size = suan__dtype_get(t->type)->bytes;
    uint64_t n_cols = t->n_dims > 2 ? t->ne[0] : 1, n_outputs = t->n_dims > 2 ? t->ne[1] : t->ne[0];
    uint64_t row_bytes = n_cols * size, source_row = t->view->source->ne[0] * size;
    uint64_t slab_rows = source_row < SLAB_BYTES ? SLAB_BYTES / source_row : 1;
    /* A range that begins or ends inside a row: whole rows are made of it, and it is cut out. */
    uint64_t row = begin / row_bytes, end = (begin + n + row_bytes - 1) / row_bytes, skip = begin - row * row_bytes;
    bool is_cut = skip || (end - row) * row_bytes != n;
    unsigned char *slab = suan__malloc((size_t)(slab_rows * source_row)),
                  *rows = is_cut ? suan__malloc((size_t)((end - row) * row_bytes)) : dst, *to = rows;
    suan_status status = slab && rows ? SUAN_OK : suan__fail(err, SUAN_ENOMEM, "%s: out of memory for tensor %s", ck->path, t->name);
    while (row < end && status == SUAN_OK) {
        uint64_t r = row % n_outputs, m = n_outputs - r < end - row ? n_outputs - r : end - row;
        status = read_rows(ck, t, row / n_outputs, r, m, to, slab, slab_rows, err);
        row += m;
        to += m * row_bytes;
    }
    if (is_cut && status == SUAN_OK) memcpy(dst, rows + skip, n);
    if (is_cut) suan__free(rows);
    suan__free(slab);
    return status;
}

/* ---- finding them ---- */

typedef struct rule {
    const char *end;     /* of the source's name, behind ".mlp.experts." */
    const char *made[2]; /* ends of the names of what is made of it */
    bool has_blocks;
} rule;
static const rule rules[] = {
    {"gate_up_proj_blocks", {"gate_proj.weight", "up_proj.weight"}, true},
    {"down_proj_blocks", {"down_proj.weight", NULL}, true},
    {"gate_up_proj", {"gate_proj.weight", "up_proj.weight"}, false},
    {"gate_up_proj_bias", {"gate_proj.bias", "up_proj.bias"}, false},
    {"down_proj", {"down_proj.weight", NULL}, false},
};
#define EXPERTS ".mlp.experts."

static const rule *rule_of(const suan__tensor *t) {
    const char *at = strstr(t->name, EXPERTS);
    for (size_t i = 0; at && i < sizeof rules / sizeof *rules; i++)
        if (strcmp(at + strlen(EXPERTS), rules[i].end) == 0) return &rules[i];
    return NULL;
}

/* The name of t with another end behind ".mlp.experts."; NULL without memory. */
static char *renamed(suan__checkpoint_private *p, const suan__tensor *t, const char *end) {
    size_t n = (size_t)(strstr(t->name, EXPERTS) - t->name) + strlen(EXPERTS), n_end = strlen(end);
    char *name = suan__arena_alloc(&p->arena, n + n_end + 1, 1);
    if (!name) return NULL;
    memcpy(name, t->name, n);
    memcpy(name + n, end, n_end + 1);
    return name;
}

static suan_status refuse_shape(const suan__checkpoint_private *p, const suan__tensor *t, const char *expected, suan_error *err) {
    return suan__fail(err, SUAN_EFORMAT, "%s: tensor %s is %s [%llu, %llu, %llu, %llu] (outermost first), expected %s",
                      p->pub.files[t->i_file].path, t->name, suan__dtype_get(t->type)->name, ULL(t->ne[3]), ULL(t->ne[2]), ULL(t->ne[1]),
                      ULL(t->ne[0]), expected);
}

/* Blocks have scales beside them, of the same shape but for the codes. */
static suan_status find_scales(suan__checkpoint_private *p, suan__tensor *t, suan__tensor **scales, suan_error *err) {
    size_t n = strlen(t->name) - strlen("blocks");
    char *name = suan__arena_strndup(&p->arena, t->name, strlen(t->name));
    if (!name) return suan__fail(err, SUAN_ENOMEM, "%s: out of memory", p->pub.path);
    memcpy(name + n, "scales", 6);
    uint64_t i = suan__names_find(&p->names, name, (uint32_t)strlen(name));
    SUAN_CHECK(i != SUAN__NAME_NONE, SUAN_EFORMAT, "%s: tensor %s is missing beside %s", p->pub.path, name, t->name);
    suan__tensor *s = *scales = &p->tensors[i];
    if (t->type != SUAN__U8 || t->n_dims != 4 || t->ne[0] != BLOCK_CODES || t->n_bytes == 0)
        return refuse_shape(p, t, "U8 [experts, outputs, blocks, 16]", err);
    bool fits = s->type == SUAN__U8 && s->n_dims == 3 && s->ne[0] == t->ne[1] && s->ne[1] == t->ne[2] && s->ne[2] == t->ne[3];
    return fits ? SUAN_OK : refuse_shape(p, s, "U8 with a value for each block of its tensor", err);
}

/* The i-th tensor made of t; `scales` NULL: of values. */
static suan_status make(suan__checkpoint_private *p, const suan__tensor *t, const suan__tensor *scales, const rule *r, int i,
                        suan__tensor *made, suan_error *err) {
    uint64_t step = r->made[1] ? 2 : 1, n_outputs = (scales ? t->ne[2] : t->ne[0]) / step, n_values;
    bool is_bias = t->n_dims == 2;
    suan__view *v = SUAN_ARENA_NEW(&p->arena, suan__view, 1);
    char *name = renamed(p, t, r->made[i]);
    SUAN_CHECK(v && name, SUAN_ENOMEM, "%s: out of memory", p->pub.path);
    *v = (suan__view){.read = scales ? read_blocks : read_outputs,
                      .source = t,
                      .scales = scales,
                      .first = (uint64_t)i,
                      .step = step,
                      .is_transposed = !scales && !is_bias};
    *made = (suan__tensor){.name = name, .type = scales ? SUAN__MXFP4 : t->type, .n_dims = is_bias ? 2 : 3, .i_file = t->i_file, .view = v};
    uint64_t ne[SUAN__MAX_DIMS] = {scales    ? t->ne[1] * BLOCK_VALUES
                                   : is_bias ? n_outputs
                                             : t->ne[1],
                                   is_bias ? t->ne[1] : n_outputs,
                                   scales    ? t->ne[3]
                                   : is_bias ? 1
                                             : t->ne[2],
                                   1};
    memcpy(made->ne, ne, sizeof ne);
    SUAN_CHECK(suan__tensor_size(made->type, made->n_dims, ne, &n_values, &made->n_bytes) == SUAN_OK, SUAN_ERANGE,
               "%s: tensor %s is too large", p->pub.path, t->name);
    return SUAN_OK;
}

static suan_status add(suan__checkpoint_private *p, suan__tensor *t, const rule *r, suan__tensor *made, uint64_t *n, suan_error *err) {
    suan__tensor *scales = NULL;
    bool is_float = t->type == SUAN__F32 || t->type == SUAN__F16 || t->type == SUAN__BF16;
    if (r->has_blocks)
        SUAN_TRY(find_scales(p, t, &scales, err));
    else if (!is_float || t->n_bytes == 0 || t->n_dims < 2 || t->n_dims > 3)
        return refuse_shape(p, t, "F32, F16 or BF16 of two or three dimensions", err);
    if (r->made[1] && (scales ? t->ne[2] : t->ne[0]) % 2) return refuse_shape(p, t, "an even number of outputs", err);
    t->is_part = true;
    if (scales) scales->is_part = true;
    for (int i = 0; i < 2 && r->made[i]; i++, ++*n) SUAN_TRY(make(p, t, scales, r, i, &made[*n], err));
    return SUAN_OK;
}

suan_status suan__checkpoint_add_views(suan__checkpoint_private *p, suan_error *err) {
    uint64_t n = p->pub.n_tensors, n_views = 0;
    for (uint64_t i = 0; i < n; i++) n_views += rule_of(&p->tensors[i]) ? 2 : 0;
    if (!n_views) return SUAN_OK;
    suan__tensor *made = SUAN_ARENA_NEW(&p->arena, suan__tensor, n_views), *all = SUAN_ARENA_NEW(&p->arena, suan__tensor, n + n_views);
    suan__names names;
    SUAN_CHECK(made && all && suan__names_init(&names, &p->arena, n + n_views), SUAN_ENOMEM, "%s: out of memory for %llu tensors",
               p->pub.path, ULL(n + n_views));
    uint64_t n_made = 0;
    for (uint64_t i = 0; i < n; i++) {
        const rule *r = rule_of(&p->tensors[i]);
        if (r) SUAN_TRY(add(p, &p->tensors[i], r, made, &n_made, err));
    }
    memcpy(all, p->tensors, n * sizeof *all); /* views keep pointing into the old list, which holds the same */
    memcpy(all + n, made, n_made * sizeof *all);
    for (uint64_t i = 0; i < n + n_made; i++)
        SUAN_CHECK(suan__names_add(&names, all[i].name, (uint32_t)strlen(all[i].name), (uint32_t)i) == SUAN__NAME_NONE, SUAN_EFORMAT,
                   "%s: tensor %s is there in two forms", p->pub.path, all[i].name);
    p->names = names;
    p->pub.tensors = p->tensors = all;
    p->pub.n_tensors = n + n_made;
    return SUAN_OK;
}
