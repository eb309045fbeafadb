/* tensor.c: the size of a tensor, and whether the places that a file gives to its tensors collide. */
#include "formats/tensor.h"

#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "formats/spans.h"

/* A dimension of zero makes the tensor empty, yet the other dimensions must still have a product that fits: a row size or a stride computed
 * later from some of them can then not overflow either. The limit is INT64_MAX, so that signed arithmetic further up is safe too. */
suan_status suan__tensor_size(suan__dtype type, int n_dims, const uint64_t *ne, uint64_t *n_values, uint64_t *n_bytes) {
    const suan__dtype_info *info = suan__dtype_get((uint32_t)type);
    if (!info || n_dims < 0 || n_dims > SUAN__MAX_DIMS) return SUAN_EINVAL;
    uint64_t product = 1, bytes;
    bool empty = false;
    for (int i = 0; i < n_dims; i++) {
        if (ne[i] == 0) {
            empty = true;
        } else if (!suan__mul_u64(product, ne[i], &product) || product > INT64_MAX) {
            return SUAN_ERANGE;
        }
    }
    if ((n_dims > 0 ? ne[0] : 1) % info->block != 0) return SUAN_EFORMAT;
    /* Zero dimensions left out, product may be no whole number of blocks: round up, which bounds what any slice can need. */
    uint64_t blocks = product / info->block + (product % info->block != 0);
    if (!suan__mul_u64(blocks, info->bytes, &bytes) || bytes > INT64_MAX) return SUAN_ERANGE;
    *n_values = empty ? 0 : product;
    *n_bytes = empty ? 0 : bytes;
    return SUAN_OK;
}

suan_status suan__packed_stride(suan__dtype type, uint64_t ne0, uint64_t ne1, uint64_t *panels_bytes, uint64_t *stride) {
    uint64_t rows, n_values, aligned;
    if (!suan__align_u64(ne1, SUAN__PACKED_PANEL, &rows)) return SUAN_ERANGE;
    suan_status status = suan__tensor_size(type, 2, (const uint64_t[]){ne0, rows}, &n_values, panels_bytes);
    if (status != SUAN_OK) return status;
    if (!suan__align_u64(*panels_bytes, SUAN__PACKED_ALIGNMENT, &aligned) || aligned > INT64_MAX) return SUAN_ERANGE;
    *stride = aligned;
    return SUAN_OK;
}

suan_status suan__packed_size(suan__dtype type, int n_dims, const uint64_t *ne, uint64_t *n_values, uint64_t *n_bytes) {
    uint64_t panels, stride, bytes;
    if (n_dims < 2 || n_dims > 3) return SUAN_EINVAL;
    suan_status status = suan__tensor_size(type, n_dims, ne, n_values, &bytes);
    if (status == SUAN_OK) status = suan__packed_stride(type, ne[0], ne[1], &panels, &stride);
    if (status != SUAN_OK) return status;
    /* The last matrix needs no filling up. */
    uint64_t before = n_dims > 2 && ne[2] > 0 ? ne[2] - 1 : 0;
    if (!suan__mul_u64(before, stride, &bytes) || !suan__add_u64(bytes, panels, &bytes) || bytes > INT64_MAX) return SUAN_ERANGE;
    *n_bytes = *n_values == 0 ? 0 : bytes;
    return SUAN_OK;
}

static bool span_before(const suan__span *a, const suan__span *b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
}

/* Merge sort from the bottom up: stable, n log n whatever the input, no recursion. */
suan_status suan__spans_sort(suan__span *spans, size_t n, suan_error *err) {
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++) sorted = !span_before(&spans[i], &spans[i - 1]);
    if (sorted) return SUAN_OK; /* the usual case: writers put tensors down in order */
    suan__span *other = suan__calloc(n, sizeof *other);
    if (!other) return suan__fail(err, SUAN_ENOMEM, "out of memory while sorting %zu tensors", n);
    suan__span *from = spans, *to = other;
    for (size_t width = 1; width<n; width = width> n / 2 ? n : width * 2) {
        for (size_t lo = 0; lo < n;) {
            size_t mid = n - lo > width ? lo + width : n, hi = n - mid > width ? mid + width : n;
            size_t a = lo, b = mid, k = lo;
            while (k < hi) to[k++] = b == hi || (a < mid && !span_before(&from[b], &from[a])) ? from[a++] : from[b++];
            lo = hi;
        }
        suan__span *t = from;
        from = to;
        to = t;
    }
    if (from != spans) memcpy(spans, from, n * sizeof *spans);
    suan__free(other);
    return SUAN_OK;
}
