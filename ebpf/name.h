/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names in the question: folding and hashing eight octets at a step (docs/store-format.md, "Hash and index").
 */
#ifndef APPLIANCE_NAME_H
#define APPLIANCE_NAME_H

/* ASCII upper case to lower case in all eight octets; label lengths (0..63) are no letters and stay. */
static inline u64 fold8(u64 v)
{
  u64 low = v & 0x7f7f7f7f7f7f7f7fULL;
  u64 upper = (low + 0x3f3f3f3f3f3f3f3fULL) & ~(low + 0x2525252525252525ULL) & ~v & 0x8080808080808080ULL;
  return v | (upper >> 2);
}

static inline u64 hash_step(u64 h, u64 word)
{
  h = (h ^ word) * HASH_MULTIPLIER;
  return h ^ (h >> 32);
}

#endif
