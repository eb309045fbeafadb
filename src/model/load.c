/* load.c: reads every tensor of the binder's list and packs it, on all threads, into one stretch of memory. Packed tensors stay where they
 * are: their file is mapped. */
#include <string.h>

#include "base/checked.h"
#include "formats/views.h"
#include "model/binder.h"
#include "model/packed.h"

#define UNIT_BYTES (512u << 10) /* of file data that one thread reads at a time */

typedef struct loader {
    const suan__checkpoint *ck;
    suan__matrix_job **jobs;
    uint64_t *first_unit; /* [n_jobs + 1]: prefix sums of units */
    uint32_t n_jobs;
    atomic_ullong next_unit, done_bytes;
    atomic_bool failed;
    uint64_t total_bytes;
    suan__progress_fn *progress;
    void *progress_ctx;
    unsigned char **scratch; /* [n_threads][2]: raw rows and rows made ready */
    size_t scratch_bytes;
    bool drops_source; /* what was read is not kept by the kernel: the file would push the weights out of memory */
    suan_status status;
    suan_error error;
} loader;

/* Panels of one slice that a unit of work takes: about UNIT_BYTES of file data. A transposed slice is one unit. */
static uint64_t unit_panels(const suan__matrix_job *job) {
    const suan__weight *w = job->weight;
    uint64_t panels = (w->n_rows + (uint64_t)SUAN__PANEL - 1) / SUAN__PANEL;
    if (job->transpose || (job->tensors[0]->view && job->tensors[0]->view->is_transposed)) return panels;
    const suan__dtype_info *t = suan__dtype_get(job->tensors[0]->type);
    uint64_t panel = (uint64_t)SUAN__PANEL * (w->n_cols / t->block) * t->bytes, n = panel ? UNIT_BYTES / panel : 1;
    return n < 1 ? 1 : n > panels ? panels : n;
}

static uint64_t job_units(const suan__matrix_job *job) {
    uint64_t panels = (job->weight->n_rows + (uint64_t)SUAN__PANEL - 1) / SUAN__PANEL, n = unit_panels(job);
    return (panels + n - 1) / n * job->weight->n_slices;
}

static size_t file_row_bytes(suan__dtype type, uint64_t n) {
    const suan__dtype_info *t = suan__dtype_get(type);
    return (size_t)(n / t->block * t->bytes);
}

/* Scratch that a job needs for one unit, for raw rows and for rows made ready. */
static size_t job_scratch(const suan__matrix_job *job) {
    const suan__weight *w = job->weight;
    uint64_t rows = job->transpose ? w->n_cols : unit_panels(job) * SUAN__PANEL, cols = job->transpose ? w->n_rows : w->n_cols;
    size_t raw = (size_t)rows * file_row_bytes(job->tensors[0]->type, cols);
    size_t ready = (size_t)rows * cols * sizeof(float);
    size_t one_row = (size_t)cols * sizeof(float);
    bool expands = w->type != job->tensors[0]->type;
    return (expands || job->transpose ? raw + ready + one_row : raw) + 256;
}

static suan_status read_source(const loader *l, const suan__tensor *t, uint64_t begin, void *dst, size_t n, suan_error *err) {
    SUAN_TRY(suan__checkpoint_read(l->ck, t, begin, dst, n, err));
    if (l->drops_source) suan__checkpoint_drop(l->ck, t, begin, n);
    return SUAN_OK;
}

/* The panels [panel0, panel0 + n) of slice s from rows in the tensor's own order. */
static suan_status load_rows(loader *l, const suan__matrix_job *job, uint32_t s, uint64_t panel0, uint64_t n, unsigned char *scratch,
                             suan_error *err) {
    const suan__weight *w = job->weight;
    const suan__tensor *t = job->n_tensors > 1 ? job->tensors[s] : job->tensors[0];
    uint64_t row0 = panel0 * SUAN__PANEL, rows = n * SUAN__PANEL;
    if (rows > w->n_rows - row0) rows = w->n_rows - row0;
    uint64_t at = job->row_begin + (job->n_tensors > 1 ? 0 : s * job->slice_rows) + row0;
    size_t raw_bytes = file_row_bytes(t->type, w->n_cols), row_bytes = raw_bytes;
    SUAN_TRY(read_source(l, t, at * raw_bytes, scratch, (size_t)rows * raw_bytes, err));
    unsigned char *ready = scratch;
    if (w->type != t->type) { /* a type without kernels of its own: expanded, exactly */
        ready = scratch + (((size_t)rows * raw_bytes + 63) & ~(size_t)63);
        row_bytes = w->n_cols * sizeof(float);
        for (uint64_t r = 0; r < rows; r++)
            suan__dequantize_row(t->type, (float *)(void *)(ready + r * row_bytes), scratch + r * raw_bytes, w->n_cols);
    }
    suan__panels_pack(w->type, w->data + s * w->slice_bytes + panel0 * suan__panel_bytes(w->type, w->n_cols), ready, row_bytes, w->n_cols,
                      rows);
    return SUAN_OK;
}

