/* gguf_internal.h: what the parser of GGUF files leaves for the lookups. */
#ifndef SUAN_FORMATS_GGUF_INTERNAL_H
#define SUAN_FORMATS_GGUF_INTERNAL_H

#include "formats/names.h"

typedef struct suan__gguf_index {
    suan__names keys, tensors;
} suan__gguf_index;

#endif
