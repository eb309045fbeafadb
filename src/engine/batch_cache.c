/* batch_cache.c: where the positions of sequences are kept: pages that are shared, or (models whose cache has no pages) a cache for each slot that stays for who goes on from it. */
#include <string.h>

#include "engine/batch_internal.h"
#include "model/compress.h"

#define PAGE SUAN__ATTN_BLOCK
#define LEAST_COPY 4 /* positions for which a page is worth copying */

static uint32_t n_pages_for(uint32_t n) {
    return (n + PAGE - 1) / PAGE;
}

/* ---- made once ---- */

suan_status suan__batch_cache_create(suan_batch *b, suan_error *err) {
    const suan__hparams *hp = &b->model->graph->hp;
    suan__dtype type = suan__kv_dtype(b->options.kv);
    size_t page_bytes = (size_t)suan__kv_page_bytes(hp, type);
    b->has_pages = page_bytes > 0;
    if (b->has_pages) SUAN_TRY(suan__pages_create(&b->pages, (uint32_t)(b->options.cache_bytes / page_bytes), page_bytes, err));
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *s = &b->slots[i];
        SUAN_TRY(suan__kv_create_table(&s->kv, hp, b->n_ctx, type, err));
        s->kv.rounding = hp->has_rounding && b->options.rounding == SUAN_ROUNDING_PUBLISHED;
        s->pages = b->has_pages ? suan__calloc(n_pages_for(b->n_ctx), sizeof *s->pages) : NULL;
        s->held = b->has_pages ? NULL : suan__calloc(b->n_ctx, sizeof *s->held);
        SUAN_CHECK(s->pages || s->held, SUAN_ENOMEM, "out of memory for the tables of %u positions", b->n_ctx);
    }
    return SUAN_OK;
}

void suan__batch_cache_fini(suan_batch *b) {
    for (uint32_t i = 0; b->slots && i < b->n_slots; i++) {
        suan__kv_free(&b->slots[i].kv);
        suan__free(b->slots[i].pages);
        suan__free(b->slots[i].held);
    }
    suan__pages_fini(&b->pages);
}

/* ---- what can be shared ---- */

suan__page_root *suan__batch_root(suan_batch *b, const suan__choice *c) {
    return b->options.share_between_owners ? &b->common : &c->request->owner->root;
}

uint32_t suan__batch_shareable(const suan__choice *c) {
    const suan_request *r = c->request;
    if (r->batch->options.no_prefix_cache && !c->was_stopped && c->index == 0) return 0;
    uint32_t most = c->n_ids - 1;
    if (r->prompt_logprobs && !r->has_prompt) most = r->n_echoed > 0 ? r->n_echoed - 1 : 0;
    if (r->pooling == SUAN_POOLING_MEAN && r->n_pooled < most) most = r->n_pooled;
    return most;
}

/* What was taken from others is told, where it is the prompt of somebody who has not been here before. */
static void count_shared(suan_batch *b, suan__slot *s) {
    const suan__choice *c = s->choice;
    if (c->index == 0 && !c->was_stopped && s->n_shared > 0) {
        c->request->usage.n_cached += s->n_shared;
        pthread_mutex_lock(&b->lock);
        b->stats.cached_tokens += s->n_shared;
        b->stats.cross_owner_hits += s->n_foreign;
        pthread_mutex_unlock(&b->lock);
    }
    s->n_shared = s->n_foreign = 0;
}

/* ---- pages ---- */

static void put_page(suan_batch *b, suan__slot *s, uint32_t i, uint32_t page) {
    s->pages[i] = page;
    suan__kv_set_page(&s->kv, i, suan__pages_at(&b->pages, page));
}

static uint32_t last_page(const suan__slot *s) {
    return s->n_computed < PAGE ? SUAN__NO_PAGE : s->pages[s->n_computed / PAGE - 1];
}

/* The slot goes on from the first n positions of a page: in the page itself where nobody has it and nothing would be lost, else in a copy. */
static bool take_part(suan_batch *b, suan__slot *s, uint32_t page, uint32_t n) {
    suan__pages *p = &b->pages;
    const suan__choice *c = s->choice;
    uint32_t mine = page;
    suan__pages_ref(p, page); /* so that it is not thrown out for its own copy */
    if (p->pages[page].refs > 1 || p->pages[page].n_ids != n) {
        mine = suan__pages_take(p);
        if (mine == SUAN__NO_PAGE) {
            suan__pages_unref(p, page);
            return false;
        }
        memcpy(suan__pages_at(p, mine), suan__pages_at(p, page), p->page_bytes);
        suan__pages_attach(p, suan__batch_root(b, c), last_page(s), mine, c->request->owner->id);
        suan__pages_extend(p, mine, c->ids + s->n_computed, n);
        suan__pages_unref(p, page);
    }
    put_page(b, s, s->n_pages++, mine);
    s->n_computed += n;
    return true;
}

