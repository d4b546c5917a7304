// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The authoritative server in the NIC path: maps, entry, table of contents.
 *
 *   lease.h     jiffies, clock           -> whether anything is answered
 *   packet.h    frame, IP, UDP           -> where the DNS header is
 *   question.h  header guard, name, EDNS -> what is asked
 *   lookup.h    hash, index, search      -> the deepest record
 *   select.h    RFC 1034 §4.3.2          -> the answer
 *   room.h      adjust_tail, adjust_head -> space for it
 *   body.h      copy, relocate           -> the sections
 *   reply.h     OPT, headers, checksums  -> XDP_TX
 *   nsec.h      NSEC, nsec3.h NSEC3      -> the fragments that prove a denial
 *   policer.h   recipient, buckets       -> whether what goes up may
 *
 * Entry is dns(); the others are stages, entered by tail call when the common case is not enough.
 *
 * Built by bcc; NBUCKETS, NCHUNKS, NZONES and NCPUS entries get their number when the maps are made, other constants when the program is
 * loaded (constants.h). The compiler's side pastes the headers in, because bcc rewrites map calls only in the main file.
 */
#include <uapi/linux/bpf.h>
#include <uapi/linux/if_ether.h>
#include <uapi/linux/in.h>
#include <uapi/linux/ip.h>
#include <uapi/linux/ipv6.h>
#include <uapi/linux/udp.h>
#include "layout.h"
#include "constants.h"
#include "verdicts.h"
#include "checksum.h"
#include "name.h"
#include "query.h"

#define BPF_F_MMAPABLE_ARRAY (1 << 10)

struct heap_chunk { u8 octets[HEAP_CHUNK]; };

enum stage { STAGE_SEARCH, STAGE_ANSWER, STAGE_LIST, STAGE_GROW_HEAD, STAGE_APPEND, STAGE_PROVE, STAGE_HASH, STAGE_POLICE };

BPF_F_TABLE("array", u32, struct ctl, ctl, 1, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct bucket, buckets, NBUCKETS, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct heap_chunk, heap, NCHUNKS, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct zone, zones, NZONES, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct counter_row, counters, NCPUS, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct service, services, SERVICE_SLOTS, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct port, ports, PORT_SLOTS, BPF_F_MMAPABLE_ARRAY);
BPF_F_TABLE("array", u32, struct vlan, vlans, VLAN_SLOTS, BPF_F_MMAPABLE_ARRAY);
BPF_PERCPU_ARRAY(scratch, struct query, 1);
BPF_PROG_ARRAY(stages, 16);

#include "verdict.h"
#include "lease.h"
#include "packet.h"
#include "question.h"
#include "lookup.h"
#include "select.h"
#include "body.h"
#include "reply.h"
#include "room.h"
#include "nsec.h"
#include "sha1.h"
#include "nsec3.h"
#include "policer.h"

/* From the record to the answer. A zone version that flipped during the lookup sends the packet up. */
static inline s64 choose(struct query *q, struct ctl *c, struct found *found)
{
  volatile u32 *flips = &c->flips;
  s64 verdict = select_answer(q, found);
  return q->lookup.flips & 1 || q->lookup.flips != *flips ? PASS_flip : verdict;
}

/* From the answer to the reply; `verdict` is GO_ON with q->select.answer set, or the kind of an error reply. */
static inline s64 respond(struct xdp_md *ctx, struct query *q, struct ctl *c, s64 verdict)
{
  if (is_answer(verdict)) {
    if (q->packet.source_port < SERVICE_PORTS)
      return leave(ctx, q, c, DROP_service_error);
    q->select.answer = builtin_answer(c, verdict);
  }
  FORGET();
  verdict = reply(ctx, q);
  if (verdict == MANY_FRAGMENTS)
    stages.call(ctx, STAGE_LIST);
  if (verdict == UNPROVED) {
    stages.call(ctx, STAGE_PROVE);
    verdict = PASS_denial;
  }
  if (verdict == NO_ROOM)
    stages.call(ctx, STAGE_GROW_HEAD);
  return leave(ctx, q, c, verdict < 0 ? PASS_room : verdict);
}

/*
 * From the message to a question whose lookup has begun. The order is that of waiting: the index line that the name
 * needs is asked for as early as it is known, and comes while checksum, type and EDNS are looked at.
 */
static inline s64 parse_question(struct xdp_md *ctx, struct query *q, struct ctl *c, struct probe *first)
{
  u64 additional = 0;
  q->question.len = 0;
  q->edns.octets = 0;
  q->edns.dnssec_ok = 0;
  q->edns.limit = 512;
  q->proof.state = 0;
  if (q->packet.message_len > MESSAGE_MAX)
    return PASS_query_length;
  s64 verdict = read_message(ctx, q);
  if (verdict != GO_ON)
    return verdict;
  verdict = parse_header(q, c, &additional);
  if (verdict == GO_ON)
    verdict = walk_name(q);
  FORGET();
  if (verdict == GO_ON)
    begin_lookup(q, c, first);
  FORGET();
  if (q->packet.verify && !udp_is_whole(q))
    return DROP_udp_checksum;
  return verdict == GO_ON ? parse_tail(q, additional) : verdict;
}

