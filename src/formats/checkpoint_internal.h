/* checkpoint_internal.h: the parts of opening a checkpoint that the two containers share. */
#ifndef SUAN_FORMATS_CHECKPOINT_INTERNAL_H
#define SUAN_FORMATS_CHECKPOINT_INTERNAL_H

#include "formats/checkpoint.h"
#include "formats/names.h"

#define SUAN__CHECKPOINT_MAX_FILES 4096

/* All that a checkpoint owns. `pub` is what callers see. */
typedef struct suan__checkpoint_private {
    suan__checkpoint pub;
    suan__arena arena;
    suan__names names; /* tensor name -> index in pub.tensors */
    suan__tensor *tensors;
    suan__gguf *ggufs; /* one a file, for GGUF */
    json_t *config, *generation_config, *tokenizer_config;
} suan__checkpoint_private;

/* Room for n files; then add_file opens them one by one, and its tensors are appended. */
suan_status suan__checkpoint_reserve_files(suan__checkpoint_private *p, uint64_t n, suan_error *err);
suan_status suan__checkpoint_add_file(suan__checkpoint_private *p, const char *path, suan_error *err);
/* One list and one index of all tensors: lists[i] has counts[i] tensors, of file i. A name in two files is an error. */
suan_status suan__checkpoint_join(suan__checkpoint_private *p, suan__tensor *const *lists, const uint64_t *counts, suan_error *err);

/* native.h: names that joining may add; joins codes with their scales; reads whole blocks; where the codes of n bytes lie in their file. */
uint64_t suan__natives_count_names(const suan__tensor *tensors, uint64_t n);
suan_status suan__natives_join(suan__checkpoint_private *p, suan_error *err);
suan_status suan__native_read(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, void *dst, size_t n, suan_error *err);
void suan__native_place(const suan__tensor *t, uint64_t begin, uint64_t n, uint64_t *offset, uint64_t *n_bytes);

/* Appends the tensors that are made of others (views.h). */
suan_status suan__checkpoint_add_views(suan__checkpoint_private *p, suan_error *err);

/* Opens a directory; p->pub.dir is set. */
suan_status suan__checkpoint_open_hf(suan__checkpoint_private *p, suan_error *err);
/* Opens a GGUF file; p->pub.path is set and files[0] is open. */
suan_status suan__checkpoint_open_gguf(suan__checkpoint_private *p, suan_error *err);

#endif
