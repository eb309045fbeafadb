/* grammar_match.c: a matcher goes along with one answer: a state of the automaton that all answers of a grammar with a vocabulary share. */
#include <string.h>

#include "text/grammar_internal.h"

/* ---- automata of a grammar ---- */

static bool serves(const suan__automaton *a, const suan_vocabulary *v) {
    return a->n_vocab == v->n_vocab && memcmp(a->fingerprint, v->fingerprint, sizeof a->fingerprint) == 0;
}

/* Frees the automata that nobody uses and that are for other vocabularies. */
static void drop_unused(suan_grammar *g) {
    for (suan__automaton **link = &g->automata; *link;) {
        suan__automaton *a = *link;
        pthread_mutex_lock(&a->lock);
        bool is_used = a->matchers != NULL;
        pthread_mutex_unlock(&a->lock);
        if (is_used) {
            link = &a->following;
        } else {
            *link = a->following;
            suan__automaton_free(a);
        }
    }
}

/* Puts m at the start of the automaton for its vocabulary. The grammar's lock is held, so nobody frees the automaton meanwhile. */
static suan_status join(suan_matcher *m, suan_error *err) {
    suan_grammar *g = m->grammar;
    suan__automaton *a = g->automata;
    while (a && !serves(a, m->vocabulary)) a = a->following;
    if (!a) {
        drop_unused(g);
        SUAN_TRY(suan__automaton_create(&a, g, m->vocabulary, err));
        a->following = g->automata;
        g->automata = a;
    }
    suan_status status = SUAN_OK;
    pthread_mutex_lock(&a->lock);
    a->no_memory = false;
    a->work = 0;
    m->state = suan__automaton_start(a);
    if (a->no_memory)
        status = suan__automaton_check(a, err);
    else if (m->state == STATE_DEAD)
        status = suan__fail(err, SUAN_ELIMIT, "grammar: there are more than %d ways to begin", SUAN__GRAMMAR_MAX_CONFIGS);
    if (status == SUAN_OK) {
        m->automaton = a;
        m->behind = a->matchers;
        if (m->behind) m->behind->before = m;
        a->matchers = m;
    }
    pthread_mutex_unlock(&a->lock);
    return status;
}

/* ---- matchers ---- */

suan_status suan_matcher_create(suan_matcher **made, suan_grammar *g, const suan_vocabulary *v, suan_error *err) {
    *made = NULL;
    SUAN_CHECK(g && v, SUAN_EINVAL, "matcher: no %s", g ? "vocabulary" : "grammar");
    suan_matcher *m = suan__calloc(1, sizeof *m);
    if (m) m->depth_state = suan__malloc(((size_t)v->max_depth + 1) * sizeof *m->depth_state);
    if (!m || !m->depth_state) {
        suan__free(m);
        return suan__fail(err, SUAN_ENOMEM, "matcher: out of memory");
    }
    m->grammar = suan_grammar_ref(g);
    m->vocabulary = v;
    pthread_mutex_lock(&g->lock);
    suan_status status = join(m, err);
    pthread_mutex_unlock(&g->lock);
    if (status == SUAN_OK)
        *made = m;
    else
        suan_matcher_free(m);
    return status;
}

void suan_matcher_free(suan_matcher *m) {
    if (!m) return;
    if (m->automaton) {
        pthread_mutex_lock(&m->automaton->lock);
        if (m->before)
            m->before->behind = m->behind;
        else
            m->automaton->matchers = m->behind;
        if (m->behind) m->behind->before = m->before;
        pthread_mutex_unlock(&m->automaton->lock);
    }
    suan_grammar_free(m->grammar);
    suan__free(m->depth_state);
    suan__free(m);
}

/* Locks the automaton and gets it ready for a call; states of matchers may get new numbers, others are forgotten. */
static suan_status enter(suan_matcher *m, suan_error *err) {
    suan__automaton *a = m->automaton;
    pthread_mutex_lock(&a->lock);
    a->no_memory = false;
    a->work = 0;
    if (suan__automaton_trim(a)) return SUAN_OK;
    pthread_mutex_unlock(&a->lock);
    return suan__fail(err, SUAN_ENOMEM, "grammar: out of memory for states");
}

/* Behind the end of the text only the end may come. */
static void mask_end(const suan_vocabulary *v, uint32_t *mask) {
    memset(mask, 0, suan_mask_words(v->n_vocab) * sizeof *mask);
    for (uint32_t i = 0; i < v->n_special; i++) {
        uint32_t id = (uint32_t)v->special[i];
        if (v->kind[id] == TOKEN_END) mask[id / 32] |= 1u << id % 32;
    }
}

suan_status suan_matcher_mask(suan_matcher *m, uint32_t *mask, bool *is_free, suan_error *err) {
    if (is_free) *is_free = false;
    if (m->is_over) {
        mask_end(m->vocabulary, mask);
        return SUAN_OK;
    }
    SUAN_TRY(enter(m, err));
    suan_status status = suan__automaton_mask(m->automaton, m->state, m->vocabulary, m->depth_state, err);
    if (status == SUAN_OK) {
        const suan__state *s = &m->automaton->pool.state[m->state];
        memcpy(mask, s->mask, suan_mask_words(m->vocabulary->n_vocab) * sizeof *mask);
        if (is_free) *is_free = s->is_free;
    }
    pthread_mutex_unlock(&m->automaton->lock);
    return status;
}

suan_status suan_matcher_accept(suan_matcher *m, int32_t id, suan_error *err) {
    const suan_vocabulary *v = m->vocabulary;
    SUAN_CHECK(id >= 0 && (uint32_t)id < v->n_vocab, SUAN_EINVAL, "matcher: token %d, the vocabulary has %u", id, v->n_vocab);
    if (m->is_over) {
        SUAN_CHECK(v->kind[id] == TOKEN_END, SUAN_EINVAL, "matcher: token %d behind the end of the text", id);
        return SUAN_OK;
    }
    SUAN_TRY(enter(m, err));
    suan__automaton *a = m->automaton;
    uint32_t to = suan__automaton_token(a, m->state, v, id);
    suan_status status = SUAN_OK;
    if (a->no_memory)
        status = suan__automaton_check(a, err);
    else if (to != STATE_DEAD)
        m->state = to;
    else if (v->kind[id] == TOKEN_END && a->pool.state[m->state].is_complete)
        m->is_over = true;
    else
        status = suan__fail(err, SUAN_EINVAL, "matcher: token %d may not come here", id);
    pthread_mutex_unlock(&a->lock);
    return status;
}

static const suan__state *state_of(const suan_matcher *m) {
    return &m->automaton->pool.state[m->state];
}

bool suan_matcher_is_complete(const suan_matcher *m) {
    pthread_mutex_lock(&m->automaton->lock);
    bool is_complete = m->is_over || state_of(m)->is_complete;
    pthread_mutex_unlock(&m->automaton->lock);
    return is_complete;
}

bool suan_matcher_is_over(const suan_matcher *m) {
    pthread_mutex_lock(&m->automaton->lock);
    bool is_over = m->is_over || (state_of(m)->is_complete && state_of(m)->n == 0);
    pthread_mutex_unlock(&m->automaton->lock);
    return is_over;
}
