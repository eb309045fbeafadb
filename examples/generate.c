/* generate.c: a complete program with libsuan: opens a model, asks it something, prints the answer as it is made.
 *
 *     cc -o generate generate.c $(pkg-config --cflags --libs suan)
 *     ./generate MODEL "Tell me a story about a fox."
 */
#include <stdio.h>
#include <stdlib.h>

#include <suan/suan.h>

static int on_piece(void *ctx, const suan_piece *piece) {
    (void)ctx;
    fwrite(piece->text, 1, piece->n_text, stdout);
    fflush(stdout);
    return 0; /* anything else stops */
}

/* The text as ids: through the model's chat template if it has one. The text goes into JSON, so this example takes no quotes, backslashes
 * or control characters; a program would use a JSON library. */
static suan_status encode(const suan_model *model, const char *text, int32_t **ids, size_t *n_ids, suan_error *err) {
    static const char form[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}], \"add_generation_prompt\": true}";
    static char request[4096];
    static int32_t room[4096];
    int n = snprintf(request, sizeof request, suan_model_has_chat(model) ? form : "%s", text);
    if (n < 0 || (size_t)n >= sizeof request) return SUAN_ELIMIT;
    if (suan_model_has_chat(model)) return suan_model_chat_encode(model, request, (size_t)n, NULL, ids, n_ids, NULL, err);
    *ids = NULL;
    suan_status status = suan_tokenizer_encode(suan_model_tokenizer(model), text, (size_t)n, SUAN_TOKENIZE_ADD_SPECIAL, room,
                                               sizeof room / sizeof *room, n_ids, err);
    if (status == SUAN_OK) *ids = room;
    return status;
}

static suan_status answer(suan_model *model, const char *text, suan_error *err) {
    suan_session *session = NULL;
    suan_generate_params params;
    suan_result result = {0};
    int32_t *ids = NULL;
    size_t n_ids = 0;
    suan_status status = encode(model, text, &ids, &n_ids, err);
    if (status == SUAN_OK) status = suan_session_create(&session, model, NULL, err);
    if (status == SUAN_OK) {
        suan_generate_params_init(&params); /* greedy */
        params.max_tokens = 48;
        params.on_piece = on_piece;
        status = suan_generate(session, ids, n_ids, &params, &result, err);
        printf("\n");
    }
    suan_result_fini(&result);
    suan_session_close(&session);
    if (suan_model_has_chat(model)) suan_free(ids);
    return status;
}

int main(int argc, char **argv) {
    suan_error err = {0};
    suan_model *model = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: generate MODEL TEXT\n");
        return 2;
    }
    suan_status status = suan_model_open(&model, argv[1], NULL, &err);
    if (status == SUAN_OK) status = answer(model, argv[2], &err);
    suan_model_close(&model);
    if (status != SUAN_OK) fprintf(stderr, "generate: %s: %s\n", suan_status_text(status), err.message);
    return status == SUAN_OK ? 0 : 1;
}
