/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The DNS message in scratch memory, with its sum.
 */
#ifndef APPLIANCE_MESSAGE_H
#define APPLIANCE_MESSAGE_H

static inline u8 octet(struct query *q, u64 offset)
{
  MASK(offset, MESSAGE_MASK);
  return q->message.octets[offset];
}

static inline u64 word(struct query *q, u64 offset)
{
  MASK(offset, MESSAGE_MASK);
  return LOAD8(q->message.octets + offset, 0);
}

/*
 * Copy the message to the scratch entry, sixteen octets a step and the last eight at the end, and sum it on the way. Whole words are
 * added modulo 2^64, and their upper halves are added once more. From both the sum of the halves is known at the end.
 */
static inline s64 read_message(struct xdp_md *ctx, struct query *q)
{
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  u64 l4 = q->packet.l4, len = q->packet.message_len, whole = len & ~15ULL, words = 0, uppers = 0, at = 0;
  MASK(l4, 127);
  void *message = data + l4 + UDP_HEADER;
  for (;;) {
    OPAQUE(at);
    if (at >= whole || at > MESSAGE_MAX)
      break;
    void *p = message + at;
    if (p + 16 > end)
      return PASS_ip_length;
    u64 v = LOAD8(p, 0), w = LOAD8(p, 8);
    u8 *to = q->message.octets + at;
    STORE8(to, 0, v);
    STORE8(to, 8, w);
    words += v + w;
    uppers += (v >> 32) + (w >> 32);
    at += 16;
  }
  if (len & 8) {
    MASK(whole, MESSAGE_MASK - 15);
    void *p = message + whole;
    if (p + 8 > end)
      return PASS_ip_length;
    u64 v = LOAD8(p, 0);
    STORE8(q->message.octets + whole, 0, v);
    words += v;
    uppers += v >> 32;
  }
  u64 last = len - 8;
  MASK(last, MESSAGE_MASK);
  void *p = message + last;
  if (p + 8 > end)
    return PASS_ip_length;
  u64 v = LOAD8(p, 0), rest = len & 7;
  STORE8(q->message.octets + last, 0, v);
  if (rest) {
    v >>= 64 - rest * 8;
    words += v;
    uppers += v >> 32;
  }
  q->message.sum = words - (uppers << 32) + uppers;
  return GO_ON;
}

/* RFC 768; over IPv6 a checksum is a must (RFC 8200 §8.1). The message's own sum is known by now. */
static inline s64 udp_is_whole(struct query *q)
{
  u64 udp = q->packet.udp_sum;
  return udp ? sums_to_ones(q->packet.fixed_sum + q->message.sum + udp) : !q->packet.ipv6;
}

/* Sum of the octets in [from, to) as if `from` were even. */
static inline u64 sum_octets(struct query *q, u64 from, u64 to)
{
  u64 sum = 0, at = from;
  for (u32 i = 0; i < MESSAGE_MAX / 8; i++) {
    if (at + 8 > to)
      break;
    sum += sum_word(word(q, at));
    at += 8;
  }
  if (at < to)
    sum += sum_word(first_octets(word(q, at), to - at));
  return sum;
}

#endif
