/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every way out of the XDP program, by name. This is the only list: the program counts by these numbers and
 * `appliance/datapath/verdicts.py` reads this file. X(name, "what happened").
 *
 * ANSWER_KINDS doubles as `answer.kind` in the store (and as the rate-limit class); their numbers are stored in saved
 * images, so append, never reorder.
 */
#ifndef APPLIANCE_VERDICTS_H
#define APPLIANCE_VERDICTS_H

#define ANSWER_KINDS(X)                                                                                                  \
  X(positive, "an RRset of the asked type")                                                                              \
  X(referral, "a delegation point")                                                                                      \
  X(nxdomain, "no such name")                                                                                            \
  X(nodata, "the name exists, the type does not")                                                                        \
  X(wildcard, "synthesised from a wildcard")                                                                             \
  X(cname, "a CNAME, with what its alias chain leads to")                                                                      \
  X(any, "one RRset for type ANY (RFC 8482)")                                                                            \
  X(dnskey, "a DNSKEY RRset")                                                                                            \
  X(refused, "no zone for this name")                                                                                    \
  X(servfail, "the zone is expired or not loaded yet")                                                                   \
  X(formerr, "the query is malformed")                                                                                   \
  X(notimp, "an opcode that is not served")                                                                              \
  X(badvers, "an EDNS version above 0")                                                                                  \
  X(truncated, "too long for the client: TC=1")                                                                          \
  X(dname, "a DNAME, alone or with its synthesised CNAME")

/* Passed up without limit: no socket of ours hears of it, the kernel limits it itself, or nothing is answered here at all. */
#define FREE_REASONS(X)                                                                                                  \
  X(not_ip, "neither IPv4 nor IPv6, or more than two VLAN tags")                                                         \
  X(not_udp, "a protocol other than UDP and TCP: ICMP, neighbour discovery")                                             \
  X(tcp, "TCP")                                                                                                          \
  X(other_port, "UDP to another port")                                                                                   \
  X(not_serving, "answering is switched off")                                                                            \
  X(lease, "the control process has not renewed the lease: nothing is answered here any more")

/* What is for our addresses and port among these is limited (policer.h), and then counted as policed_ with the same name. */
#define LIMITED_REASONS(X)                                                                                               \
  X(unknown_vlan, "VLAN tags that no device of the host has")                                                            \
  X(other_mac, "the frame is not addressed to this interface")                                                           \
  X(ip_options, "IPv4 header with options")                                                                              \
  X(ip_fragment, "a fragment of an IP packet")                                                                           \
  X(ipv6_extension, "IPv6 extension headers")                                                                            \
  X(other_address, "not one of the service addresses")                                                                   \
  X(ip_length, "lengths of frame, IP and UDP disagree")                                                                  \
  X(opcode, "an opcode that userspace handles (NOTIFY)")                                                                 \
  X(header_counts, "record counts other than one question and at most one additional record")                            \
  X(query_length, "longer than the program reads")                                                                       \
  X(query_class, "class other than IN")                                                                                  \
  X(query_type, "AXFR, IXFR or another type that userspace handles")                                                     \
  X(additional, "an additional record that is not OPT (TSIG, SIG(0))")                                                   \
  X(edns_option, "an EDNS option that must be acted on, or too many")                                                    \
  X(depth, "more labels in the store than the program walks")                                                            \
  X(denial, "a DNSSEC proof beyond the program: many NSEC3 iterations, a long salt, a chain of very many proofs")        \
  X(dname_synthesis, "a name below a DNAME")                                                                             \
  X(type_table, "more types at this name than the program looks through")                                                \
  X(flip, "a zone version changed during the lookup")                                                                    \
  X(room, "the driver gives no room for the answer")

#define DROP_REASONS(X)                                                                                                  \
  X(runt, "shorter than a DNS header")                                                                                   \
  X(response, "a response (QR=1)")                                                                                       \
  X(source_port, "source port 0 or of a service that answers anything")                                                  \
  X(source_address, "a source that is no unicast address (a network's broadcast address too), or our own")               \
  X(service_error, "an error reply to a port below 1024, never sent")                                                    \
  X(ip_checksum, "IPv4 header checksum wrong")                                                                           \
  X(udp_checksum, "UDP checksum wrong, or missing over IPv6")                                                            \
  X(internal, "a write failed after room was made")

#endif
