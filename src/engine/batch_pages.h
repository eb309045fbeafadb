/* batch_pages.h: the pages of a batch: one arena, references, and trees of what is in them.
 *
 * A page holds the cache of 256 positions (model/kv.h). A node of a tree is a page with the ids of its positions; its children go on from its end, so the way from the root is
 * the whole text before. A page is found by comparing ids in full: no hash stands for them. Roots are apart: what hangs under one is never found from another.
 *
 *   taken      somebody has it in his table, refs > 0. One sequence may be writing it (positions behind n_ids come to be); full pages and the written part never change
 *   kept       refs is 0, but it is in a tree: the oldest of these, always a leaf, makes room when a page is wanted
 *   free
 *
 * Used by one thread. Nothing is allocated after create. */
#ifndef SUAN_ENGINE_BATCH_PAGES_H
#define SUAN_ENGINE_BATCH_PAGES_H

#include "base/error.h"
#include "kernels/kernels.h"

#define SUAN__NO_PAGE UINT32_MAX

typedef struct suan__page_root {
    uint32_t first;   /* child */
    uint32_t n_pages; /* in the tree */
} suan__page_root;

typedef struct suan__page {
    uint32_t refs, n_ids;
    uint32_t parent, first, next, before; /* in the tree: parent, first child, siblings */
    uint32_t older, newer;                /* of those that are kept; free ones are in a list by older */
    suan__page_root *root;                /* NULL: in no tree */
    uint64_t owner;                       /* who had it computed */
} suan__page;

typedef struct suan__pages {
    unsigned char *memory;
    size_t page_bytes;
    uint32_t n, n_free, n_kept;
    suan__page *pages;
    int32_t *ids; /* [n][256] */
    uint32_t free, oldest, newest;
    bool is_poisoned; /* pages that are taken are filled with what is no number: tests see that nothing is read before it was written */
} suan__pages;

suan_status suan__pages_create(suan__pages *p, uint32_t n, size_t page_bytes, suan_error *err);
void suan__pages_fini(suan__pages *p); /* a zeroed one is fine */
static inline unsigned char *suan__pages_at(const suan__pages *p, uint32_t page) {
    return p->memory + page * p->page_bytes;
}
static inline uint32_t suan__pages_available(const suan__pages *p) {
    return p->n_free + p->n_kept;
}

/* A page in no tree with one reference: a free one, or the oldest of those kept; SUAN__NO_PAGE: all are taken. */
uint32_t suan__pages_take(suan__pages *p);
void suan__pages_ref(suan__pages *p, uint32_t page);
/* Gives a reference back. The last one: the page is kept if it is in a tree and says more than a sibling does, otherwise free. Whoever gives back a path begins at its end, so
 * that leaves are older than what they hang on. */
void suan__pages_unref(suan__pages *p, uint32_t page);

/* What begins like ids [n], n up to 256, behind parent (SUAN__NO_PAGE: from the root): returns how many of them the best page has, and the page. */
uint32_t suan__pages_find(const suan__pages *p, const suan__page_root *root, uint32_t parent, const int32_t *ids, uint32_t n,
                          uint32_t *page);
/* Puts a taken page into a tree, behind a full page or the root. */
void suan__pages_attach(suan__pages *p, suan__page_root *root, uint32_t parent, uint32_t page, uint64_t owner);
/* n more positions have been computed. A page that is full now, as another one already is with the same ids, gives way: that one is returned with a reference, this one is free. */
uint32_t suan__pages_extend(suan__pages *p, uint32_t page, const int32_t *ids, uint32_t n);
/* All that a root has; none may be taken. */
void suan__pages_forget(suan__pages *p, suan__page_root *root);

#endif
