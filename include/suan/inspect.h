/* inspect.h: looking into model files without loading their weights. */
#ifndef SUAN_INSPECT_H
#define SUAN_INSPECT_H

#include "suan/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Describes a model (GGUF or directory) as a JSON object: path, format, architecture, name, parameters, bytes, hyperparameters, metadata
 * (GGUF) or config, tensors (name, type, shape outermost first, bytes, file, offset), types (count and bytes of each), tokenizer (kind,
 * n_vocab, special ids, ...), chat_template, supported (and, if not, why), memory (weights, cache and buffers at n_ctx for caches of f16, f32 and q8_0;
 * n_ctx 0: the model's context). *json: owned by the caller (suan_free). */
SUAN_API suan_status suan_inspect(const char *path, uint32_t n_ctx, char **json, suan_error *err);
/* Writes tensor `name`, expanded to F32 exactly, as `name` into a safetensors file at out_path (whole or not at all). */
SUAN_API suan_status suan_inspect_tensor(const char *path, const char *name, const char *out_path, suan_error *err);

#ifdef __cplusplus
}
#endif
#endif
