/* batch_schedule.c: who has a slot, and whose tokens make the next step.
 *
 * Owners take turns: a free slot goes to the next owner, by number, who has something that waits, those without a slot first; of his the choices that had to give a slot back,
 * then further choices of requests whose prompt is computed, then his queue. Whose turn it is, and who does not fit yet, holds up those behind him: so nobody waits for ever. An
 * owner without a slot takes one from the owner with the most, if those are two or more; whose youngest choice then waits (its pages stay for its return, as long as nobody
 * needs them). Paused choices give their slots to anybody.
 *
 * A step has a token of each choice that is being written, then prompts. Half of what is left is of the owner whose turn it is: it passes on to the one who has had the least
 * tokens of prompts when his prompts are computed, or so many tokens. The other half, and what one does not use, goes to others, the owner with the shortest prompt first; within
 * an owner the oldest comes first. So prompts of usual length are computed one after the other, not all at once and late; short ones pass long ones; nobody is passed by for ever. Where the next page of a prompt is what an older one is at, it waits and takes that page. When pages run out the oldest choice of the step gets them, from paused ones, then from the
 * youngest: one that runs dry waits in front of its owner's queue and is computed again. So the oldest always goes on. */
#include <string.h>

#include "engine/batch_internal.h"
#include "model/compress.h"

#define PAGE SUAN__ATTN_BLOCK
#define LEAST_TURN 4   /* steps' worth of prompt tokens in an owner's turn */
#define LEAST_AWAIT 16 /* tokens that have to be gained by waiting for somebody else to compute them */

static bool is_paused(const suan__choice *c) {
    return atomic_load(&c->request->paused);
}

/* ---- lists of those that wait ---- */

static void push_waiting(suan__choice *c) {
    suan__choice **at = &c->request->owner->waiting;
    while (*at && (*at)->age < c->age) at = &(*at)->next;
    c->next = *at;
    *at = c;
    c->phase = SUAN__PHASE_WAITING;
}

static void remove_waiting(suan__choice *c) {
    suan__choice **at = &c->request->owner->waiting;
    while (*at && *at != c) at = &(*at)->next;
    if (*at) *at = c->next;
    c->next = NULL;
}

void suan__batch_list_forking(suan_request *r) {
    suan_request **at = &r->owner->forking;
    while (*at) at = &(*at)->next_forking;
    r->next_forking = NULL;
    *at = r;
    r->is_forking = true;
}

static void remove_forking(suan_request *r) {
    suan_request **at = &r->owner->forking;
    while (*at && *at != r) at = &(*at)->next_forking;
    if (*at) *at = r->next_forking;
    r->is_forking = false;
}

/* Under the lock. */
static void remove_queued(suan_batch *b, suan_request *r) {
    suan_request **at = &r->owner->queue;
    while (*at && *at != r) at = &(*at)->next_queued;
    if (!*at) return;
    *at = r->next_queued;
    if (!*at) r->owner->queue_end = at;
    r->is_queued = false;
    b->n_queued--;
    b->queued_tokens -= r->n_ids;
}

void suan__batch_unlist(suan_request *r) {
    pthread_mutex_lock(&r->batch->lock);
    if (r->is_queued) remove_queued(r->batch, r);
    pthread_mutex_unlock(&r->batch->lock);
    if (r->is_forking) remove_forking(r);
    for (uint32_t i = 0; i < r->n_begun; i++)
        if (r->choices[i].phase == SUAN__PHASE_WAITING) remove_waiting(&r->choices[i]);
}

/* ---- slots ---- */

void suan__batch_leave(suan__slot *s) {
    suan__choice *c = s->choice;
    suan_batch *b = c->request->batch;
    suan__batch_release(b, s);
    c->slot = NULL;
    c->request->owner->n_slots--;
    b->n_free_slots++;
    s->n_planned = 0;
}

void suan__batch_suspend(suan__slot *s) {
    suan__choice *c = s->choice;
    suan_batch *b = c->request->batch;
    suan__batch_leave(s);
    c->was_stopped = true;
    push_waiting(c);
    pthread_mutex_lock(&b->lock);
    b->stats.n_preempted++;
    pthread_mutex_unlock(&b->lock);
}

static void take_slot(suan_batch *b, suan__choice *c) {
    suan__slot *s = c->slot;
    c->phase = SUAN__PHASE_RUNNING;
    c->request->owner->n_slots++;
    b->n_free_slots--;
    s->n_planned = s->n_forks = 0;
}

