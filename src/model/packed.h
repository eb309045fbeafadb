/* packed.h: tensors in their two forms: rows, as files of every origin have them, and panels, as the kernels read them (kernels.h) and packed
 * files hold them (formats/tensor.h).
 */
#ifndef SUAN_MODEL_PACKED_H
#define SUAN_MODEL_PACKED_H

#include "formats/checkpoint.h"
#include "kernels/kernels.h"

/* n_rows rows of k values, row_bytes apart, into panels; the rows that the last panel lacks become zeros. */
void suan__panels_pack(suan__dtype type, unsigned char *panels, const unsigned char *rows, size_t row_bytes, size_t k, uint64_t n_rows);

/* Values [begin, begin + n) of a tensor, whole blocks, as the rows of a plain file would have them, whatever the form in this one: reading
 * is the same bytes from both. Threads: safe. SUAN_EUNSUPPORTED: panels of a type that has none. */
suan_status suan__tensor_read(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, uint64_t n, void *dst, suan_error *err);

/* Whether a packed tensor only repeats what another one says: the halves of an attn_kv_b that is there whole. */
bool suan__tensor_is_derived(const suan__checkpoint *ck, const suan__tensor *t);

#endif
