/* inspect_table.h: the description of a model (suan_inspect's JSON) for a person to read. */
#ifndef SUAN_CLI_INSPECT_TABLE_H
#define SUAN_CLI_INSPECT_TABLE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/memory.h"

/* Appends the table; b->failed when out of memory. */
void cli_inspect_table(const json_t *root, bool all_tensors, suan__buf *b);

#endif