static suan__slot *free_slot(const suan_batch *b) {
    for (uint32_t i = 0; i < b->n_slots; i++)
        if (!b->slots[i].choice) return &b->slots[i];
    return NULL;
}

suan_status suan__batch_begin(suan__choice *c, suan_error *err) {
    suan_request *r = c->request;
    suan_batch *b = r->batch;
    uint64_t most = (uint64_t)r->n_ids + r->max_tokens;
    c->ids = suan__malloc((size_t)most * sizeof *c->ids);
    SUAN_CHECK(c->ids, SUAN_ENOMEM, "out of memory for an answer of %u tokens", r->max_tokens);
    memcpy(c->ids, r->ids, r->n_ids * sizeof *c->ids);
    c->n_ids = r->n_ids;
    c->most = (uint32_t)most;
    SUAN_TRY(suan__output_init(&c->output, b->model->tokenizer, (const char *const *)r->stop, r->n_stop, !r->keep_control, err));
    if (r->grammar && !c->matcher) SUAN_TRY(suan_matcher_create(&c->matcher, r->grammar, b->vocabulary, err));
    SUAN_TRY(suan__think_init(&c->think, &r->think, b->model->tokenizer, err));
    c->age = ++b->n_ages;
    return SUAN_OK;
}

void suan__batch_fork(suan_batch *b, suan__slot *from, suan__choice *c) {
    suan__slot *s = free_slot(b);
    if (s) {
        s->choice = c;
        c->slot = s;
        take_slot(b, c);
        if (suan__batch_copy(b, from, s)) return;
        suan__batch_leave(s);
    }
    c->was_stopped = true;
    push_waiting(c);
}

/* ---- who gets a slot ---- */

/* What an owner would use a slot for. Under the lock. */
static suan__choice *next_of(const suan__owner *o) {
    for (suan__choice *c = o->waiting; c; c = c->next)
        if (!is_paused(c)) return c;
    for (suan_request *r = o->forking; r; r = r->next_forking)
        if (!atomic_load(&r->paused)) return &r->choices[r->n_begun];
    for (suan_request *r = o->queue; r; r = r->next_queued)
        if (!atomic_load(&r->paused)) return &r->choices[0];
    return NULL;
}

/* Of the owner whose turn it is. Owners without a slot come first; only_poor: nobody else does. */
static suan__choice *next_choice(suan_batch *b, bool only_poor) {
    suan__choice *found = NULL, *poor = NULL;
    pthread_mutex_lock(&b->lock);
    size_t first = 0;
    while (first < b->n_owners && b->owners[first]->id <= b->turn) first++;
    for (size_t i = 0; i < b->n_owners && !poor; i++) {
        const suan__owner *o = b->owners[(first + i) % b->n_owners];
        suan__choice *c = next_of(o);
        if (!found) found = c;
        if (o->n_slots == 0) poor = c;
    }
    pthread_mutex_unlock(&b->lock);
    return poor || only_poor ? poor : found;
}

/* Who has to give a slot (or pages) back first: paused choices, then the youngest. */
static bool gives_before(const suan__choice *a, const suan__choice *other) {
    bool a_rests = is_paused(a), other_rests = is_paused(other);
    return a_rests != other_rests ? a_rests : a->age > other->age;
}

/* Of the owner with the most slots, at least two. */
static suan__slot *slot_of_the_rich(const suan_batch *b) {
    suan__slot *found = NULL;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *s = &b->slots[i];
        if (!s->choice || s->choice->request->owner->n_slots < 2) continue;
        uint32_t n = s->choice->request->owner->n_slots, most = found ? found->choice->request->owner->n_slots : 0;
        if (n > most || (n == most && gives_before(s->choice, found->choice))) found = s;
    }
    return found;
}

/* Whose pages the choice may have: paused ones', then those of younger ones. */
static suan__slot *victim(const suan_batch *b, const suan__choice *for_whom) {
    suan__slot *found = NULL;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *s = &b->slots[i];
        if (!s->choice || s->choice == for_whom || (!is_paused(s->choice) && s->choice->age < for_whom->age)) continue;
        if (!found || gives_before(s->choice, found->choice)) found = s;
    }
    return found;
}

