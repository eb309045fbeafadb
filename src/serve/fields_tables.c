/* fields_tables.c: the tables of all interfaces, one behind the other. */
#include "serve/fields.h"

const suan__fields *suan__fields_table(size_t i) {
    static const suan__fields *const *const lists[] = {suan__openai_tables, suan__responses_tables, suan__anthropic_tables,
                                                       suan__gemini_tables, suan__ollama_tables};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        for (const suan__fields *const *table = lists[k]; *table; table++)
            if (i-- == 0) return *table;
    return NULL;
}
