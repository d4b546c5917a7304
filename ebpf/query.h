/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is known of the packet at hand. It lives in a per-CPU scratch entry, because the stack is small and because values read back from
 * there are unknown to the verifier, which keeps it from following every combination of earlier branches.
 */
#ifndef APPLIANCE_QUERY_H
#define APPLIANCE_QUERY_H

#define MESSAGE_MAX 524 /* longest query that is read: 512 octets behind the header */
#define MESSAGE_MASK 1023
#define PROOFS_MAX 4
#define LABELS_MAX 128
#define NAME_MAX 255

struct bucket_of_tokens { u64 last_ns, tokens; };

/* Sections and sizes of the reply: octets; header fields in host order. */
struct shape {
  u64 body, question, opt; /* octets */
  u64 an, ns, ar, flags;   /* header fields in host order */
  u64 fragments, insert, listed, extended; /* pieces in all; where proofs go in; pieces of the answer itself */
  u32 kind;
};

struct query {
  u8 message[MESSAGE_MASK + 9];   /* the DNS message as it came; offsets below count from its first octet */
  u64 hash[LABELS_MAX + 1];       /* hash[d]: of the rightmost d labels */
  u16 label[LABELS_MAX + 1];      /* offset of label i, from the left; label[labels] is the root's */
  u32 l3, l4;                     /* offsets of the IP and the UDP header in the frame */
  u32 frame_len, message_len;     /* whole frame; DNS message */
  u32 ipv6, service_port, verify; /* flags: family; source port below 1024; check the query's checksums */
  u32 qname_len, labels, depth;   /* depth: labels that are worth looking up */
  u32 qtype, edns, dnssec_ok, limit;
  u32 flags;                      /* the query's flags, network order */
  u32 question_len;               /* octets of the question to echo, 0 for a bare header */
  u64 address_sum;                /* of the addresses and the protocol number */
  u64 message_sum, question_sum;
  u32 flips;                      /* of the store when the lookup began */
  u32 low, high, probe, probes;   /* depths between which the search goes on; its next one */
  u32 record, answer;             /* deepest record; answer chosen */
  struct shape shape;             /* of a reply that is written in several stages */
  u64 written, body_len, body_sum; /* its fragments, octets and sum so far */
  u64 soa;                        /* fragment that an answer means by piece 0 */
  u64 proofs, proof_len, proof_records; /* fragments found for a denial, their octets and records */
  u32 proof[PROOFS_MAX], proved;
  u64 first, last;                /* bounds of a search in sorted entries */
  u64 slot, upwards;              /* where a hash is looked for; which way: 1 down, 2 up */
  u32 cover;                      /* the last fragment met that may cover it */
  u32 material, table;            /* of NSEC3 */
  u64 hash_blocks, hash_steps, hash_step; /* blocks of the name, with those of the iterations, done */
  u32 digest[5], pad;
  u8 hashed[512 + 48];            /* what SHA-1 reads: name or digest, salt, padding */
};

/* Keep the compiler from dropping a mask that only the verifier needs. */
#define MASK(x, m) asm volatile("%0 &= %1" : "+r"(x) : "i"(m))
#define OPAQUE(x) asm volatile("" : "+r"(x))
/* Read the query's fields back from memory: the verifier then forgets by which way they got their values. */
#define FORGET() asm volatile("" ::: "memory")

/* Eight octets at any address: left to itself the compiler assembles an unaligned word octet by octet. */
static inline u64 load8(void *at)
{
  u64 v;
  asm volatile("%0 = *(u64 *)(%1 + 0)" : "=r"(v) : "r"(at) : "memory");
  return v;
}

static inline void store8(void *at, u64 v)
{
  asm volatile("*(u64 *)(%0 + 0) = %1" : : "r"(at), "r"(v) : "memory");
}

static inline u8 octet(struct query *q, u64 offset)
{
  MASK(offset, MESSAGE_MASK);
  return q->message[offset];
}

static inline u64 word(struct query *q, u64 offset)
{
  MASK(offset, MESSAGE_MASK);
  return load8(&q->message[offset]);
}

#endif