/* The youngest that is paused. */
static suan__slot *resting(const suan_batch *b) {
    suan__slot *found = NULL;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *s = &b->slots[i];
        if (s->choice && is_paused(s->choice) && (!found || s->choice->age > found->choice->age)) found = s;
    }
    return found;
}

/* The choice has its slot: it leaves the list in which it waited. */
static void note_admitted(suan_batch *b, suan__choice *c) {
    suan_request *r = c->request;
    take_slot(b, c);
    b->turn = r->owner->id;
    if (c->index >= r->n_begun) r->n_begun = c->index + 1;
    if (r->is_forking && r->n_begun == r->n_choices) remove_forking(r);
}

/* false: it has to wait, and so have those behind it. */
static bool admit(suan_batch *b, suan__choice *c) {
    suan_request *r = c->request;
    bool is_new = c->phase == SUAN__PHASE_NEW;
    suan_error why;
    if (is_new && !c->ids && suan__batch_begin(c, &why) != SUAN_OK) {
        suan__batch_fail(r, &why);
        suan__batch_end_request(r);
        return true;
    }
    while (!suan__batch_place(b, free_slot(b), c)) {
        suan__slot *s = resting(b);
        if (!s && r->owner->n_slots == 0) s = slot_of_the_rich(b);
        if (!s) return false;
        suan__batch_suspend(s);
    }
    if (!is_new) remove_waiting(c);
    pthread_mutex_lock(&b->lock);
    if (r->is_queued) remove_queued(b, r);
    pthread_mutex_unlock(&b->lock);
    note_admitted(b, c);
    return true;
}

void suan__batch_admit(suan_batch *b) {
    for (;;) {
        suan__slot *rests = b->n_free_slots ? NULL : resting(b);
        suan__choice *c = next_choice(b, b->n_free_slots == 0 && !rests);
        if (!c) return;
        if (b->n_free_slots == 0) {
            suan__slot *s = rests ? rests : slot_of_the_rich(b);
            if (!s) return;
            suan__batch_suspend(s);
        }
        if (!admit(b, c)) return;
    }
}

/* ---- those that are at their end ---- */

static void end_by_time(suan_request *r) {
    suan_error why;
    suan__batch_tell_start(r);
    for (uint32_t i = 0; i < r->n_choices && !r->only_prompt; i++) {
        suan__choice *c = &r->choices[i];
        if (c->phase == SUAN__PHASE_ENDED) continue;
        if (i >= r->n_begun) {
            r->n_begun = i + 1;
            if (!c->ids && suan__batch_begin(c, &why) != SUAN_OK) suan__batch_fail(r, &why);
        }
        if (c->phase == SUAN__PHASE_WAITING) remove_waiting(c);
        c->finish = SUAN_FINISH_LENGTH;
        c->time_over = true;
        suan__batch_end_choice(c);
    }
    if (r->only_prompt) {
        suan_error over;
        suan__fail(&over, SUAN_ELIMIT, "the time that was given was over before the prompt was computed");
        suan__batch_fail(r, &over);
    }
    suan__batch_end_request(r);
}

void suan__batch_reap(suan_batch *b) {
    double now = suan__seconds();
    for (;;) {
        suan_request *over = NULL;
        pthread_mutex_lock(&b->lock);
        for (suan_request *r = b->first; r && !over; r = r->next)
            if (atomic_load(&r->cancelled) || r->has_failed || b->broken.status != SUAN_OK || (r->deadline > 0 && now >= r->deadline))
                over = r;
        pthread_mutex_unlock(&b->lock);
        if (!over) return;
        if (b->broken.status != SUAN_OK && !atomic_load(&over->cancelled)) suan__batch_fail(over, &b->broken);
        if (atomic_load(&over->cancelled) || over->has_failed)
            suan__batch_end_request(over);
        else
            end_by_time(over);
    }
}

/* ---- the tokens of a step ---- */

static uint32_t left(const suan__slot *s) {
    return s->choice->n_ids - s->n_computed;
}

static bool is_writing(const suan__slot *s) {
    return s->choice->n_drawn > 0 && left(s) == 1;
}

