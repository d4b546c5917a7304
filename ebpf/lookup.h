/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Find the deepest node on the way from the root to the question name (docs/store-format.md). Within a zone, and by
 * OUTSIDE and FILLER nodes over the whole store, "the suffix of depth k has a node" is monotone, so the depth can be searched.
 */
#ifndef APPLIANCE_LOOKUP_H
#define APPLIANCE_LOOKUP_H

/* Hash every suffix of up to `depth` labels, from the root towards the leaf. */
static inline void hash_suffixes(struct query *q, u64 seed)
{
  u64 h = seed, stop = DNS_HEADER + q->question.name_len - 1;
  u64 labels = q->question.labels, depth = q->lookup.depth, d = 0;
  for (;;) {
    OPAQUE(d);
    if (d >= depth || d >= LABELS_MAX)
      break;
    d++;
    u64 i = labels - d;
    MASK(i, LABELS_MAX - 1);
    u64 at = q->question.label[i], len = stop - at;
    stop = at;
    for (u64 w = 0; w < 8; w++) {
      u64 v = fold8(word(q, at));
      if (len < 8) {
        if (len)
          h = hash_step(h, first_octets(v, len));
        break;
      }
      h = hash_step(h, v);
      at += 8;
      len -= 8;
    }
    q->lookup.hash[d] = h;
  }
}

/* Do `left` folded octets of the question from `at` equal the stored ones, which zeros fill up to whole words? */
static inline s64 octets_equal(struct query *q, u64 at, u8 *stored, u64 left)
{
  u64 o = 0;
  for (;;) {
    OPAQUE(o);
    if (o > NAME_MAX)
      return 0;
    u64 v = fold8(word(q, at + o));
    if (left <= 8) {
      if (left < 8)
        v = first_octets(v, left);
      return !left || v == *(u64 *)(stored + o);
    }
    if (v != *(u64 *)(stored + o))
      return 0;
    left -= 8;
    o += 8;
  }
}

/* Do the octets of the question from `at` equal the apex, which owner names in nodes leave out? The root needs no look. */
static inline s64 ends_in_apex(struct query *q, u64 at, struct zone *z)
{
  u64 left = z->suffix_len;
  if (left <= 1)
    return 1;
#pragma unroll
  for (int w = 0; w < SUFFIX_MAX / 8; w++) {
    u64 v = fold8(word(q, at + w * 8)), stored = *(u64 *)(z->suffix + w * 8);
    if (left <= 8) {
      if (left < 8)
        v = first_octets(v, left);
      return v == stored;
    }
    if (v != stored)
      return 0;
    left -= 8;
  }
  return 0;
}

/* A node at hand and its zone. node is 0 where both must be looked up again. */
struct found {
  u8 *node;
  struct zone *zone;
};

/* The zone of a node that has the name of the suffix of depth d and is visible in the current version, else 0. */
static inline struct zone *matching_zone(struct query *q, u8 *p, u64 d)
{
  struct node *n = (void *)p;
  u64 l = q->question.labels - d;
  MASK(l, LABELS_MAX - 1);
  u64 at = q->question.label[l];
  u32 index = n->zone;
  struct zone *z = zones.lookup(&index);
  if (!z || n->from > z->version || z->version >= n->until)
    return 0;
  u64 len = n->name_len;
  if (len + z->suffix_len != DNS_HEADER + q->question.name_len - at || !octets_equal(q, at, p + name_offset(n), len))
    return 0;
  return ends_in_apex(q, at + len, z) ? z : 0;
}

/* Hash the name and ask for the line of the index that the first probe will need. */
static inline void begin_lookup(struct query *q, struct ctl *c, struct probe *first)
{
  volatile u32 *flips = &c->flips;
  u64 labels = q->question.labels, deepest = c->max_depth, hint = c->hint_depth;
  q->lookup.flips = *flips;
  q->lookup.depth = labels < deepest ? labels : deepest;
  hash_suffixes(q, c->seed);
  FORGET();
  u64 d = q->lookup.depth;
  begin_probe(q, d < hint ? d : hint, first);
  if (first->bucket)
    LOAD8(first->bucket, 0);
}

/* Visible node of the suffix of depth d, 0 when there is none. */
static inline u64 find_node(struct query *q, u64 d)
{
  u64 ref = probe_depth(q, d);
  for (u32 hop = 0; hop < CHAIN_MAX; hop++) {
    u8 *p = ref ? heap_at(ref) : 0;
    if (!p)
      return 0;
    if (matching_zone(q, p, d))
      return ref;
    ref = ((struct node *)p)->next;
  }
  return 0;
}

static inline s64 nothing_deeper(u8 *p)
{
  return (((struct node *)p)->flags & (NODE_CUT | NODE_BELOW)) == NODE_CUT;
}

/* Take a node if it is that of the suffix of depth d and, where the name has more labels, if nothing deeper can have one. */
static inline s64 settle(struct query *q, u64 ref, u64 d, u64 deepest, struct found *found)
{
  u8 *p = heap_at(ref);
  if (!p)
    return 0;
  LOAD8(p, 64); /* types and answer follow the name: have them come with it */
  struct zone *z = matching_zone(q, p, d);
  if (!z || (d != deepest && !nothing_deeper(p)))
    return 0;
  found->node = p;
  found->zone = z;
  q->lookup.node = ref;
  q->lookup.depth = d;
  return 1;
}

/*
 * A probe at the depth where most names of the store are, and if there is none a second one label higher, decide most questions.
 * Returns 1 with q->lookup.node and q->lookup.depth set (and *found, if it is not the root's), or 0 when the search must go on.
 */
static inline s64 find_at_hint(struct query *q, struct ctl *c, struct probe *first, struct found *found)
{
  u64 whole = q->lookup.depth, d = c->hint_depth;
  if (d > whole)
    d = whole;
  u64 ref = d && first->bucket ? probe_bucket(first->bucket, first->f) : 0;
  if (ref)
    return settle(q, ref, d, whole, found);
  if (d > 1) {
    d--;
    ref = probe_depth(q, d);
    if (ref)
      return settle(q, ref, d, d, found);
    if (d > 1)
      return 0;
  }
  q->lookup.node = c->root;
  q->lookup.depth = 0;
  return 1;
}

static inline void begin_search(struct query *q, struct ctl *c)
{
  q->lookup.low = 0;
  q->lookup.high = q->lookup.depth + 1;
  q->lookup.probe = c->hint_depth < q->lookup.depth ? c->hint_depth : q->lookup.depth;
  q->lookup.probes = 0;
  q->lookup.node = c->root;
}

/* One step of the search: first the hint, then the whole name or one label less, then halves. Returns 1 when done. */
static inline s64 search_step(struct query *q)
{
  u64 d = q->lookup.probe, low = q->lookup.low, high = q->lookup.high;
  u64 ref = find_node(q, d);
  if (ref) {
    u8 *p = heap_at(ref);
    q->lookup.node = ref;
    low = d;
    if (p && nothing_deeper(p))
      high = d + 1;
  } else {
    high = d;
  }
  d = q->lookup.probes ? (low + high) >> 1 : ref ? high - 1 : d - 1;
  q->lookup.probes++;
  q->lookup.low = low;
  q->lookup.high = high;
  q->lookup.probe = d;
  q->lookup.depth = low;
  return low + 1 >= high;
}

#endif