static void share(suan_batch *b, suan__slot *s, bool parts) {
    const suan__choice *c = s->choice;
    suan__pages *p = &b->pages;
    uint32_t most = suan__batch_shareable(c);
    while (b->has_pages && s->n_computed < most && s->n_computed == s->n_pages * PAGE) {
        uint32_t page, n = most - s->n_computed < PAGE ? most - s->n_computed : PAGE;
        n = suan__pages_find(p, suan__batch_root(b, c), last_page(s), c->ids + s->n_computed, n, &page);
        uint64_t owner = n > 0 ? p->pages[page].owner : 0;
        if (n == PAGE) {
            suan__pages_ref(p, page);
            put_page(b, s, s->n_pages++, page);
            s->n_computed += PAGE;
        } else if (!parts || n < LEAST_COPY || !take_part(b, s, page, n)) {
            return;
        }
        s->n_shared += n;
        s->n_foreign += owner != c->request->owner->id;
    }
}

void suan__batch_share(suan_batch *b, suan__slot *s, bool parts) {
    share(b, s, parts);
    count_shared(b, s);
}

bool suan__batch_reach(suan_batch *b, suan__slot *s, uint32_t n) {
    while (b->has_pages && s->n_pages * PAGE < n) {
        uint32_t page = suan__pages_take(&b->pages);
        if (page == SUAN__NO_PAGE) return false;
        put_page(b, s, s->n_pages++, page);
    }
    return true;
}

void suan__batch_advance(suan_batch *b, suan__slot *s, uint32_t n) {
    const suan__choice *c = s->choice;
    suan__pages *p = &b->pages;
    while (b->has_pages && n > 0) {
        uint32_t at = s->n_computed % PAGE, some = n < PAGE - at ? n : PAGE - at, i = s->n_computed / PAGE, page = s->pages[i];
        if (!p->pages[page].root) suan__pages_attach(p, suan__batch_root(b, c), last_page(s), page, c->request->owner->id);
        put_page(b, s, i, suan__pages_extend(p, page, c->ids + s->n_computed, some));
        s->n_computed += some;
        n -= some;
    }
    s->n_computed += n;
}

static bool place_in_pages(suan_batch *b, suan__slot *s, suan__choice *c) {
    s->choice = c;
    s->n_computed = s->n_pages = s->n_shared = s->n_foreign = 0;
    share(b, s, false);
    /* Those that run have their prompts' pages promised; and one more, for what is to be written. */
    uint64_t promised = 0, need = n_pages_for(c->n_ids) + 1 - s->n_pages;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        const suan__slot *o = &b->slots[i];
        if (o == s || !o->choice) continue;
        uint32_t all = n_pages_for(o->choice->n_ids);
        promised += all > o->n_pages ? all - o->n_pages : 0;
    }
    if (need + promised <= suan__pages_available(&b->pages)) {
        c->slot = s;
        count_shared(b, s);
        return true;
    }
    while (s->n_pages > 0) suan__pages_unref(&b->pages, s->pages[--s->n_pages]);
    s->choice = NULL;
    return false;
}

bool suan__batch_copy(suan_batch *b, const suan__slot *from, suan__slot *s) {
    if (!b->has_pages) return false;
    s->n_computed = s->n_pages = 0;
    uint32_t whole = from->n_computed / PAGE, rest = from->n_computed % PAGE;
    for (uint32_t i = 0; i < whole; i++) {
        suan__pages_ref(&b->pages, from->pages[i]);
        put_page(b, s, s->n_pages++, from->pages[i]);
    }
    s->n_computed = whole * PAGE;
    return rest == 0 || take_part(b, s, from->pages[whole], rest);
}

/* ---- caches of slots ---- */

static uint32_t n_common(const suan__slot *s, const suan__choice *c, uint32_t most) {
    uint32_t n = 0;
    if (s->n_held < most) most = s->n_held;
    while (n < most && s->held[n] == c->ids[n]) n++;
    return suan__past_reach(&s->kv, n);
}

/* The free slot with the most of what the choice needs; of several the one that was not used for the longest time. That one is the choice's. */
static bool place_in_slots(suan_batch *b, suan__slot *s, suan__choice *c) {
    uint32_t most = suan__batch_shareable(c), best = 0;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        suan__slot *o = &b->slots[i];
        if (o->choice) continue;
        bool may = b->options.share_between_owners || (o->n_held && o->held_owner == c->request->owner->id);
        uint32_t n = may ? n_common(o, c, most) : 0;
        if (n < best || (n == best && o->held_at > s->held_at)) continue;
        best = n;
        s = o;
    }
    suan__past_rewind(&s->kv, &b->model->graph->hp, best);
    s->choice = c;
    s->n_computed = s->n_shared = best;
    s->n_foreign = best > 0 && s->held_owner != c->request->owner->id;
    c->slot = s;
    count_shared(b, s);
    return true;
}

/* ---- both ---- */

bool suan__batch_place(suan_batch *b, suan__slot *s, suan__choice *c) {
    return b->has_pages ? place_in_pages(b, s, c) : place_in_slots(b, s, c);
}

void suan__batch_release(suan_batch *b, suan__slot *s) {
    if (b->has_pages) {
        while (s->n_pages > 0) suan__pages_unref(&b->pages, s->pages[--s->n_pages]);
    } else {
        memcpy(s->held, s->choice->ids, s->n_computed * sizeof *s->held);
        s->n_held = s->n_computed;
        s->held_owner = s->choice->request->owner->id;
        s->held_at = ++b->n_uses;
    }
    s->choice = NULL;
    s->n_computed = 0;
}
