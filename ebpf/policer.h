/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How much of what goes up may: whatever a socket on our port would hear of, at a limited rate, so that a flood of odd packets cannot
 * starve transfers and TCP. What is for other ports, protocols and hosts is nobody's to limit here. Reads only.
 */
#ifndef APPLIANCE_POLICER_H
#define APPLIANCE_POLICER_H

#define EXTENSIONS_MAX 8 /* headers that are stepped over; more are taken for a query of ours */
#define NEXT_ICMPV6 58
#define HEARD_SLOTS 4096
#define HEARD_WINDOWS 4 /* for how long a network stays known, in windows of 2^30 ns */
#define LIGHT_SHARE 64  /* a network is light up to this part of the rate in a window */
#define TOKEN 1000000000ULL /* one packet: tokens are packets a second times nanoseconds */

enum recipient { RECIPIENT_OTHER, RECIPIENT_OURS, RECIPIENT_FRAGMENT };

/* Of one CPU, as the rate is: no line is shared. */
struct policer { u64 last_ns, common, reserve, fragments; };
struct heard { u32 tag; u16 window, count; };

BPF_PERCPU_ARRAY(policer, struct policer, 1);
BPF_PERCPU_ARRAY(heard, struct heard, HEARD_SLOTS);

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
  q->recipient.network = ip.saddr & 0xffffff;
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
  q->recipient.network = a[0] << 8; /* the first seven octets */
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

/* Who a packet is for that the program would hand up for a limited reason: whatever that is, tags and VLAN have been looked at. */
static inline u64 recipient(struct xdp_md *ctx, struct query *q)
{
  u16 type = 0;
  if (bpf_xdp_load_bytes(ctx, q->packet.l3 - sizeof(type), &type, sizeof(type)))
    return RECIPIENT_OTHER;
  if (type == htons(ETH_P_IP))
    return recipient4(ctx, q);
  return type == htons(ETH_P_IPV6) ? recipient6(ctx, q) : RECIPIENT_OTHER;
}

static inline u64 filled(u64 tokens, u64 more, u64 full)
{
  if (full && full < TOKEN)
    full = TOKEN;
  return tokens + more < full ? tokens + more : full;
}

static inline s64 take(u64 *tokens, u64 least)
{
  if (*tokens < TOKEN || *tokens <= least)
    return 0;
  *tokens -= TOKEN;
  return 1;
}

/*
 * A quarter of the rate is for networks that were not heard lately, three are for the others; either may have what the others leave above
 * half of their bucket. There a network beyond its light share comes last. So a flood from few networks takes nothing from new ones, one
 * from forged addresses nothing from known ones. Whether a network is known is kept for those that got through, and no other drives
 * out an entry that is in use; one that would have to comes last too, or it would be new for ever: tests/datapath/test_policer.py.
 */
static inline s64 take_common(struct ctl *c, struct policer *b, struct query *q, u64 now, u64 full)
{
  u64 light = c->pass_rate / LIGHT_SHARE + 1, hash = (q->recipient.network ^ c->seed) * HASH_MULTIPLIER;
  hash = (hash ^ hash >> 32) * HASH_FINAL; /* once more: networks often differ in their upper bits alone */
  u32 slot = hash >> 52;
  struct heard *h = heard.lookup(&slot);
  if (!h)
    return 0;
  u32 tag = hash >> 16;
  u16 window = now >> 30, age = window - h->window;
  u64 live = h->count && age < HEARD_WINDOWS, known = live && h->tag == tag;
  u64 count = known && !age ? h->count : 0, reserve = full / 4, half = (full - reserve) / 2;
  s64 taken;
  if (!live)
    taken = take(&b->reserve, 0) || take(&b->common, half);
  else if (known && count < light)
    taken = take(&b->common, 0) || take(&b->reserve, reserve / 2);
  else
    taken = take(&b->common, half);
  if (taken && (known || !live)) {
    h->tag = tag;
    h->window = window;
    h->count = count < 65535 ? count + 1 : count;
  }
  return taken;
}

/* One token for a packet that goes up; 0 when there is none. */
static inline s64 may_pass(struct ctl *c, struct query *q, u64 to)
{
  u32 zero = 0;
  struct policer *b = policer.lookup(&zero);
  u64 full = c->pass_burst * TOKEN, now = bpf_ktime_get_ns();
  if (!b)
    return 1;
  u64 elapsed = now - b->last_ns;
  if (elapsed > 1000000000)
    elapsed = 1000000000;
  u64 more = elapsed * c->pass_rate, reserve = more / 4;
  b->last_ns = now;
  b->fragments = filled(b->fragments, more, full);
  b->reserve = filled(b->reserve, reserve, full / 4);
  b->common = filled(b->common, more - reserve, full - full / 4);
  return to == RECIPIENT_FRAGMENT ? take(&b->fragments, 0) : take_common(c, b, q, now, full);
}

/* The last stage of what may only go up at a limited rate. */
int police(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  s64 verdict = q->verdict;
  u64 to = recipient(ctx, q);
  FORGET();
  if (to != RECIPIENT_OTHER && !may_pass(c, q, to))
    verdict += POLICED;
  count(verdict);
  return verdict >= DROP_BASE ? XDP_DROP : XDP_PASS;
}

#endif
