/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the deepest node to the answer: RFC 1034 §4.3.2 steps 3a to 3c on precompiled answers (docs/store-format.md,
 * "How a question is answered").
 */
#ifndef APPLIANCE_SELECT_H
#define APPLIANCE_SELECT_H

#define TYPES_MAX 128

/* Reference of the answer for the asked type, 0 when the type is not at this node. */
static inline u64 find_type(u8 *node, u64 qtype, u64 dnssec_ok)
{
  struct node *n = (void *)node;
  u64 table = name_offset(n) + ((n->name_len + 7) & 0x1f8);
  u64 types = n->ntypes, i = 0;
  u8 *p = node + table;
  for (;;) {
    OPAQUE(i);
    if (i >= types || i >= TYPES_MAX)
      break;
    u64 o = i * sizeof(struct type_entry);
    MASK(o, 0x7ff);
    struct type_entry *t = (void *)(p + o);
    if (t->type == qtype || qtype == TYPE_ANY)
      return dnssec_ok && t->answer[1] ? t->answer[1] : t->answer[0];
    i++;
  }
  return 0;
}

/* RFC 4035 §3.1.4.1: DS at an apex belongs to the parent. The cut's node is linked behind the apex's. */
static inline u64 parent_cut(struct query *q, u64 ref)
{
  for (u32 hop = 0; hop < CHAIN_MAX; hop++) {
    u8 *p = heap_at(ref);
    if (!p)
      return 0;
    struct node *n = (void *)p;
    if (n->flags & NODE_CUT && matching_zone(q, p, q->lookup.depth))
      return ref;
    ref = n->next;
    if (!ref)
      return 0;
  }
  return 0;
}

static inline s64 answer_at_node(struct query *q, u8 *p, struct zone *z)
{
  struct node *n = (void *)p;
  u64 dnssec_ok = q->edns.dnssec_ok;
  if (n->ntypes > TYPES_MAX)
    return PASS_type_table;
  if ((n->flags & (NODE_DNAME | NODE_FILLER)) == (NODE_DNAME | NODE_FILLER))
    return PASS_dname_synthesis;
  u64 ref = find_type(p, q->question.type, dnssec_ok);
  if (!ref && dnssec_ok)
    ref = n->other[1];
  if (!ref && (!dnssec_ok || n->flags & NODE_CNAME))
    ref = n->other[0];
  if (!ref)
    ref = zone_nodata(z, dnssec_ok);
  q->select.answer = ref;
  return GO_ON;
}

static inline s64 zone_is_served(struct zone *z)
{
  if (z->state != ZONE_SERVING)
    return 0;
  return !z->expiry_ns || bpf_ktime_get_boot_ns() < z->expiry_ns;
}

static inline s64 answer_below_node(struct query *q, struct node *n, struct zone *z)
{
  if (n->flags & NODE_DNAME)
    return PASS_dname_synthesis;
  if (n->wildcard) {
    u8 *p = heap_at(n->wildcard);
    return p ? answer_at_node(q, p, z) : PASS_flip;
  }
  q->select.answer = zone_nxdomain(z, q->edns.dnssec_ok);
  return GO_ON;
}

static inline s64 node_at(u64 ref, struct found *found)
{
  found->node = heap_at(ref);
  if (!found->node)
    return 0;
  u32 index = ((struct node *)found->node)->zone;
  found->zone = zones.lookup(&index);
  return found->zone != 0;
}

/* The answer that proves that an insecure cut has no DS, where a composed referral needs it; else 0. */
static inline u8 *proofs_at_cut(u64 ref)
{
  u8 *p = ref ? heap_at(ref) : 0;
  return p && ((struct answer *)p)->kind == ANSWER_nodata && ((struct answer *)p)->nfrag > 1 ? p : 0;
}

/* The referral with DO: an answer of its own, or the referral without DO followed by what the answer for DS lists, without its SOA. */
static inline s64 refer_signed(struct query *q, struct node *n)
{
  u8 *p = heap_at(n->other[1]);
  u64 kind = p ? ((struct answer *)p)->kind : 0, pieces = p ? ((struct answer *)p)->nfrag : 0;
  s64 verdict = GO_ON;
  q->select.answer = n->other[1];
  if (kind == ANSWER_nodata && pieces > 1)
    verdict = take_proofs(q, p);
  else if (kind == ANSWER_positive && pieces == DS_PIECES)
    verdict = take_ds(q, p);
  else
    return GO_ON;
  q->select.answer = n->other[0];
  return verdict;
}

static inline s64 answer_at_cut(struct query *q, u8 *p, struct zone *z, u64 asks_ds)
{
  struct node *n = (void *)p;
  u64 dnssec_ok = q->edns.dnssec_ok;
  if (!asks_ds) {
    if (dnssec_ok && n->other[1])
      return refer_signed(q, n);
    q->select.answer = n->other[0];
    return GO_ON;
  }
  u64 ref = find_type(p, TYPE_DS, dnssec_ok);
  if (!ref && dnssec_ok && proofs_at_cut(n->other[1]))
    ref = n->other[1];
  q->select.answer = ref ? ref : zone_nodata(z, dnssec_ok);
  return GO_ON;
}

/* Sets q->select.answer, or returns the verdict. */
static inline s64 select_answer(struct query *q, struct found *found)
{
  u64 ref = q->lookup.node, exact = q->lookup.depth == q->question.labels;
  if (!ref)
    return ANSWER_refused;
  if (!found->node && !node_at(ref, found))
    return PASS_flip;
  u8 *p = found->node;
  struct zone *z = found->zone;
  struct node *n = (void *)p;
  if (n->flags & NODE_OUTSIDE)
    return ANSWER_refused;
  if (exact && (n->flags & NODE_APEX) && q->question.type == TYPE_DS) {
    u64 cut = parent_cut(q, ref);
    if (!cut && q->question.labels)
      return PASS_query_type; /* the parent zone may be served without a cut here: rare, userspace looks */
    if (cut) {
      if (!node_at(cut, found))
        return PASS_flip;
      p = found->node;
      z = found->zone;
      n = (void *)p;
    }
  }
  if (!zone_is_served(z))
    return ANSWER_servfail;
  if (q->edns.dnssec_ok)
    q->select.soa = zone_soa(z);
  if (n->flags & NODE_CUT)
    return answer_at_cut(q, p, z, exact && q->question.type == TYPE_DS && !(n->flags & NODE_FILLER));
  return exact ? answer_at_node(q, p, z) : answer_below_node(q, n, z);
}

/* The bodies of error replies are answers too, made when the store is. */
static inline u64 builtin_answer(struct ctl *c, s64 verdict)
{
  switch (verdict) {
  case ANSWER_refused: return c->refused;
  case ANSWER_servfail: return c->servfail;
  case ANSWER_notimp: return c->notimp;
  case ANSWER_badvers: return c->badvers;
  default: return c->formerr;
  }
}

static inline void select_builtin(struct query *q, struct ctl *c, s64 verdict)
{
  q->select.answer = builtin_answer(c, verdict);
}

#endif