/* Slice s of a matrix that is used against the direction of its rows: n_cols rows of n_rows values become n_rows rows of n_cols. Block
 * types are expanded. */
static suan_status load_transposed(loader *l, const suan__matrix_job *job, uint32_t s, unsigned char *scratch, suan_error *err) {
    const suan__weight *w = job->weight;
    const suan__tensor *t = job->tensors[0];
    size_t raw_bytes = file_row_bytes(t->type, w->n_rows), size = suan__dtype_get(w->type)->bytes, row_bytes = w->n_cols * size;
    uint64_t at = job->row_begin + s * job->slice_rows;
    SUAN_TRY(read_source(l, t, at * raw_bytes, scratch, w->n_cols * raw_bytes, err));
    float *expanded = (float *)(void *)(scratch + ((w->n_cols * raw_bytes + 63) & ~(size_t)63));
    unsigned char *ready = (unsigned char *)(expanded + w->n_rows);
    for (uint32_t c = 0; c < w->n_cols; c++) {
        const unsigned char *row = scratch + c * raw_bytes;
        if (w->type != t->type) {
            suan__dequantize_row(t->type, expanded, row, w->n_rows);
            row = (const unsigned char *)expanded;
        }
        for (uint32_t r = 0; r < w->n_rows; r++) memcpy(ready + r * row_bytes + c * size, row + r * size, size);
    }
    suan__panels_pack(w->type, w->data + s * w->slice_bytes, ready, row_bytes, w->n_cols, w->n_rows);
    return SUAN_OK;
}

static suan_status load_unit(loader *l, uint32_t i_job, uint64_t unit, unsigned char *scratch, suan_error *err) {
    const suan__matrix_job *job = l->jobs[i_job];
    if (job->transpose) return load_transposed(l, job, (uint32_t)unit, scratch, err);
    uint64_t panels = (job->weight->n_rows + (uint64_t)SUAN__PANEL - 1) / SUAN__PANEL, n = unit_panels(job),
             per_slice = (panels + n - 1) / n;
    uint64_t s = unit / per_slice, panel0 = unit % per_slice * n;
    return load_rows(l, job, (uint32_t)s, panel0, panels - panel0 < n ? panels - panel0 : n, scratch, err);
}

static void load_thread(void *ctx, int i_thread, int n_threads) {
    loader *l = ctx;
    uint32_t job = 0;
    for (;;) {
        uint64_t unit = atomic_fetch_add(&l->next_unit, 1);
        if (unit >= l->first_unit[l->n_jobs] || atomic_load(&l->failed)) return;
        while (unit >= l->first_unit[job + 1]) job++;
        suan_error err = {0};
        suan_status status = load_unit(l, job, unit - l->first_unit[job], l->scratch[i_thread], &err);
        if (status != SUAN_OK) {
            if (!atomic_exchange(&l->failed, true)) {
                l->status = status;
                l->error = err;
            }
            return;
        }
        uint64_t units = l->first_unit[job + 1] - l->first_unit[job];
        uint64_t done = atomic_fetch_add(&l->done_bytes, l->jobs[job]->bytes / units) + l->jobs[job]->bytes / units;
        if (i_thread == 0 && l->progress) l->progress(l->progress_ctx, done, l->total_bytes);
    }
}

