/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whom a packet is for that the program would hand up. Reads only.
 */
#ifndef APPLIANCE_RECIPIENT_H
#define APPLIANCE_RECIPIENT_H

#define EXTENSIONS_MAX 8 /* headers that are stepped over; more are taken for a query of ours */
#define NEXT_ICMPV6 58

enum recipient { RECIPIENT_OTHER, RECIPIENT_OURS, RECIPIENT_FRAGMENT };

/* Is there a UDP header for our port at this place of the frame? */
static inline s64 is_our_port(struct xdp_md *ctx, u64 at)
{
  u16 ports[2];
  return !bpf_xdp_load_bytes(ctx, at, ports, sizeof(ports)) && is_dns_port(ports[1]);
}

/* Sockets hear what comes to an address of the host, answered for by the program or not, and to all or many hosts. */
static inline u64 recipient4(struct xdp_md *ctx, struct query *q)
{
  struct iphdr ip;
  u64 l3 = q->packet.l3;
  if (bpf_xdp_load_bytes(ctx, l3, &ip, sizeof(ip)))
    return RECIPIENT_OTHER;
  u64 first = *(u8 *)&ip, octets = (first & 15) * 4, destination = ip.daddr, fragment = ntohs(ip.frag_off) & 0x3fff;
  if (first >> 4 != 4 || octets < IPV4_HEADER || ip.protocol != IPPROTO_UDP)
    return RECIPIENT_OTHER;
  if (!service_kind(0, mapped(destination)) && (destination & 0xff) < 224)
    return RECIPIENT_OTHER;
  q->recipient.network = network4(ip.saddr);
  if (fragment & 0x1fff)
    return RECIPIENT_FRAGMENT;
  if (!is_our_port(ctx, l3 + octets))
    return RECIPIENT_OTHER;
  return fragment ? RECIPIENT_FRAGMENT : RECIPIENT_OURS;
}

/* Step over one extension header; GO_ON, or who the packet is for. The walk's state lives in memory, see find_child(). */
static inline s64 step_over(struct xdp_md *ctx, struct query *q)
{
  u8 head[4];
  u64 next = q->recipient.next, at = q->recipient.at;
  if (bpf_xdp_load_bytes(ctx, at, head, sizeof(head)))
    return RECIPIENT_OTHER;
  u64 octets = (head[1] + 1) * 8;
  if (next == NEXT_AUTHENTICATION)
    octets = (head[1] + 2) * 4;
  if (next == NEXT_FRAGMENT) {
    u64 place = head[2] << 8 | head[3];
    octets = 8;
    q->recipient.fragment |= place & 0xfff9;
    if (place & 0xfff8)
      return head[0] == IPPROTO_TCP || head[0] == NEXT_ICMPV6 ? RECIPIENT_OTHER : RECIPIENT_FRAGMENT;
  } else if (!is_extension(next)) {
    return RECIPIENT_OTHER;
  }
  q->recipient.next = head[0];
  q->recipient.at = at + octets;
  return GO_ON;
}

static inline u64 recipient6(struct xdp_md *ctx, struct query *q)
{
  struct ipv6hdr ip __attribute__((aligned(8))); /* its addresses are read as words */
  u64 l3 = q->packet.l3;
  if (bpf_xdp_load_bytes(ctx, l3, &ip, sizeof(ip)) || (*(u8 *)&ip & 0xf0) != 0x60)
    return RECIPIENT_OTHER;
  u64 *a = (u64 *)&ip.saddr;
  if (!service_kind(a[2], a[3]) && (a[2] & 0xff) != 0xff)
    return RECIPIENT_OTHER;
  q->recipient.network = network6(a[0]);
  q->recipient.at = l3 + IPV6_HEADER;
  q->recipient.next = ip.nexthdr;
  q->recipient.fragment = 0;
  for (u32 i = 0; i < EXTENSIONS_MAX; i++) {
    FORGET();
    if (q->recipient.next == IPPROTO_UDP)
      break;
    s64 to = step_over(ctx, q);
    if (to != GO_ON)
      return to;
  }
  FORGET();
  if (q->recipient.next == IPPROTO_UDP && !is_our_port(ctx, q->recipient.at))
    return RECIPIENT_OTHER;
  return q->recipient.fragment ? RECIPIENT_FRAGMENT : RECIPIENT_OURS;
}

/* Whom a packet is for that goes up for a limited reason. For every such reason tags and VLAN have been looked at before. */
static inline u64 recipient(struct xdp_md *ctx, struct query *q)
{
  u16 type = 0;
  if (bpf_xdp_load_bytes(ctx, q->packet.l3 - sizeof(type), &type, sizeof(type)))
    return RECIPIENT_OTHER;
  if (type == htons(ETH_P_IP))
    return recipient4(ctx, q);
  return type == htons(ETH_P_IPV6) ? recipient6(ctx, q) : RECIPIENT_OTHER;
}

#endif
