/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is known of the packet at hand. It lives in a per-CPU scratch entry, because the stack is small and because values read back from
 * there are unknown to the verifier, which keeps it from following every combination of earlier branches.
 *
 * Each part belongs to the header of its name, which alone writes it. Numbers are 64 bits wide: bcc's target has no 32-bit registers, and
 * narrower ones would be cut with two shifts wherever something is added to them.
 */
#ifndef APPLIANCE_QUERY_H
#define APPLIANCE_QUERY_H

#define MESSAGE_MASK 1023
#define MESSAGE_MAX 524 /* longest query that is read: 512 octets behind the header */
#define LABELS_MAX 128
#define NAME_MAX 255
#define PROOFS_MAX 4

struct query {
  struct { /* the DNS message as it came; offsets into it need no addition where it comes first */
    u8 octets[MESSAGE_MASK + 9];
    u64 sum;
  } message;
  struct { /* not of the packet: the last look at the clock */
    u64 tick, until; /* when it was, and of which lease */
    u64 over;        /* what it told */
  } lease;
  struct { /* offsets count from the frame's first octet */
    u64 l3, l4;                 /* IP and UDP header */
    u64 frame_len, message_len; /* whole frame; DNS message */
    u64 ipv6, verify;           /* flags: family; check the query's checksums */
    u64 client, source_port;    /* the sender's IPv4 address, or the upper half of its IPv6 one, as it stands in the packet; its port */
    u64 services;               /* of the port's row */
    u64 fixed_sum, udp_sum;     /* of addresses, protocol number and ports; of the UDP header's length (twice) and checksum */
  } packet;
  struct {
    u64 len, sum;              /* of the question to echo; len 0: the reply is a bare header */
    u64 type, name_len;        /* name_len: octets of the question name */
    u64 labels;
    u16 label[LABELS_MAX + 1]; /* offset of label i, from the left; label[labels] is the root's */
  } question;
  struct {
    u64 present, dnssec_ok; /* of the query's OPT */
    u64 limit;              /* octets of the longest reply that the client takes */
  } edns;
  struct {
    u64 flips;                      /* of the store when the lookup began */
    u64 node, depth;                /* deepest node and its depth; before it is found, depth: labels that are worth looking up */
    u64 low, high, probe, probes;   /* depths between which the search goes on; its next one; how many there were */
    u64 hash[LABELS_MAX + 1];       /* hash[d]: of the rightmost d labels */
  } lookup;
  struct {
    u64 answer; /* chosen */
    u64 soa;    /* fragment that an answer means by piece 0 */
  } select;
  struct {
    u64 state;               /* enum proof_state */
    u64 count, len, records; /* fragments that prove, their octets and records */
    u32 refs[PROOFS_MAX];
  } proof;
  struct {
    u64 first, last;           /* bounds of the search among the children */
    u64 label_len, stored_len; /* of the labels that are compared */
  } nsec;
  struct {
    u64 slot, upwards;       /* where the hash is looked for; which way: 1 down, 2 up */
    u64 cover;               /* the last fragment met that may cover it */
    u64 material, table;     /* what is known of the closest encloser; hashes of the zone */
    u64 name_len;            /* octets of the name that is hashed */
    u64 blocks, steps, step; /* blocks of the name, with those of the iterations, done */
    u32 digest[5], pad;
    u8 input[512 + 48];      /* what SHA-1 reads: name or digest, salt, padding */
  } nsec3;
  struct shape { /* of the reply: sections and sizes */
    u64 body, question;      /* octets */
    u64 opt, options;        /* octets of the OPT record, 0 for none, and of the options in it */
    u64 head;                /* flags, an, ns, ar of 16 bits each, from the lowest up, in host order, as in struct answer */
    u64 fragments, insert, listed, extended; /* pieces in all; where proofs go in; pieces of the answer itself */
    s64 kind;
  } shape;                   /* of a reply that is written in several stages */
  struct {
    u64 written, len, sum; /* fragments so far, their octets and sum */
  } body;
  struct {
    u64 at, next, fragment; /* a walk through extension headers: offset in the frame, number of what is there, seen a fragment */
    u64 network;            /* the sender's, as the policer tells networks apart */
  } recipient;
  s64 verdict; /* what one stage hands on to another */
};
#endif
