// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The authoritative server in the NIC path: maps, entry, table of contents.
 *
 *   verdict.h    every way out             -> a number and a counter
 *   stage.h      what tail calls lead to   -> STAGE(name)
 *   leave.h      the end of every way      -> XDP_TX, XDP_PASS, XDP_DROP, or the policer first
 *   lease.h      jiffies, clock            -> whether anything is answered
 *   address.h    table of addresses        -> which are ours, which networks differ
 *   packet.h     frame, VLAN, IP, UDP      -> where the DNS header is, who asks
 *   message.h    octets and their sum      -> the message in scratch memory
 *   edns.h       OPT, read and written     -> sizes, DO
 *   question.h   header guard, name, type  -> what is asked
 *   store.h      references                -> places in the heap
 *   index.h      two buckets a name        -> the nodes linked under it
 *   lookup.h     hash, search by depth     -> the deepest node
 *   proof.h      list of fragments         -> what proves a denial
 *   select.h     RFC 1034 §4.3.2           -> the answer
 *   limits.h     who asks, how often       -> whether it may be told
 *   shape.h      the variant that fits     -> sections and sizes
 *   room.h       adjust_tail, adjust_head  -> space for it
 *   body.h       copy, relocate            -> the sections
 *   headers.h    addresses, checksums      -> the frame turned round
 *   reply.h      shape, room, body, OPT    -> the reply
 *   nsec.h       children of a name        -> NSEC proofs
 *   sha1.h       RFC 3174                  -> a digest
 *   nsec3.h      hash of the next closer   -> NSEC3 proofs
 *   denial.h     the zone's scheme         -> one of both
 *   recipient.h  frame once more           -> who hears what goes up
 *   policer.h    buckets of tokens         -> whether it may
 *
 * They are in this order, and each uses only those before it. Under them lie layout.h (octets of the store), constants.h (numbers that the
 * loader knows), verdicts.h (names of the ways out), verifier.h, octets.h, checksum.h, name.h (arithmetic) and query.h (what is known of
 * the packet, in parts that belong to the headers of the same name).
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
#include "verifier.h"
#include "octets.h"
#include "checksum.h"
#include "name.h"
#include "query.h"

#define BPF_F_MMAPABLE_ARRAY (1 << 10)

struct heap_chunk { u8 octets[HEAP_CHUNK]; };

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
#include "stage.h"
#include "leave.h"
#include "lease.h"
#include "address.h"
#include "packet.h"
#include "message.h"
#include "edns.h"
#include "question.h"
#include "store.h"
#include "index.h"
#include "lookup.h"
#include "proof.h"
#include "select.h"
#include "limits.h"
#include "shape.h"
#include "room.h"
#include "body.h"
#include "headers.h"
#include "reply.h"
#include "nsec.h"
#include "sha1.h"
#include "nsec3.h"
#include "denial.h"
#include "recipient.h"
#include "policer.h"

/* From the node to the answer. A zone version that flipped during the lookup sends the packet up. */
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
    select_builtin(q, c, verdict);
  }
  verdict = limit_reply(q);
  if (verdict == SLIP)
    take_no_records(q);
  else if (verdict != GO_ON)
    return leave(ctx, q, c, verdict);
  FORGET();
  verdict = reply(ctx, q);
  if (verdict == MANY_FRAGMENTS)
    stages.call(ctx, STAGE_list);
  if (verdict == UNPROVED) {
    stages.call(ctx, STAGE_prove);
    verdict = PASS_denial;
  }
  if (verdict == NO_ROOM)
    stages.call(ctx, STAGE_grow_head);
  return leave(ctx, q, c, verdict < 0 ? PASS_room : verdict);
}

/*
 * From the message to a question whose lookup has begun. The order is that of waiting: the index line that the name
 * needs is asked for as early as it is known, and comes while checksum, type and EDNS are looked at.
 */
static inline s64 parse_question(struct xdp_md *ctx, struct query *q, struct ctl *c, struct probe *first)
{
  u64 additional = 0;
  begin_question(q);
  begin_edns(q);
  begin_proofs(q);
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

/* The whole way of an ordinary query. Begun by STAGE() it would take 25 instructions more. */
int dns(struct xdp_md *ctx)
{
  struct query *q;
  struct ctl *c;
  if (!find_state(&q, &c))
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
      stages.call(ctx, STAGE_search);
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
STAGE(search)
{
  if (search_step(q))
    stages.call(ctx, STAGE_answer);
  else
    stages.call(ctx, STAGE_search);
  return leave(ctx, q, c, PASS_depth);
}

STAGE(answer)
{
  struct found found = {};
  s64 verdict = choose(q, c, &found);
  if (verdict != GO_ON && !is_answer(verdict))
    return leave(ctx, q, c, verdict);
  return respond(ctx, q, c, verdict);
}

STAGE(list)
{
  return write_list(ctx, q, c);
}

/* From a search that has ended to the reply. A zone version that flipped during the search sends the packet up. */
static inline s64 answer_with_proof(struct xdp_md *ctx, struct query *q, struct ctl *c, s64 verdict)
{
  volatile u32 *flips = &c->flips;
  FORGET();
  if (q->lookup.flips != *flips)
    verdict = PASS_flip;
  return verdict == GO_ON ? write_list(ctx, q, c) : leave(ctx, q, c, verdict);
}

/* DNSSEC denial: find the proof, then answer with it. */
STAGE(prove)
{
  q->verdict = begin_proof(q);
  FORGET();
  s64 verdict = q->verdict;
  if (verdict == HASH_FIRST) {
    stages.call(ctx, STAGE_hash);
    verdict = PASS_denial;
  }
  return answer_with_proof(ctx, q, c, verdict);
}

/* The next closer name's NSEC3 hash; once it is there, which NSEC3 covers it, and the reply. */
STAGE(hash)
{
  u8 *p = heap_at(q->nsec3.table);
  if (!p)
    return leave(ctx, q, c, PASS_denial);
  if (!digest_step(q, (void *)p)) {
    stages.call(ctx, STAGE_hash);
    return leave(ctx, q, c, PASS_denial);
  }
  FORGET();
  u8 *answer = heap_at(q->select.answer);
  s64 verdict = answer ? prove_by_nsec3(q, (void *)answer) : PASS_denial;
  return answer_with_proof(ctx, q, c, verdict);
}

/* The frame has no tail room: move the headers down instead. */
STAGE(grow_head)
{
  s64 verdict = begin_with_head_room(ctx, q);
  if (verdict != GO_ON)
    return leave(ctx, q, c, verdict);
  stages.call(ctx, STAGE_append);
  return leave(ctx, q, c, DROP_internal);
}

STAGE(append)
{
  return write_on(ctx, q, c);
}

/* The last stage of what may only go up at a limited rate. */
STAGE(police)
{
  s64 verdict = q->verdict;
  u64 to = recipient(ctx, q);
  FORGET();
  if (to != RECIPIENT_OTHER && !may_pass(c, q, to))
    verdict += POLICED;
  count(verdict);
  return verdict >= DROP_BASE ? XDP_DROP : XDP_PASS;
}
