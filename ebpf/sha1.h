/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SHA-1 (RFC 3174), one block at a time, on a buffer in the scratch entry. No map access.
 */
#ifndef APPLIANCE_SHA1_H
#define APPLIANCE_SHA1_H

#define SHA1_BLOCK 64
#define SHA1_DIGEST 20

/*
 * bcc's target has 64-bit registers only. Values keep what they like in their upper halves (sums and bitwise functions do not
 * mind); a rotation doubles the lower half first, and so cleans it without a mask.
 */
static inline u64 rotate(u64 x, u32 n)
{
  u64 twice = x << 32;
  twice |= twice >> 32;
  return twice << n >> 32;
}

/* Word t of the schedule; the sixteen latest are kept, in place. */
#define SCHEDULE(t)                                                                                                      \
  (w[(t) & 15] = rotate(w[((t) + 13) & 15] ^ w[((t) + 8) & 15] ^ w[((t) + 2) & 15] ^ w[(t) & 15], 1))
#define ROUND(f, k, word)                                                                                                \
  {                                                                                                                      \
    u64 next = rotate(a, 5) + (f) + e + (k) + (word);                                                                    \
    e = d;                                                                                                               \
    d = c;                                                                                                               \
    c = rotate(b, 30);                                                                                                   \
    b = a;                                                                                                               \
    a = next;                                                                                                            \
  }

/* Add the 64 octets at `block` to the state h[5]; w[16] is room for the schedule, too much for a BPF stack. */
static inline void sha1_block(u32 *h, volatile u32 *w, u8 *block)
{
  u64 a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
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
    ROUND((b & c) | (d & (b | c)), 0x8F1BBCDCULL, SCHEDULE(t))
#pragma unroll
  for (int t = 60; t < 80; t++)
    ROUND(b ^ c ^ d, 0xCA62C1D6ULL, SCHEDULE(t))
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
