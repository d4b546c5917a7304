/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses: which are ours, and which are no host that may be answered.
 */
#ifndef APPLIANCE_ADDRESS_H
#define APPLIANCE_ADDRESS_H

static inline u64 service_hash(u64 high, u64 low)
{
  return (high ^ low) * service_seed();
}

/* What is known of an address, 0 if nothing is. */
static inline u64 service_kind(u64 high, u64 low)
{
  u32 slot = service_hash(high, low) >> 56;
  struct service *s = services.lookup(&slot);
  return s && LOAD8(s, 0) == high && LOAD8(s, 8) == low ? s->kind : 0;
}

/* An unused slot holds ::, which as a source is as wrong as what is in the table: one of ours, or a broadcast address. */
static inline s64 is_listed(u64 high, u64 low)
{
  u32 slot = service_hash(high, low) >> 56;
  struct service *s = services.lookup(&slot);
  return s && LOAD8(s, 0) == high && LOAD8(s, 8) == low;
}

/* Hardly any source looks like an address of the table, so that few are looked up. */
static inline s64 may_be_listed(struct query *q, u64 high, u64 low)
{
  return q->packet.services >> (service_hash(high, low) >> 59) & 1;
}

/* The lower half of an IPv4 address written as ::ffff:a.b.c.d. */
static inline u64 mapped(u64 address)
{
  return address << 32 | 0xffff0000;
}

/* The sender's network, as limits tell networks apart: the first 24 bits of an IPv4 address, 56 of an IPv6 one. */
static inline u64 network4(u64 address)
{
  return address & 0xffffff;
}

static inline u64 network6(u64 high)
{
  return high << 8;
}

#endif