/* The whole way of an ordinary query. */
int dns(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  if (!c->serving)
    return leave(ctx, q, c, PASS_not_serving);
  if (lease_is_over(q, c))
    return leave(ctx, q, c, PASS_lease);
  struct probe first = {};
  s64 verdict = parse_packet(ctx, q);
  FORGET();
  if (verdict == GO_ON)
    verdict = parse_question(ctx, q, c, &first);
  if (verdict == GO_ON) {
    struct found found = {};
    if (!find_at_hint(q, c, &first, &found)) {
      begin_search(q, c);
      stages.call(ctx, STAGE_SEARCH);
      return leave(ctx, q, c, PASS_depth);
    }
    FORGET();
    verdict = choose(q, c, &found);
  }
  if (verdict != GO_ON && !is_answer(verdict))
    return leave(ctx, q, c, verdict);
  return respond(ctx, q, c, verdict);
}

/* Names that the first probe did not decide: one step for each tail call. */
int search(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  if (search_step(q))
    stages.call(ctx, STAGE_ANSWER);
  else
    stages.call(ctx, STAGE_SEARCH);
  return leave(ctx, q, c, PASS_depth);
}

int answer(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  struct found found = {};
  s64 verdict = choose(q, c, &found);
  if (verdict != GO_ON && !is_answer(verdict))
    return leave(ctx, q, c, verdict);
  return respond(ctx, q, c, verdict);
}

/* Write the next two fragments, or what there is; then the rest by tail call, or headers and checksums. */
static inline s64 write_on(struct xdp_md *ctx, struct query *q, struct ctl *c)
{
#pragma unroll
  for (int i = 0; i < 2; i++) {
    FORGET();
    if (q->body.written < q->shape.fragments) {
      s64 verdict = append_fragment(ctx, q);
      if (verdict != GO_ON)
        return leave(ctx, q, c, verdict);
    }
  }
  FORGET();
  if (q->body.written < q->shape.fragments) {
    stages.call(ctx, STAGE_APPEND);
    return leave(ctx, q, c, DROP_internal);
  }
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  return leave(ctx, q, c, finish_reply(data, end, q, &q->shape, q->body.sum));
}

/* Answers of several fragments (signed ones, mostly): make room, then two fragments for each tail call. */
static inline s64 write_list(struct xdp_md *ctx, struct query *q, struct ctl *c)
{
  s64 verdict = begin_list(ctx, q);
  if (verdict == GO_ON)
    return write_on(ctx, q, c);
  if (verdict == NO_ROOM)
    stages.call(ctx, STAGE_GROW_HEAD);
  return leave(ctx, q, c, verdict < 0 ? PASS_room : verdict);
}

int list(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  return write_list(ctx, q, c);
}

/* The proof stands or not: answer with it. A zone version that flipped meanwhile sends the packet up. */
static inline s64 answer_with_proof(struct xdp_md *ctx, struct query *q, struct ctl *c, s64 verdict)
{
  volatile u32 *flips = &c->flips;
  FORGET();
  if (q->lookup.flips != *flips)
    verdict = PASS_flip;
  return verdict == GO_ON ? write_list(ctx, q, c) : leave(ctx, q, c, verdict);
}

/* DNSSEC denial: find the proof, then answer with it. */
int prove(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  q->verdict = begin_proof(q);
  FORGET();
  s64 verdict = q->verdict;
  if (verdict == HASH_FIRST) {
    stages.call(ctx, STAGE_HASH);
    verdict = PASS_denial;
  }
  return answer_with_proof(ctx, q, c, verdict);
}

/* The next closer name's NSEC3 hash; once it is there, which NSEC3 covers it, and the reply. */
int hash(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  u8 *p = heap_at(q->nsec3.table);
  if (!p)
    return leave(ctx, q, c, PASS_denial);
  if (!digest_step(q, (void *)p)) {
    stages.call(ctx, STAGE_HASH);
    return leave(ctx, q, c, PASS_denial);
  }
  FORGET();
  u8 *answer = heap_at(q->select.answer);
  s64 verdict = answer ? prove_by_nsec3(q, (void *)answer) : PASS_denial;
  return answer_with_proof(ctx, q, c, verdict);
}

/* The frame has no tail room: move the headers down instead. */
int grow_head(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  s64 verdict = begin_with_head_room(ctx, q);
  if (verdict != GO_ON)
    return leave(ctx, q, c, verdict);
  stages.call(ctx, STAGE_APPEND);
  return leave(ctx, q, c, DROP_internal);
}

int append(struct xdp_md *ctx)
{
  u32 zero = 0;
  struct query *q = scratch.lookup(&zero);
  struct ctl *c = ctl.lookup(&zero);
  if (!q || !c)
    return XDP_PASS;
  return write_on(ctx, q, c);
}
