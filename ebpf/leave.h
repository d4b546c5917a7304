/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How the program leaves: what becomes of the packet, and whether the policer is asked before it goes up.
 */
#ifndef APPLIANCE_LEAVE_H
#define APPLIANCE_LEAVE_H

/* What may be limited has a stage of its own. No way through the program comes near the kernel's 33 tail calls, so that call is made. */
static inline s64 leave(struct xdp_md *ctx, struct query *q, struct ctl *c, s64 verdict)
{
  if (is_answer(verdict)) {
    count(verdict);
    return XDP_TX;
  }
  if (is_limited(verdict) && c->pass_rate) {
    q->verdict = verdict;
    stages.call(ctx, STAGE_police);
    verdict += POLICED;
  }
  count(verdict);
  return verdict >= DROP_BASE ? XDP_DROP : XDP_PASS;
}

#endif
