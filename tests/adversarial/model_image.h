/* model_image.h: a model's files in memory, to be changed in one place and written again: GGUF and the files of a Hugging Face folder.
 *
 * Nothing is synced: the files live for one attempt to open them. Failures end the running test.
 */
#ifndef TESTS_ADVERSARIAL_MODEL_IMAGE_H
#define TESTS_ADVERSARIAL_MODEL_IMAGE_H

#include <jansson.h>

#include "../base/scratch.h"
#include "base/memory.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

#define IMAGE_MAX_TENSORS 1024

typedef struct image_tensor {
    char name[128]; /* "": left out when written */
    suan__dtype type;
    int n_dims;
    uint64_t ne[SUAN__MAX_DIMS];
    const char *data; /* borrowed; as many bytes as type and shape ask for are written, zeros behind n_bytes */
    uint64_t n_bytes;
} image_tensor;

typedef struct image {
    char *bytes; /* the file as it was read */
    size_t n_bytes;
    suan__arena arena;
    bool is_gguf;
    suan__gguf gguf;
    image_tensor tensors[IMAGE_MAX_TENSORS];
    size_t n_tensors;
} image;

/* Reads a GGUF or safetensors file. */
void image_read(image *im, const char *path);
void image_free(image *im);
/* Writes metadata (GGUF: as read) and the tensors as they stand now; of safetensors those with i % n_parts == part. */
void image_write(const image *im, const char *path, size_t part, size_t n_parts);
/* Puts n bytes into a file. */
void image_write_bytes(const char *path, const void *data, size_t n);

/* Runs the model as a user would: opens it with little memory, feeds three tokens, closes. What does not open has to say why: the message is
 * left in err, and must name `word` (NULL: anything), or a tensor. */
suan_status image_try(const char *path, suan_error *err);

#endif
