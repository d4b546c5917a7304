/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Turn the frame round: addresses, lengths, flags, counts and full checksums.
 */
#ifndef APPLIANCE_HEADERS_H
#define APPLIANCE_HEADERS_H

static inline s64 swap_addresses(void *data, void *end)
{
  u32 *mac = data;
  if (data + 14 > end)
    return DROP_internal;
  u32 d0 = mac[0], s1 = mac[2];
  u16 d1 = *(u16 *)(data + 4), s0 = *(u16 *)(data + 6);
  *(u16 *)data = s0;
  *(u32 *)(data + 2) = s1;
  *(u32 *)(data + 6) = d0;
  *(u16 *)(data + 10) = d1;
  return GO_ON;
}

/* TTL 64, DF, identification 0 (RFC 6864), no DSCP or ECN: nothing of the query's header survives but the addresses. */
static inline void write_ipv4(void *at, u64 len)
{
  u32 *w = at;
  u64 source = w[3], destination = w[4], first = 0x45 | (u64)htons(len) << 16;
  u64 sum = first + ((u64)htons(0x4000) << 16) + (64 | IPPROTO_UDP << 8) + source + destination;
  STORE8(at, 0, first | (u64)htons(0x4000) << 48);
  w[2] = 64 | IPPROTO_UDP << 8 | (~sum_fold34(sum) & 0xffff) << 16;
  w[3] = destination;
  w[4] = source;
}

static inline void write_ipv6(void *at, u64 payload)
{
  u64 *w = at;
  u64 s0 = w[1], s1 = w[2], d0 = w[3], d1 = w[4];
  w[0] = 0x60 | (u64)htons(payload) << 32 | (u64)IPPROTO_UDP << 48 | 64ULL << 56;
  w[1] = d0;
  w[2] = d1;
  w[3] = s0;
  w[4] = s1;
}

static inline s64 write_headers(void *data, void *end, struct query *q, struct shape *s, u64 body_sum)
{
  if (swap_addresses(data, end) != GO_ON)
    return DROP_internal;
  u64 l4 = q->packet.l4, l3 = q->packet.l3;
  MASK(l4, 127);
  MASK(l3, 31);
  void *ip = data + l3;
  u16 *udp = data + l4;
  u16 *header = udp + 4;
  if ((void *)(udp + 10) > end || ip + IPV6_HEADER > end)
    return DROP_internal;
  u64 udp_len = UDP_HEADER + DNS_HEADER + s->question + s->body + s->opt;
  if (q->packet.ipv6)
    write_ipv6(ip, udp_len);
  else
    write_ipv4(ip, udp_len + IPV4_HEADER);
  u64 source = udp[0], destination = udp[1], len = htons(udp_len);
  u64 head = s->head, ar = htons(head >> 48);
  u64 sum = q->packet.fixed_sum + len + len + header[0] + ar + body_sum;
  head = head << 48 | (head & 0xffff0000) | head << 16 >> 48 | 1ULL << 63;
  if (s->question) {
    head |= 1ULL << 32;
    sum += q->question.sum;
  }
  head = __builtin_bswap64(head) | (*(u16 *)(q->message.octets + 2) & htons(0x7910)); /* opcode, RD and CD as asked */
  sum += sum_word(head);
  STORE8(header, 2, head);
  header[5] = ar;
  udp[0] = destination;
  udp[1] = source;
  udp[2] = len;
  u16 check = ~sum_fold(sum);
  udp[3] = check ? check : 0xffff;
  return GO_ON;
}

#endif
