/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The index: from the hash of a name to the nodes linked under it (docs/store-format.md, "Hash and index").
 */
#ifndef APPLIANCE_INDEX_H
#define APPLIANCE_INDEX_H

/* An empty slot looks like tag 0 with reference 0. */
static inline u64 match_slots(struct bucket *b, u64 tag)
{
#pragma unroll
  for (int i = 0; i < BUCKET_SLOTS; i++) {
    u64 slot = b->slot[i];
    if (slot >> 32 == tag && slot << 32)
      return slot & 0xffffffff;
  }
  return 0;
}

/* First of the nodes linked under a hash, 0 when there is none. */
static inline u64 probe_bucket(struct bucket *b, u64 f)
{
  u64 tag = (f ^ f >> 32) & 0xffffffff, ref = match_slots(b, tag);
  OPAQUE(tag);
  if (ref || !((b->filter >> (tag >> 26)) & 1))
    return ref;
  u32 second = bucket_of(f) ^ bucket_bits(tag);
  b = buckets.lookup(&second);
  return b ? match_slots(b, tag) : 0;
}

/* Where the suffix of a depth is in the index. */
struct probe {
  u64 f;
  struct bucket *bucket;
};

static inline void begin_probe(struct query *q, u64 d, struct probe *p)
{
  MASK(d, LABELS_MAX - 1);
  p->f = q->lookup.hash[d] * HASH_FINAL;
  u32 first = bucket_of(p->f);
  p->bucket = buckets.lookup(&first);
}

static inline u64 probe_depth(struct query *q, u64 d)
{
  struct probe p;
  begin_probe(q, d, &p);
  return p.bucket ? probe_bucket(p.bucket, p.f) : 0;
}

#endif
