/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Octets in words: at any address, the first of them, the other way round.
 */
#ifndef APPLIANCE_OCTETS_H
#define APPLIANCE_OCTETS_H

/*
 * Eight octets at any address: left to itself the compiler assembles an unaligned word octet by octet. The offset is a constant that is
 * part of the instruction; an address that is computed first costs two more.
 */
#define LOAD8(at, offset)                                                                                                \
  ({                                                                                                                     \
    u64 loaded_;                                                                                                         \
    asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(loaded_) : "r"(at), "i"(offset) : "memory");                            \
    loaded_;                                                                                                             \
  })
#define STORE8(at, offset, v) asm volatile("*(u64 *)(%0 + %2) = %1" : : "r"(at), "r"((u64)(v)), "i"(offset) : "memory")

/* The first `n` octets of a little-endian word, n in 1..7. */
static inline u64 first_octets(u64 word, u64 n)
{
  return word & ((1ULL << ((n & 7) * 8)) - 1);
}

/* Two octets of a number the other way round. */
static inline u64 swap16(u64 value)
{
  return ((value & 0xff) << 8) | ((value >> 8) & 0xff);
}

#endif
