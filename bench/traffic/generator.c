// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A measuring tool, no part of the server: `bench/traffic/generator.py` compiles and loads it with bcc.
 *
 *   generate  writes the next question of the chosen set into the frame and goes on to the program in slot 0 of `target`
 *   nothing   the target whose time is subtracted: it returns at once
 *   reflect   the least a server could do: swap the addresses and send the question back
 *   pass      what a device needs to take frames for its sockets
 *   check     XDP program of the client's device: is this frame a reply to one of our questions?
 *
 * Built with NFRAMES (sets x 65,536) and NCPUS.
 */
#include <uapi/linux/bpf.h>
#include <uapi/linux/if_ether.h>
#include <uapi/linux/in.h>
#include <uapi/linux/ip.h>
#include <uapi/linux/udp.h>

#define BPF_F_MMAPABLE_ARRAY (1 << 10)
#define MASK(x, m) asm volatile("%0 &= %1" : "+r"(x) : "i"(m))
#define HIDE(x) asm volatile("" : "+r"(x))
#define HALVES(v) (((v) & 0xffffffff) + ((v) >> 32))

struct frame { u16 len; u8 octets[134]; };
struct plan { u32 base, count, id_first, id_span, rcodes, check_sum, response, reserved; };
/* One row for each CPU: no line is shared. */
struct row { u32 position, touched; u64 sent, replies, octets, wrong_id, wrong_rcode, wrong_sum, others; };
/* A NIC delivers into the cache. So that fetching a question of a large set from memory is not counted as the target's time,
 * the lines of a later one are touched early. */
#define AHEAD 4
enum sum_check { SUM_FULL = 1, SUM_FULL_OR_PARTIAL = 2 };

BPF_F_TABLE("array", u32, struct frame, frames, NFRAMES, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct plan, plan, 1, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct row, rows, NCPUS, BPF_F_MMAPABLE_ARRAY);
BPF_PROG_ARRAY(target, 1);

int generate(struct xdp_md *ctx)
{
  u32 zero = 0, cpu = bpf_get_smp_processor_id();
  struct plan *chosen = plan.lookup(&zero);
  struct row *row = rows.lookup(&cpu);
  if (!chosen || !row)
    return XDP_DROP;
  u32 at = row->position, next = at + 1;
  row->position = next < chosen->count ? next : 0;
  at += chosen->base;
  struct frame *f = frames.lookup(&at);
  next = row->position + AHEAD;
  next = chosen->base + (next < chosen->count ? next : 0);
  struct frame *later = frames.lookup(&next);
  if (!f || !later)
    return XDP_DROP;
  row->touched += later->octets[0] + later->octets[64] + later->octets[133];
  u64 len = f->len;
  MASK(len, 0xff);
  if (len < 60 || len > sizeof(f->octets))
    return XDP_DROP;
  int more = (int)len - (int)(ctx->data_end - ctx->data);
  if (more && bpf_xdp_adjust_tail(ctx, more))
    return XDP_DROP;
  if (bpf_xdp_store_bytes(ctx, 0, f->octets, len))
    return XDP_DROP;
  row->sent++;
  target.call(ctx, 0);
  return XDP_DROP;
}

int nothing(struct xdp_md *ctx) { return XDP_TX; }

int pass(struct xdp_md *ctx) { return XDP_PASS; }

int reflect(struct xdp_md *ctx)
{
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data;
  struct iphdr *ip = data + 14;
  struct udphdr *udp = data + 34;
  if (data + 54 > end || eth->h_proto != htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP || udp->dest != htons(53))
    return XDP_PASS;
  u8 mac[6];
  __builtin_memcpy(mac, eth->h_dest, 6);
  __builtin_memcpy(eth->h_dest, eth->h_source, 6);
  __builtin_memcpy(eth->h_source, mac, 6);
  u32 address = ip->saddr;
  ip->saddr = ip->daddr;
  ip->daddr = address;
  u16 number = udp->source;
  udp->source = udp->dest;
  udp->dest = number;
  return XDP_TX;
}

/* Ones' complement sum of source address, destination address, UDP header and payload (RFC 768): from octet 26 to the end. */
static inline u64 sum_to_end(void *data, void *end)
{
  u64 even = 0, odd = 0;
  u8 *p = data + 26;
  for (u64 i = 0; i < 32; i++) {
    HIDE(i);
    if ((void *)(p + 64) > end)
      break;
    u32 *w = (u32 *)p;
    even += (u64)w[0] + w[2] + w[4] + w[6] + w[8] + w[10] + w[12] + w[14];
    odd += (u64)w[1] + w[3] + w[5] + w[7] + w[9] + w[11] + w[13] + w[15];
    p += 64;
  }
  for (u64 i = 0; i < 8; i++) {
    HIDE(i);
    if ((void *)(p + 8) > end)
      break;
    u32 *w = (u32 *)p;
    even += w[0];
    odd += w[1];
    p += 8;
  }
  if ((void *)(p + 4) <= end) {
    even += *(u32 *)p;
    p += 4;
  }
  if ((void *)(p + 2) <= end) {
    even += *(u16 *)p;
    p += 2;
  }
  if ((void *)(p + 1) <= end)
    even += *p;
  return even + odd;
}

static inline u16 fold(u64 sum)
{
  sum = HALVES(sum);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

int check(struct xdp_md *ctx)
{
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  u32 zero = 0, cpu = bpf_get_smp_processor_id();
  struct plan *chosen = plan.lookup(&zero);
  struct row *row = rows.lookup(&cpu);
  if (!chosen || !row)
    return XDP_DROP;
  struct ethhdr *eth = data;
  struct iphdr *ip = data + 14;
  struct udphdr *udp = data + 34;
  u16 *dns = data + 42;
  if (data + 54 > end || eth->h_proto != htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP || ip->ihl != 5 || udp->source != htons(53)) {
    row->others++;
    return XDP_PASS;
  }
  if ((u32)(ntohs(dns[0]) - chosen->id_first) >= chosen->id_span) {
    row->wrong_id++;
    return XDP_DROP;
  }
  u16 flags = ntohs(dns[1]);
  if (flags >> 15 != chosen->response || !(chosen->rcodes >> (flags & 15) & 1)) {
    row->wrong_rcode++;
    return XDP_DROP;
  }
  u64 pseudo = (u64)htons(IPPROTO_UDP) + udp->len;
  u64 long_enough = ntohs(ip->tot_len) == (u64)(end - data) - 14 && ntohs(udp->len) == (u64)(end - data) - 34;
  u64 right = chosen->check_sum == SUM_FULL_OR_PARTIAL && udp->check == fold((u64)ip->saddr + ip->daddr + pseudo);
  if (!long_enough || (!right && (!udp->check || fold(sum_to_end(data, end) + pseudo) != 0xffff))) {
    row->wrong_sum++;
    return XDP_DROP;
  }
  row->replies++;
  row->octets += end - data;
  return XDP_DROP;
}