/* Whether somebody's tokens of this step make more of what this slot's next page needs than it finds now. */
static bool is_awaited(suan_batch *b, const suan__slot *s, uint32_t have) {
    const suan__choice *c = s->choice;
    uint32_t i = s->n_computed / PAGE, most = suan__batch_shareable(c);
    if (!b->has_pages || s->n_computed % PAGE > 0 || s->n_pages > i || most < s->n_computed + have + LEAST_AWAIT) return false;
    for (uint32_t k = 0; k < b->n_slots; k++) {
        const suan__slot *o = &b->slots[k];
        if (o == s || !o->choice || o->n_planned == 0 || o->n_computed / PAGE != i) continue;
        if (suan__batch_root(b, o->choice) != suan__batch_root(b, c)) continue;
        if (i > 0 && o->pages[i - 1] != s->pages[i - 1]) continue;
        const int32_t *mine = c->ids + s->n_computed, *theirs = o->choice->ids + s->n_computed;
        uint32_t n = o->choice->n_ids - s->n_computed, common = 0;
        if (n > most - s->n_computed) n = most - s->n_computed;
        if (n > PAGE) n = PAGE;
        while (common < n && mine[common] == theirs[common]) common++;
        if (common >= have + LEAST_AWAIT && s->n_computed + common > o->n_computed) return true;
    }
    return false;
}

/* What the page that is there now has of the slot's next ids. */
static uint32_t found_part(suan_batch *b, const suan__slot *s) {
    uint32_t page, most = suan__batch_shareable(s->choice), at = s->n_computed;
    if (!b->has_pages || at >= most || at % PAGE > 0 || s->n_pages > at / PAGE) return 0;
    uint32_t n = most - at < PAGE ? most - at : PAGE;
    return suan__pages_find(&b->pages, suan__batch_root(b, s->choice), at ? s->pages[at / PAGE - 1] : SUAN__NO_PAGE, s->choice->ids + at, n,
                            &page);
}

/* Plans up to n tokens more of a prompt. aligned: not beyond a page's end, where others' work may be found. */
static uint32_t plan_prompt(suan_batch *b, suan__slot *s, uint32_t n, bool aligned) {
    if (n == 0) return 0;
    if (s->n_planned == 0) {
        suan__batch_share(b, s, false);
        if (is_awaited(b, s, found_part(b, s))) return 0;
        suan__batch_share(b, s, true);
    }
    uint32_t at = s->n_computed + s->n_planned, rest = s->choice->n_ids - at;
    if (n > rest) n = rest;
    if (aligned && n < rest && at / PAGE != (at + n) / PAGE) n = (at + n) / PAGE * PAGE - at;
    if (!b->has_pages && s->n_planned + n > SUAN__PAST_STEP) n = SUAN__PAST_STEP - s->n_planned;
    s->n_planned += n;
    return n;
}

/* Tokens of an owner's turn. */
static uint32_t turn_tokens(const suan_batch *b) {
    return LEAST_TURN * b->step_tokens;
}

/* Whose turn it is among the owners of the prompts (oldest[i] of n owners): of him who had one before as long as he has not used it up, then of him who has had the least. */
static const suan__owner *choose_turn(suan_batch *b, suan__slot *const *prompts, uint32_t n) {
    suan__owner *best = NULL;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        suan__owner *o = prompts[i]->choice->request->owner;
        if (o == b->turn_owner && b->turn_left > 0) return o;
        if (o->paid < least) least = o->paid;
    }
    if (least > b->least_paid) b->least_paid = least; /* whoever comes new has had as much as that */
    for (uint32_t i = 0; i < n; i++) {
        suan__owner *o = prompts[i]->choice->request->owner;
        if (o->paid < b->least_paid) o->paid = b->least_paid;
        if (!best || o->paid < best->paid) best = o;
    }
    b->turn_owner = best;
    b->turn_left = turn_tokens(b);
    return best;
}

/* What the owner's oldest prompt still needs: short ones go first where it is nobody's turn. */
static uint32_t rank_of(suan__slot *const *prompts, uint32_t n, const suan__owner *o) {
    for (uint32_t i = 0; i < n; i++)
        if (prompts[i]->choice->request->owner == o) return left(prompts[i]);
    return 0;
}

static void sort_slots(suan__slot **slots, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        suan__slot *s = slots[i];
        uint32_t at = i;
        for (; at > 0 && (slots[at - 1]->rank > s->rank || (slots[at - 1]->rank == s->rank && slots[at - 1]->choice->age > s->choice->age));
             at--)
            slots[at] = slots[at - 1];
        slots[at] = s;
    }
}

