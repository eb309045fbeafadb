/* fields_doc.c: prints the tables of members as docs/serve-members.md has them. */
#include <stdio.h>
#include <string.h>

#include "serve/fields.h"

static const char *use_name(suan__field_use use) {
    static const char *const names[] = {[SUAN__FIELD_HONOURED] = "honoured",
                                        [SUAN__FIELD_ADVISES] = "noted",
                                        [SUAN__FIELD_REFUSED] = "refused",
                                        [SUAN__FIELD_NEUTRAL] = "only"};
    return names[use];
}

static void print_type(const suan__field *row) {
    static const char *const names[] = {"boolean", "integer", "number", "string", "array", "object"};
    bool is_first = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(row->type & 1u << i)) continue;
        printf("%s%s", is_first ? "" : " or ", names[i]);
        is_first = false;
    }
    if (is_first) printf("any");
}

static void print_row(const suan__field *row) {
    printf("| %s%s | %s", row->name, row->is_required ? " *" : "", use_name(row->use));
    if (row->use == SUAN__FIELD_NEUTRAL) printf(" `%s`", row->neutral);
    printf(" | ");
    if (row->use == SUAN__FIELD_HONOURED || row->use == SUAN__FIELD_ADVISES) {
        print_type(row);
        if (row->min != 0 || row->max != 0)
            printf(", %.16g to %.16g%s", row->min, row->max, row->type & (SUAN__FIELD_STRING | SUAN__FIELD_ARRAY) ? " long" : "");
    }
    printf(" | %s |\n", row->note ? row->note : "");
}

int main(void) {
    const suan__fields *fields;
    printf("| member | use | type | |\n|---|---|---|---|\n");
    for (size_t i = 0; (fields = suan__fields_table(i)); i++) {
        printf("| **%s** | | | |\n", fields->name);
        for (size_t k = 0; k < fields->n; k++) print_row(&fields->rows[k]);
    }
    printf("\n");
    return 0;
}
