/* suan.h: all of the public interface.
 *
 * A tour: suan_model_open opens a model, suan_session_create makes a session on it, suan_model_chat_encode (or suan_tokenizer_encode) turns
 * text into ids, suan_generate writes an answer and hands out its pieces as they are made. examples/generate.c is a complete program.
 */
#ifndef SUAN_H
#define SUAN_H

#include "suan/answer.h"
#include "suan/batch.h"
#include "suan/bench.h"
#include "suan/convert.h"
#include "suan/grammar.h"
#include "suan/inspect.h"
#include "suan/log.h"
#include "suan/model.h"
#include "suan/session.h"
#include "suan/status.h"
#include "suan/template.h"
#include "suan/tokenizer.h"

#endif
