/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The store's heap: where a reference leads, and what stands at fixed places there (docs/store-format.md).
 */
#ifndef APPLIANCE_STORE_H
#define APPLIANCE_STORE_H

#define FRAGMENTS_MAX 8
#define BLOCKS_MASK 511

static inline u8 *heap_at(u64 ref)
{
  u32 chunk = ref >> 16;
  u8 *base = (u8 *)heap.lookup(&chunk);
  if (!base)
    return 0;
  u64 offset = ref << 4;
  MASK(offset, 0xffff0);
  if (offset > HEAP_CHUNK - HEAP_WINDOW)
    return 0;
  return base + offset;
}

/* Where a node's owner name starts. */
static inline u64 name_offset(struct node *n)
{
  u64 behind = (n->flags & NODE_CUT) ^ NODE_CUT;
  MASK(behind, 1);
  return NODE_HEAD + behind * 8;
}

static inline u64 zone_nodata(struct zone *z, u64 dnssec_ok)
{
  struct zone_slot *s = z->version & 1 ? &z->slot[1] : &z->slot[0];
  return dnssec_ok ? s->nodata[1] : s->nodata[0];
}

static inline u64 zone_nxdomain(struct zone *z, u64 dnssec_ok)
{
  struct zone_slot *s = z->version & 1 ? &z->slot[1] : &z->slot[0];
  return dnssec_ok ? s->nxdomain[1] : s->nxdomain[0];
}

/* The SOA that answers of a signed zone quote: by the zone's slot, so that no answer changes with the serial. */
static inline u64 zone_soa(struct zone *z)
{
  return z->version & 1 ? z->slot[1].soa : z->slot[0].soa;
}

/* A block of entries of 16 octets: its chunk and where it starts in there. */
struct block {
  u8 *chunk;
  u64 start;
};

static inline struct block find_block(u8 *blocks, u64 number)
{
  u64 b = number * 4;
  MASK(b, BLOCKS_MASK * 4);
  u64 ref = *(u32 *)(blocks + b);
  u32 chunk = ref >> 16;
  return (struct block){ (u8 *)heap.lookup(&chunk), (ref & 0xffff) << 4 };
}

static inline void *entry_in(struct block *b, u64 i)
{
  u64 offset = b->start + i * 16;
  u8 *chunk = b->chunk;
  if (!chunk)
    return 0;
  OPAQUE(chunk);
  MASK(offset, 0xffff0);
  return chunk + offset;
}

/* Entry `i` of an array whose block references start at `blocks`. */
static inline void *block_entry(u8 *blocks, u64 i)
{
  struct block b = find_block(blocks, i / DENIAL_BLOCK);
  return entry_in(&b, i % DENIAL_BLOCK);
}

#endif