/* A norm or a bias that is not finite is refused here: a router's bias only chooses experts, so no later check would see it. */
static suan_status load_vectors(suan__binder *b, suan__model *m, suan_error *err) {
    for (suan__vector_job *job = b->vectors; job; job = job->next) {
        size_t bytes = file_row_bytes(job->tensor->type, job->n);
        float *v = SUAN_ARENA_NEW(&m->arena, float, job->n);
        void *raw = suan__malloc(bytes);
        suan_status status = v && raw ? suan__checkpoint_read(b->ck, job->tensor, 0, raw, bytes, err)
                                      : suan__fail(err, SUAN_ENOMEM, "%s: out of memory for tensor %s", b->ck->path, job->tensor->name);
        if (status == SUAN_OK) suan__dequantize_row(job->tensor->type, v, raw, job->n);
        suan__free(raw);
        SUAN_TRY(status);
        SUAN_CHECK(m->kernels->all_finite(v, job->n), SUAN_ENUMERIC, "%s: tensor %s holds a value that is not finite", b->ck->path,
                   job->tensor->name);
        *job->target = v;
    }
    return SUAN_OK;
}

/* Tables of integers, every one looked at: they index what a token uses. */
static suan_status load_ids(suan__binder *b, suan__model *m, suan_error *err) {
    for (suan__ids_job *job = b->ids; job; job = job->next) {
        bool is_wide = job->tensor->type == SUAN__I64;
        size_t bytes = (size_t)job->n * (is_wide ? 8 : 4);
        int32_t *v = SUAN_ARENA_NEW(&m->arena, int32_t, job->n);
        char *raw = suan__malloc(bytes);
        suan_status status =
            v && raw ? SUAN_OK : suan__fail(err, SUAN_ENOMEM, "%s: out of memory for tensor %s", b->ck->path, job->tensor->name);
        if (status == SUAN_OK && b->ck->invention)
            suan__random_ids((int32_t *)(void *)raw, job->tensor->ne[0], 0, (size_t)job->n, job->limit, b->ck->invention->seed);
        else if (status == SUAN_OK)
            status = suan__checkpoint_read(b->ck, job->tensor, 0, raw, bytes, err);
        for (uint64_t i = 0; i < job->n && status == SUAN_OK; i++) {
            int64_t x = 0;
            int32_t narrow = 0;
            memcpy(is_wide ? (void *)&x : (void *)&narrow, raw + i * (is_wide ? 8 : 4), is_wide ? 8 : 4);
            if (!is_wide) x = narrow;
            if (x < 0 || x >= job->limit)
                status = suan__fail(err, SUAN_ERANGE, "%s: tensor %s: value %llu is %lld, expected 0 to %u", b->ck->path, job->tensor->name,
                                    (unsigned long long)i, (long long)x, job->limit - 1);
            else
                v[i] = (int32_t)x;
        }
        suan__free(raw);
        SUAN_TRY(status);
        *job->target = v;
    }
    return SUAN_OK;
}

static bool is_mapped(const suan__matrix_job *job) {
    return job->tensors[0]->is_packed;
}

/* Maps the files that hold packed tensors, each once, and gives those their places. The parser has checked that they lie inside. */
static suan_status place_mapped(suan__binder *b, suan__model *m, suan_error *err) {
    const suan__checkpoint *ck = b->ck;
    suan__map **of_file = SUAN_ARENA_NEW(b->arena, suan__map *, ck->n_files);
    m->maps = SUAN_ARENA_NEW(&m->arena, suan__map, ck->n_files);
    SUAN_CHECK(of_file && m->maps, SUAN_ENOMEM, "%s: out of memory for the list of files", ck->path);
    for (suan__matrix_job *job = b->matrices; job; job = job->next) {
        if (!is_mapped(job)) continue;
        const suan__tensor *t = job->tensors[0];
        const suan__file *f = &ck->files[t->i_file];
        if (!of_file[t->i_file]) {
            suan__map *map = of_file[t->i_file] = &m->maps[m->n_maps];
            SUAN_TRY(suan__map_open(map, f, err));
            m->n_maps++;
            SUAN_TRY(suan__map_watch(map, f, err));
        }
        job->weight->data = (unsigned char *)(uintptr_t)of_file[t->i_file]->data + t->offset; /* only ever read */
        m->mapped_bytes += job->bytes;
    }
    return SUAN_OK;
}

