/* test_weights.c: trained models write what the references say, greedily, token for token: stories260k from its folder and from GGUF, and
 * the model that ships with the project, fed with ids, with raw text and through its chat template. */
#include <stdio.h>

#include "fixture.h"
#include "greedy.h"

/* ---- stories260k
 * ------------------------------------------------------------------------------------------------------------------------------- */

#define STORIES "weights/stories260k/"

static void check_story(const char *file, const char *expected, suan_activations activations, suan_kv_type kv) {
    char path[1024];
    id_list prompt = {0}, ids = {0};
    if (!fixture_find(path, sizeof path, expected)) {
        print_message("stories260k is not here, skipped\n");
        skip();
    }
    json_t *json = load_json(path);
    append_ids(&prompt, json_object_get(json, "prompt"));
    append_ids(&ids, json_object_get(json, "greedy_ids"));
    assert_true(fixture_find(path, sizeof path, file));
    suan_model *model = open_model(path, NULL, test_threads());
    suan_session *session = open_session(model, 0, kv, activations, 0);
    check_greedy(session, file, &prompt, &ids, json_string_value(json_object_get(json, "text")), true);
    suan_session_close(&session);
    suan_model_close(&model);
    json_decref(json);
    test_free(prompt.v);
    test_free(ids.v);
}

static void test_stories_folder(void **state) {
    check_story(STORIES "hf", STORIES "expected.json", SUAN_ACTIVATIONS_EXACT, SUAN_KV_F32);
}

/* The smallest margin is 4e-3 and f16 in the cache costs less, so the defaults write the same story. */
static void test_stories_folder_defaults(void **state) {
    check_story(STORIES "hf", STORIES "expected.json", SUAN_ACTIVATIONS_Q8, SUAN_KV_F16);
}

static void test_stories_f32(void **state) {
    check_story(STORIES "stories260k-f32.gguf", STORIES "expected.json", SUAN_ACTIVATIONS_EXACT, SUAN_KV_F32);
}

static void test_stories_f16(void **state) {
    check_story(STORIES "stories260k-f16.gguf", STORIES "expected.json", SUAN_ACTIVATIONS_EXACT, SUAN_KV_F32);
}

static void test_stories_q8_0(void **state) {
    check_story(STORIES "stories260k-q8_0.gguf", STORIES "expected-q8_0-exact.json", SUAN_ACTIVATIONS_EXACT, SUAN_KV_F32);
}

/* ---- the model that ships with the project
 * -------------------------------------------------------------------------------------------------- */

static const char user[] = "<｜User｜>", assistant[] = "<｜Assistant｜>", end_of_sentence[] = "<｜end▁of▁sentence｜>";

static void add_message(json_t *messages, const char *role, const char *text, size_t n) {
    json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", role, "content", text, n));
}

/* The request whose rendering is `prompt`: what stands between the control tokens. */
static char *request_of(const char *prompt) {
    json_t *messages = json_array();
    for (const char *p = strstr(prompt, user); p; p = strstr(p, user)) {
        p += strlen(user);
        const char *reply = strstr(p, assistant);
        assert_non_null(reply);
        add_message(messages, "user", p, (size_t)(reply - p));
        p = reply + strlen(assistant);
        const char *end = strstr(p, end_of_sentence);
        if (end) add_message(messages, "assistant", p, (size_t)(end - p));
    }
    json_t *request = json_pack("{s:o, s:b}", "messages", messages, "add_generation_prompt", 1);
    char *text = json_dumps(request, 0);
    assert_non_null(text);
    json_decref(request);
    return text;
}

static void check_ids(const char *what, const int32_t *ids, size_t n, const id_list *expected) {
    for (size_t i = 0; i < n && i < expected->n; i++)
        if (ids[i] != expected->v[i]) fail_msg("%s: id %zu is %d, expected %d", what, i, ids[i], expected->v[i]);
    assert_int_equal(n, expected->n);
}

/* The prompt as a person gives it becomes the ids that the reference was fed with. */
static void check_prompt(const suan_model *model, const char *kind, const char *prompt, const id_list *expected) {
    suan_error err;
    if (strcmp(kind, "text") == 0) {
        int32_t ids[256];
        size_t n;
        if (suan_tokenizer_encode(suan_model_tokenizer(model), prompt, strlen(prompt), SUAN_TOKENIZE_ADD_SPECIAL, ids, 256, &n, &err) !=
            SUAN_OK)
            fail_msg("%s", err.message);
        check_ids(prompt, ids, n, expected);
        return;
    }
    assert_string_equal(kind, "chat");
    char *request = request_of(prompt), *text;
    int32_t *ids;
    size_t n;
    if (suan_model_chat_encode(model, request, strlen(request), NULL, &ids, &n, &text, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_string_equal(text, prompt);
    check_ids(prompt, ids, n, expected);
    suan_free(ids);
    suan_free(text);
    free(request);
}

static void test_seed(void **state) {
    char path[1200], dir[1024];
    const char *data = getenv("SUAN_TEST_DATA");
    snprintf(dir, sizeof dir, "%s/../../models/seed", data ? data : "tests/data");
    snprintf(path, sizeof path, "%s/greedy.json", dir);
    json_t *json = load_json(path), *item;
    suan_model *model = open_model(dir, NULL, test_threads());
    assert_true(suan_model_has_chat(model));
    /* One session for all prompts: what they have in common stays in the cache. */
    suan_session *session = open_session(model, 0, SUAN_KV_F32, SUAN_ACTIVATIONS_EXACT, 0);
    size_t i;
    json_array_foreach(json_object_get(json, "cases"), i, item) {
        id_list prompt = {0}, ids = {0};
        const char *text = json_string_value(json_object_get(item, "prompt"));
        append_ids(&prompt, json_object_get(item, "prompt_ids"));
        append_ids(&ids, json_object_get(item, "greedy_ids"));
        check_prompt(model, json_string_value(json_object_get(item, "kind")), text, &prompt);
        check_greedy(session, text, &prompt, &ids, json_string_value(json_object_get(item, "text")), false);
        test_free(prompt.v);
        test_free(ids.v);
    }
    assert_true(i > 0);
    suan_session_close(&session);
    suan_model_close(&model);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories_folder), cmocka_unit_test(test_stories_folder_defaults),
        cmocka_unit_test(test_stories_f32),    cmocka_unit_test(test_stories_f16),
        cmocka_unit_test(test_stories_q8_0),   cmocka_unit_test(test_seed),
    };
    return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