/* The prompts in b->order: those of the owner whose turn it is, then the others'. Returns how many; *n_turn: his. */
static uint32_t order_prompts(suan_batch *b, uint32_t *n_turn) {
    uint32_t n = 0;
    *n_turn = 0;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *s = &b->slots[i];
        if (!s->choice || is_paused(s->choice) || is_writing(s)) continue;
        s->rank = 0;
        b->order[n++] = s;
    }
    if (n == 0) return 0;
    sort_slots(b->order, n);
    const suan__owner *turn = choose_turn(b, b->order, n);
    for (uint32_t i = 0; i < n; i++) {
        const suan__owner *o = b->order[i]->choice->request->owner;
        b->order[i]->rank = o == turn ? 0 : rank_of(b->order, n, o);
        *n_turn += o == turn;
    }
    sort_slots(b->order, n);
    return n;
}

static void plan_prompts(suan_batch *b, uint32_t budget) {
    uint32_t n_turn, n = order_prompts(b, &n_turn), turn_share = n_turn < n ? (budget + 1) / 2 : budget;
    for (int round = 0; round < 3 && budget > 0; round++) { /* his half; the others'; what is left */
        uint32_t allowed = round == 0 ? turn_share : budget;
        for (uint32_t i = round == 1 ? n_turn : 0; i < (round == 0 ? n_turn : n) && allowed > 0; i++) {
            suan__owner *o = b->order[i]->choice->request->owner;
            uint32_t planned = plan_prompt(b, b->order[i], allowed, round < 2);
            o->paid += planned;
            if (o == b->turn_owner) b->turn_left -= planned < b->turn_left ? planned : b->turn_left;
            allowed -= planned;
            budget -= planned;
        }
    }
}

/* Pages for what is planned, for the oldest first. */
static void find_pages(suan_batch *b) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *s = &b->slots[i];
        if (!s->choice || s->n_planned == 0) continue;
        uint32_t at = n++;
        for (; at > 0 && b->order[at - 1]->choice->age > s->choice->age; at--) b->order[at] = b->order[at - 1];
        b->order[at] = s;
    }
    for (uint32_t i = 0; i < n; i++) {
        suan__slot *s = b->order[i];
        while (s->choice && s->n_planned > 0 && !suan__batch_reach(b, s, s->n_computed + s->n_planned)) {
            suan__slot *from = victim(b, s->choice);
            suan__batch_suspend(from ? from : s);
        }
    }
}

static void add_segment(suan_batch *b, suan__slot *s) {
    const suan__choice *c = s->choice;
    const suan_request *r = c->request;
    bool is_last = s->n_planned == left(s);
    s->n_logits = is_last && !r->only_prompt;
    if (r->prompt_logprobs && !r->has_prompt) { /* those whose next token has not been reported */
        uint32_t end = s->n_computed + s->n_planned, from = r->n_echoed > 0 ? r->n_echoed - 1 : 0;
        if (from < s->n_computed) from = s->n_computed;
        s->n_logits = end > from ? end - from : 0;
    }
    s->i_segment = b->n_segments;
    s->first_token = b->n_step_tokens;
    s->n_forks = 0;
    b->planned[b->n_segments] = s;
    b->segments[b->n_segments++] = (suan__segment){
        .kv = &s->kv, .ids = c->ids + s->n_computed, .n_tokens = s->n_planned, .pos0 = s->n_computed, .n_logits = s->n_logits};
    b->n_step_tokens += s->n_planned;
    /* Further choices begin with the same row of logits, as far as there are slots. */
    if (b->has_pages && is_last && c->index == 0 && c->n_drawn == 0 && !r->only_prompt && r->n_begun == 1) s->n_forks = r->n_choices - 1;
}

void suan__batch_plan(suan_batch *b) {
    uint32_t n_writing = 0;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *s = &b->slots[i];
        s->n_planned = 0;
        if (!s->choice || is_paused(s->choice) || !is_writing(s)) continue;
        s->n_planned = 1;
        n_writing++;
    }
    plan_prompts(b, b->step_tokens - n_writing);
    find_pages(b);
    b->n_segments = b->n_step_tokens = 0;
    uint32_t n_free = b->n_free_slots;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *s = &b->slots[i];
        if (!s->choice || s->n_planned == 0) continue;
        add_segment(b, s);
        if (s->n_forks > n_free) s->n_forks = n_free;
        n_free -= s->n_forks;
    }
}
