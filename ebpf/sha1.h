/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SHA-1 (RFC 3174), one block at a time, on a buffer in the scratch entry. No map access.
 */
#ifndef APPLIANCE_SHA1_H
#define APPLIANCE_SHA1_H

#define SHA1_BLOCK 64
#define SHA1_DIGEST 20

/*
 * bcc's target has 64-bit registers only. What is rotated is kept twice, in both halves: a shift to the right then leaves the rotated
 * word in the lower half, and nothing minds what is in the upper one.
 */
#define ROUND(f, k, word)                                                                                                \
  {                                                                                                                      \
    u64 next = (a >> 27) + (f) + e + (s32)(k) + (word), upper = next << 32;                                              \
    e = d;                                                                                                               \
    d = c;                                                                                                               \
    c = b >> 2;                                                                                                          \
    b = a;                                                                                                               \
    a = (next & clean) | upper;                                                                                          \
  }

/* Word t of the schedule; the sixteen latest are kept, in place, where storing cuts what is above 32 bits. */
#define SCHEDULE(t) scheduled(w, t)
static inline u64 scheduled(volatile u32 *w, int t)
{
  u64 x = w[(t + 13) & 15], x8 = w[(t + 8) & 15], x14 = w[(t + 2) & 15], x16 = w[t & 15];
  OPAQUE(x);
  OPAQUE(x8);
  OPAQUE(x14);
  OPAQUE(x16);
  x ^= x8 ^ x14 ^ x16;
  x = x << 1 | x >> 31;
  w[t & 15] = x;
  return x;
}

/* Add the 64 octets at `block` to the state h[5]. The schedule lies on the stack, which needs no register to be reached. */
static inline void sha1_block(u32 *h, u8 *block)
{
  volatile u32 w[16];
  u64 a = h[0] * 0x100000001ULL, b = h[1] * 0x100000001ULL, c = h[2], d = h[3], e = h[4], clean = 0xffffffff;
  OPAQUE(clean);
#pragma unroll
  for (int t = 0; t < 16; t++) {
    u64 word = ntohl(*(u32 *)(block + t * 4));
    w[t] = word;
    ROUND(d ^ (b & (c ^ d)), 0x5A827999, word)
  }
#pragma unroll
  for (int t = 16; t < 20; t++)
    ROUND(d ^ (b & (c ^ d)), 0x5A827999, SCHEDULE(t))
#pragma unroll
  for (int t = 20; t < 40; t++)
    ROUND(b ^ c ^ d, 0x6ED9EBA1, SCHEDULE(t))
#pragma unroll
  for (int t = 40; t < 60; t++)
    ROUND((b & c) | (d & (b | c)), 0x8F1BBCDC, SCHEDULE(t))
#pragma unroll
  for (int t = 60; t < 80; t++)
    ROUND(b ^ c ^ d, 0xCA62C1D6, SCHEDULE(t))
  h[0] += a;
  h[1] += b;
  h[2] += c;
  h[3] += d;
  h[4] += e;
}

static inline void sha1_start(u32 *h)
{
  h[0] = 0x67452301;
  h[1] = 0xEFCDAB89;
  h[2] = 0x98BADCFE;
  h[3] = 0x10325476;
  h[4] = 0xC3D2E1F0;
}

#endif
