/* sparse.h: attention of one token over entries that are not simply all positions so far: selected ones, a window, compressed rows, a sink (design.md, rule 5). Rows of queries
 * stand in the scratch as suan__attend wants them. Each call takes entries into the running softmax of the first n_rows rows; the last one divides. */
#ifndef SUAN_MODEL_SPARSE_H
#define SUAN_MODEL_SPARSE_H

#include "model/attention.h"

/* A step of fewer tokens than MANY takes fewer heads together, so that more threads find work. */
#define SUAN__SPARSE_MANY 4
#define SUAN__SPARSE_FEW_HEADS 16

/* n entries of a block, rows of the cache's type at src->k and src->v, with the numbers [first, first + n) of the block. is_first: nothing was taken before. */
void suan__attend_entries(suan__worker *w, const suan__attn_source *src, uint32_t n_rows, uint32_t first, uint32_t n, bool is_first);
/* The rows `select` [n] (ascending) of src, numbered by rank. width: values of a row. */
void suan__attend_selected(suan__worker *w, const suan__attn_source *src, uint32_t width, uint32_t n_rows, const uint32_t *select,
                           uint32_t n, bool is_first);
/* A sink for each row: an entry of score sinks[i] without a value, merged as a block whose sum is 1 and whose values are zeros. After all entries. */
void suan__attend_sinks(suan__worker *w, int dv, uint32_t n_rows, const float *sinks);
/* Divides by the sums: the result is in scratch->o [n_rows][dv]. */
void suan__attend_finish(suan__worker *w, int dv, uint32_t n_rows);

#endif