/* Gives every other matrix its place; matrices begin at multiples of 64 bytes. */
static suan_status place(suan__binder *b, suan__model *m, loader *l, suan_error *err) {
    uint64_t at = 0;
    for (suan__matrix_job *job = b->matrices; job; job = job->next) {
        if (is_mapped(job)) continue;
        l->n_jobs++;
        SUAN_CHECK(suan__add_u64(at, job->bytes, &at) && suan__align_u64(at, SUAN__ALIGN, &at) && at <= SIZE_MAX / 2, SUAN_ERANGE,
                   "%s: the model is too large", b->ck->path);
        size_t scratch = job_scratch(job);
        if (scratch > l->scratch_bytes) l->scratch_bytes = scratch;
    }
    if (l->n_jobs == 0) return SUAN_OK;
    m->pages_bytes = (size_t)at;
    m->pages = suan__pages_alloc(m->pages_bytes);
    char text[SUAN__BYTES_TEXT];
    SUAN_CHECK(m->pages, SUAN_ENOMEM, "%s: %s of memory for the weights cannot be had", b->ck->path, suan__bytes_text(text, at));
    l->jobs = SUAN_ARENA_NEW(b->arena, suan__matrix_job *, l->n_jobs);
    l->first_unit = SUAN_ARENA_NEW(b->arena, uint64_t, l->n_jobs + 1);
    SUAN_CHECK(l->jobs && l->first_unit, SUAN_ENOMEM, "%s: out of memory for the list of tensors", b->ck->path);
    uint32_t i = 0;
    at = 0;
    for (suan__matrix_job *job = b->matrices; job; job = job->next) {
        if (is_mapped(job)) continue;
        job->weight->data = m->pages + at;
        at = (at + job->bytes + SUAN__ALIGN - 1) & ~(uint64_t)(SUAN__ALIGN - 1);
        l->jobs[i] = job;
        l->first_unit[i + 1] = l->first_unit[i] + job_units(job);
        i++;
    }
    return SUAN_OK;
}

static suan_status load_matrices(suan__binder *b, suan__model *m, suan__progress_fn *progress, void *progress_ctx, suan_error *err) {
    loader l = {.ck = b->ck, .progress = progress, .progress_ctx = progress_ctx, .status = SUAN_OK};
    SUAN_TRY(place_mapped(b, m, err));
    SUAN_TRY(place(b, m, &l, err));
    if (l.n_jobs == 0) return SUAN_OK;
    l.total_bytes = b->weight_bytes - m->mapped_bytes;
    l.drops_source = b->ck->n_files > 0 && l.total_bytes > suan__memory_available() / 2;
    int n_threads = suan__pool_n_threads(m->pool);
    l.scratch = SUAN_ARENA_NEW(b->arena, unsigned char *, (size_t)n_threads);
    bool have = l.scratch != NULL;
    for (int i = 0; have && i < n_threads; i++) have = (l.scratch[i] = suan__malloc_aligned(l.scratch_bytes)) != NULL;
    suan_status status = have ? SUAN_OK : suan__fail(err, SUAN_ENOMEM, "%s: out of memory for reading tensors", b->ck->path);
    if (have) {
        suan__pool_run(m->pool, load_thread, &l);
        status = l.status;
        if (status != SUAN_OK && err) *err = l.error;
        if (status == SUAN_OK && progress) progress(progress_ctx, l.total_bytes, l.total_bytes);
    }
    for (int i = 0; l.scratch && i < n_threads; i++) suan__free(l.scratch[i]);
    return status;
}

static suan_status copy_name(suan__model *m, const suan__checkpoint *ck, suan_error *err) {
    suan__gguf_string s = {0};
    if (ck->gguf) SUAN_TRY(suan__gguf_str(ck->gguf, "general.name", false, &s, err));
    const char *path = ck->path, *end = path + strlen(path);
    while (end > path + 1 && end[-1] == '/') end--;
    const char *begin = end;
    while (begin > path && begin[-1] != '/') begin--;
    m->name = s.n ? suan__arena_strndup(&m->arena, s.data, (size_t)s.n) : suan__arena_strndup(&m->arena, begin, (size_t)(end - begin));
    return m->name ? SUAN_OK : suan__fail(err, SUAN_ENOMEM, "%s: out of memory", ck->path);
}

