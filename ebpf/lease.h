/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How long the program may answer without anybody to look after it.
 */
#ifndef APPLIANCE_LEASE_H
#define APPLIANCE_LEASE_H

/*
 * Has the control process been gone for too long? The tick counter is one load, the clock a call of 8 ns. So the clock is asked only
 * when the counter or the lease has changed.
 */
static inline s64 lease_is_over(struct query *q, struct ctl *c)
{
  u64 tick = bpf_jiffies64(), until = c->lease_until;
  if (tick != q->lease.tick || until != q->lease.until) {
    q->lease.tick = tick;
    q->lease.until = until;
    q->lease.over = until && bpf_ktime_get_coarse_ns() >= until;
  }
  return q->lease.over;
}

#endif
