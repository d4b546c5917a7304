/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a client may be told, and how often. Here the kind of the answer is known, and nothing is written yet. No limit is set up so far.
 */
#ifndef APPLIANCE_LIMITS_H
#define APPLIANCE_LIMITS_H

#ifndef LIMIT_VERDICT
#define LIMIT_VERDICT GO_ON /* tests/datapath/test_limits.py builds the program with each of the others */
#endif

/* GO_ON, SLIP for an empty reply with TC=1, after which a client that is no forgery comes over TCP, or the verdict by which to leave. */
static inline s64 limit_reply(struct query *q)
{
  return LIMIT_VERDICT;
}

#endif