/* Which forms of rounded activations the products of a layer's normed input take. */
static void note_activations(suan__model *m) {
    for (uint32_t i = 0; i < m->hp.n_layer; i++) {
        const suan__layer *l = &m->layers[i];
        const suan__weight *const takers[] = {&l->wq,      &l->wk,   &l->wv, &l->wq_a,      &l->wkv_a,
                                              &l->index_k, &l->gate, &l->up, &l->gate_exps, &l->up_exps};
        for (size_t k = 0; k < sizeof takers / sizeof takers[0]; k++) {
            if (!takers[k]->data) continue;
            m->h_wants_32 |= suan__activation_block(takers[k]->type) == 32;
            m->h_wants_256 |= suan__activation_block(takers[k]->type) == 256;
        }
    }
}

suan_status suan__binder_load(suan__binder *b, suan__model *m, suan__progress_fn *progress, void *progress_ctx, suan_error *err) {
    SUAN_TRY(b->status);
    m->n_params = b->n_params;
    SUAN_TRY(load_vectors(b, m, err));
    SUAN_TRY(load_ids(b, m, err));
    SUAN_TRY(load_matrices(b, m, progress, progress_ctx, err));
    note_activations(m);
    for (suan__matrix_job *job = b->matrices; job; job = job->next) { /* names outlive the checkpoint */
        job->weight->name = suan__arena_strndup(&m->arena, job->weight->name, strlen(job->weight->name));
        SUAN_CHECK(job->weight->name, SUAN_ENOMEM, "%s: out of memory", b->ck->path);
    }
    return SUAN_OK;
}

suan_status suan__model_load(suan__model **model, const suan__checkpoint *ck, const suan__kernels *kernels, suan__pool *pool,
                             suan__progress_fn *progress, void *progress_ctx, suan_error *err) {
    suan_status status = SUAN_OK;
    suan__arena lists;
    suan__binder b;
    suan__model *m = suan__calloc(1, sizeof *m);
    *model = NULL;
    SUAN_CHECK(m, SUAN_ENOMEM, "%s: out of memory", ck->path);
    suan__arena_init(&m->arena, 1 << 16);
    suan__arena_init(&lists, 1 << 16);
    m->kernels = kernels;
    m->pool = pool;
    m->path = suan__arena_strndup(&m->arena, ck->path, strlen(ck->path));
    SUAN_CHECK_GOTO(m->path, SUAN_ENOMEM, "%s: out of memory", ck->path);
    SUAN_TRY_GOTO(copy_name(m, ck, err));
    SUAN_TRY_GOTO(suan__family_find(&m->family, ck, err));
    m->arch = suan__family_arch(m->family);
    SUAN_TRY_GOTO(suan__hparams_read(&m->hp, m->family, ck, &m->arena, err));
    suan__binder_init(&b, ck, &m->hp, &lists, err);
    m->layers = SUAN_ARENA_NEW(&m->arena, suan__layer, m->hp.n_layer);
    SUAN_CHECK_GOTO(m->layers, SUAN_ENOMEM, "%s: out of memory for %u layers", ck->path, m->hp.n_layer);
    b.layers = m->layers;
    b.embd = &m->embd;
    b.head = &m->head;
    b.out_norm = &m->out_norm;
    suan__bind_model(&b, m->family);
    SUAN_TRY_GOTO(suan__binder_load(&b, m, progress, progress_ctx, err));
    if (m->hp.tied) m->head = m->embd;
    suan__arena_fini(&lists);
    *model = m;
    return SUAN_OK;
fail:
    suan__arena_fini(&lists);
    suan__model_free(m);
    return status;
}

suan_status suan__model_check(const suan__model *model, suan_error *err) {
    for (uint32_t i = 0; i < model->n_maps; i++)
        SUAN_CHECK(!suan__map_failed(&model->maps[i]), SUAN_EIO,
                   "%s: the file was cut or changed while the model was in use; open it again once it is whole", model->path);
    return SUAN_OK;
}

void suan__model_free(suan__model *model) {
    if (!model) return;
    for (uint32_t i = 0; i < model->n_maps; i++) suan__map_close(&model->maps[i]);
    suan__pages_free(model->pages, model->pages_bytes);
    suan__arena_fini(&model->arena);
    suan__free(model);
}
