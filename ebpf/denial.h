/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNSSEC denial: by what the zone proves that a name does not exist.
 */
#ifndef APPLIANCE_DENIAL_H
#define APPLIANCE_DENIAL_H

/* NSEC: find all proofs at once. NSEC3: prepare the hash; returns HASH_FIRST. */
static inline s64 begin_proof(struct query *q)
{
  u8 *p = heap_at(q->lookup.node), *answer = heap_at(q->select.answer);
  search_proofs(q);
  if (!p || !answer)
    return PASS_denial;
  struct node *n = (void *)p;
  struct answer *a = (void *)answer;
  if (n->flags & NODE_CUT)
    return PASS_denial;
  if (a->denial == DENIAL_NXDOMAIN && a->kind == ANSWER_cname)
    return PASS_denial; /* an alias chain with a proof for each link: userspace follows it */
  u32 index = n->zone;
  struct zone *z = zones.lookup(&index);
  if (!z)
    return PASS_denial;
  if (z->scheme == SCHEME_NSEC)
    return prove_by_nsec(q, a, n->denial);
  if (z->scheme != SCHEME_NSEC3)
    return PASS_denial;
  return begin_hash(q, a, n->denial, z->version & 1 ? z->slot[1].denial : z->slot[0].denial);
}

#endif
