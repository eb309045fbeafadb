/* tokenizer_write.h: a tokenizer as GGUF metadata. */
#ifndef SUAN_TEXT_TOKENIZER_WRITE_H
#define SUAN_TEXT_TOKENIZER_WRITE_H

#include "formats/gguf_write.h"
#include "suan/tokenizer.h"

/* Adds tokenizer.ggml.* and tokenizer.chat_template*. The vocabulary is filled up to n_vocab tokens, one for each row of the embedding. GGUF
 * names a pre-tokenizer where other files spell it out: the name is found by trying, and what is written was read again and gave the same
 * ids for a text of many scripts. SUAN_EUNSUPPORTED when nothing that GGUF can say does. */
suan_status suan__tokenizer_write_gguf(const suan_tokenizer *t, uint32_t n_vocab, suan__gguf_writer *w, suan_error *err);

#endif
