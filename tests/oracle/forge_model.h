/* forge_model.h: model files made by the tests: a GGUF file again with its matrices in another type, small random models whose rows are
 * whole blocks of 256, and the model that ships with the project as a GGUF file.
 *
 * All failures end the running test. Files are written to `path` and belong to the caller.
 */
#ifndef TESTS_ORACLE_FORGE_MODEL_H
#define TESTS_ORACLE_FORGE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"

/* Copies `from` with every matrix whose rows are whole blocks of `type` in that type; routers stay as they are, and so do vectors. Returns
 * how many matrices could not take the type. */
int forge_requantize(const char *from, const char *to, suan__dtype type);
/* The same, but with random blocks instead of the matrices' values: every pattern of bits that a type has, and independent of how good its
 * quantiser is. For the K-quants, IQ4_XS, IQ2_XXS and TQ2_0, whose blocks may hold any bytes. */
int forge_randomize(const char *from, const char *to, suan__dtype type);

/* Whether forge_requantize would give every matrix of `from` the type. */
bool forge_divides(const char *from, suan__dtype type);

typedef enum forge_kind {
    FORGE_LLAMA,          /* grouped-query attention, two dense layers */
    FORGE_DEEPSEEK,       /* latent attention with attn_kv_b, a dense layer and one of experts in groups with a shared one */
    FORGE_DEEPSEEK_SPLIT, /* the same with attn_k_b and attn_v_b, without q_lora */
} forge_kind;
#define FORGE_N_VOCAB 64

/* A model of random F32 weights whose rows are all multiples of 256 values. */
void forge_generate(forge_kind kind, const char *path);

/* A Hugging Face folder of the DeepSeek-V3 family without q_lora (models/seed) as a GGUF file, weights as stored. No tokenizer. */
void forge_from_deepseek(const char *dir, const char *path);

#endif
