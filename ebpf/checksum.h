/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Internet checksums (RFC 1071). Sums are kept in memory order: whole little-endian words are added, and only the
 * folded 16-bit result is read as two octets again.
 */
#ifndef APPLIANCE_CHECKSUM_H
#define APPLIANCE_CHECKSUM_H

static inline u64 sum_word(u64 word)
{
  return (word & 0xffffffff) + (word >> 32);
}

/* Fold a sum below 2^34 to 16 bits. */
static inline u64 sum_fold34(u64 sum)
{
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

static inline u64 sum_fold(u64 sum)
{
  return sum_fold34((sum & 0xffffffff) + (sum >> 32));
}

#define ONES_INVERSE 0xfffefffefffeffffULL
#define ONES_QUOTIENT 0x1000100010001ULL /* 2^64 / 65535 */

/* Is this sum, which is not zero, all ones when folded? A multiple of 65535 is: the odd number has an inverse modulo 2^64. */
static inline s64 sums_to_ones(u64 sum)
{
  return sum * ONES_INVERSE <= ONES_QUOTIENT;
}

/* A sum that counts as nothing. A number below 2^48 is subtracted after this is added. */
#define SUM_ZERO (65535ULL << 32)

/*
 * The sum of octets that start at `offset`: `sum` (below 2^56) is theirs as if they started at an even place. Modulo 65535 a
 * factor of 256 swaps the octets, so this needs no branch.
 */
static inline u64 sum_at(u64 sum, u64 offset)
{
  return sum << ((offset & 1) * 8);
}

#endif
