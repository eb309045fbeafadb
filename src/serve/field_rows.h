/* field_rows.h: short forms for the rows of tables (fields.h); included by the files that hold tables, and by no header. */
#ifndef SUAN_SERVE_FIELD_ROWS_H
#define SUAN_SERVE_FIELD_ROWS_H

#include "serve/fields.h"

#define N_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define HONOURED(name, type, note) \
    { (name), SUAN__FIELD_HONOURED, (type), 0, 0, false, NULL, (note) }
#define REQUIRED(name, type, note) \
    { (name), SUAN__FIELD_HONOURED, (type), 0, 0, true, NULL, (note) }
#define RANGE(name, type, min, max, note) \
    { (name), SUAN__FIELD_HONOURED, (type), (min), (max), false, NULL, (note) }
#define REQUIRED_RANGE(name, type, min, max, note) \
    { (name), SUAN__FIELD_HONOURED, (type), (min), (max), true, NULL, (note) }
#define ADVISES(name, type, note) \
    { (name), SUAN__FIELD_ADVISES, (type), 0, 0, false, NULL, (note) }
#define REFUSED(name, note) \
    { (name), SUAN__FIELD_REFUSED, SUAN__FIELD_ANY, 0, 0, false, NULL, (note) }
/* Refused unless it has its neutral value, JSON as text. */
#define NEUTRAL(name, value, note) \
    { (name), SUAN__FIELD_NEUTRAL, SUAN__FIELD_ANY, 0, 0, false, (value), (note) }

/* Of OpenAI's chat and responses. */
#define THINKING_BUDGET_ROW \
    RANGE("thinking_budget", INTEGER, -1, 2147483647, "extension: reasoning is closed behind so many tokens; 0: none; -1: no limit")

enum { STRING = SUAN__FIELD_STRING, ARRAY = SUAN__FIELD_ARRAY, OBJECT = SUAN__FIELD_OBJECT, BOOLEAN = SUAN__FIELD_BOOL };
enum { INTEGER = SUAN__FIELD_INTEGER, NUMBER = SUAN__FIELD_NUMBER, ANYTHING = SUAN__FIELD_ANY };

#define TABLE(variable, name, rows, both) const suan__fields variable = {name, rows, N_ROWS(rows), both}

#endif
