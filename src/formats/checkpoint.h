/* checkpoint.h: a model as it lies on the disk, whatever the container: a GGUF file (or the first of a split), or a Hugging Face directory
 * (config.json, *.safetensors and its index), seen as metadata and named tensors.
 *
 * Opening reads and checks all headers; no tensor data is touched. Nothing half-built is reachable: on failure *ck is NULL.
 */
#ifndef SUAN_FORMATS_CHECKPOINT_H
#define SUAN_FORMATS_CHECKPOINT_H

#include <jansson.h>

#include "base/file.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

typedef enum suan__checkpoint_kind { SUAN__CHECKPOINT_GGUF = 1, SUAN__CHECKPOINT_HF } suan__checkpoint_kind;

/* A model that lies nowhere: it has a configuration, and its tensors are made up as they are bound and read (threads: safe). */
typedef struct suan__invention {
    suan__dtype (*type)(const struct suan__invention *self, const suan__tensor *t); /* of a tensor, from its name and shape */
    void (*read)(const struct suan__invention *self, const suan__tensor *t, uint64_t begin, void *dst, size_t n); /* as checkpoint_read */
    suan__dtype matrix_type;
    uint64_t seed;
} suan__invention;

typedef struct suan__checkpoint {
    suan__checkpoint_kind kind;
    const char *path; /* as given */
    const char *dir;  /* the directory, for HF */
    uint64_t n_files;
    suan__file *files;
    uint64_t n_tensors;
    const suan__tensor *tensors;      /* all files together, in file order */
    const suan__gguf *gguf;           /* GGUF: metadata of the first part; NULL for HF */
    const json_t *config;             /* HF: config.json (an object); NULL for GGUF */
    const json_t *generation_config;  /* HF: generation_config.json or NULL */
    const json_t *tokenizer_config;   /* HF: tokenizer_config.json or NULL */
    const suan__invention *invention; /* HF with config alone; NULL: tensors come from files */
    void *private_;
} suan__checkpoint;

suan_status suan__checkpoint_open(suan__checkpoint **ck, const char *path, suan_error *err);
void suan__checkpoint_close(suan__checkpoint **ck);

/* NULL if there is none of this name. */
const suan__tensor *suan__checkpoint_find(const suan__checkpoint *ck, const char *name);
/* Reads n bytes of the tensor's data from byte `begin` of it; whole blocks of tensors that are made of two (native.h). Threads: safe. */
suan_status suan__checkpoint_read(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, void *dst, size_t n, suan_error *err);
/* Tells the kernel that what such a read has read is not wanted soon again. */
void suan__checkpoint_drop(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, uint64_t n);

/* config.json helpers: as the suan__gguf_* reads: an absent (or null) key keeps *out unless required; a wrong type or a value out of range
 * names file and key. `key` may be a path "rope_scaling.factor". */
suan_status suan__config_u32(const suan__checkpoint *ck, const char *key, bool required, uint32_t *out, suan_error *err);
suan_status suan__config_f32(const suan__checkpoint *ck, const char *key, bool required, float *out,
                             suan_error *err); /* from the JSON number, one rounding */
suan_status suan__config_f64(const suan__checkpoint *ck, const char *key, bool required, double *out, suan_error *err);
suan_status suan__config_bool(const suan__checkpoint *ck, const char *key, bool required, bool *out, suan_error *err);
suan_status suan__config_str(const suan__checkpoint *ck, const char *key, bool required, const char **out, suan_error *err);
/* The node at a path, or NULL when absent or null. */
const json_t *suan__config_get(const suan__checkpoint *ck, const char *key);

#endif
