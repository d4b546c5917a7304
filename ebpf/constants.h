/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Numbers that are known only when the program is loaded. The compiler sees marks in their place, opaque to it, and the loader writes the
 * numbers into the instructions: no compiler is needed for another size or port, and they cost what compiled constants would.
 *
 * Use the functions, never the marks: what the compiler makes of a bare mark need not be the mark any more. The marks are also in
 * appliance/datapath/program.py (tests/unit/datapath/test_program.py compares them). A build that defines them itself has its numbers
 * compiled in.
 */
#ifndef APPLIANCE_CONSTANTS_H
#define APPLIANCE_CONSTANTS_H

#ifndef MARK_BUCKET_SHIFT
#define MARK_BUCKET_SHIFT 0x5a1d0001
#define MARK_BUCKET_MASK 0x5a1d0002
#define MARK_DNS_PORT 0x5a1d0003
#define MARK_EDNS_SIZE 0x5a1d0004
#define MARK_OPT_HEAD 0x5a1d00055a1d0005LL
#define MARK_SERVICE_SEED 0x5a1d00065a1d0006LL
#endif

/* Number of the bucket that a hash belongs to: its upper bits. */
static inline u64 bucket_of(u64 hash)
{
  asm("%0 >>= %1" : "+r"(hash) : "i"(MARK_BUCKET_SHIFT));
  return hash;
}

/* As many bits of a tag as a bucket's number has. */
static inline u64 bucket_bits(u64 tag)
{
  asm("%0 &= %1" : "+r"(tag) : "i"(MARK_BUCKET_MASK));
  return tag;
}

/* Is this, as it stands in the packet, the port that we serve? */
static inline s64 is_dns_port(u64 port)
{
  asm volatile("" : "+r"(port));
  return port == MARK_DNS_PORT;
}

/* The largest reply that we offer to send over UDP. */
static inline u64 edns_size(void)
{
  u64 size;
  asm("%0 = %1" : "=r"(size) : "i"(MARK_EDNS_SIZE));
  return size;
}

/* The first octets of our OPT record: root name, type, class. */
static inline u64 opt_head(void)
{
  u64 head;
  asm("%0 = %1 ll" : "=r"(head) : "i"(MARK_OPT_HEAD));
  return head;
}

/* The seed under which each of our addresses has a slot of its own. */
static inline u64 service_seed(void)
{
  u64 seed;
  asm("%0 = %1 ll" : "=r"(seed) : "i"(MARK_SERVICE_SEED));
  return seed;
}

#endif
