/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the frame to the DNS header: Ethernet with 0 to 2 VLAN tags, IPv4 or IPv6, UDP. Reads only.
 */
#ifndef APPLIANCE_PACKET_H
#define APPLIANCE_PACKET_H

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define UDP_HEADER 8
#define DNS_HEADER 12
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define SERVICE_PORTS 1024 /* below it no client asks; an error reply to such a source could start a loop */

/* Frame offset of what follows the DNS header. */
static inline u64 body_offset(struct query *q)
{
  return q->packet.l4 + UDP_HEADER + DNS_HEADER;
}

/* Services that answer whatever arrives; a reply to one of them could start a loop. */
static inline s64 reflects(u64 port)
{
  if (port >= SERVICE_PORTS && port != 1900 && port != 11211)
    return 0;
  return port == 7 || port == 13 || port == 17 || port == 19 || port == 37 || port == 69 || port == 123 || port == 1900 ||
         port == 11211;
}

/* Does a device of the host take what comes in with these tags? Where none does, the kernel drops it. */
static inline s64 is_known_vlan(u64 ifindex, u64 tags)
{
  u64 key = ifindex | tags << 32, first = key * HASH_MULTIPLIER >> 52;
#pragma unroll
  for (int i = 0; i < VLAN_PROBES; i++) {
    u32 slot = (first + i) & (VLAN_SLOTS - 1);
    struct vlan *v = vlans.lookup(&slot);
    u64 found = v ? LOAD8(v, 0) : 0;
    if (found == key)
      return 1;
    if (!found)
      return 0;
  }
  return 0;
}

/* A tag of VLAN 0 only says how urgent a frame is: what follows it counts. */
static inline u64 add_tag(u64 tags, u64 protocol, u64 control)
{
  u64 id = ntohs(control) & 0xfff;
  if (!id)
    return tags;
  return tags << 16 | VLAN_TAG | (protocol == htons(ETH_P_8021AD) ? VLAN_SERVICE : 0) | id;
}

/* A place in the frame, from which on its headers are taken one after the other. */
struct cursor {
  void *data, *end;
  u64 at;
};

static inline struct cursor cursor_at(struct xdp_md *ctx, u64 at)
{
  return (struct cursor){ (void *)(long)ctx->data, (void *)(long)ctx->data_end, at };
}

/* The next `octets` of the frame, behind which the cursor then stands; 0 where the frame ends before. */
static inline void *take_header(struct cursor *from, u64 octets)
{
  void *header = from->data + from->at;
  if (header + octets > from->end)
    return 0;
  from->at += octets;
  return header;
}

/* Frame header: is it for this interface, and what is inside. */
static inline s64 parse_ethernet(struct xdp_md *ctx, struct query *q, u16 *ether_type)
{
  struct cursor from = cursor_at(ctx, 0);
  u64 tags = 0, ifindex = ctx->ingress_ifindex;
  u8 *mac = take_header(&from, sizeof(struct ethhdr));
  if (!mac)
    return PASS_not_ip;
  u32 slot = ifindex & (PORT_SLOTS - 1);
  struct port *p = ports.lookup(&slot);
  if (!p || p->ifindex != ifindex)
    return PASS_not_serving;
  u16 type = *(u16 *)(mac + 12);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    if (type != htons(ETH_P_8021Q) && type != htons(ETH_P_8021AD))
      break;
    u16 *tag = take_header(&from, 4);
    if (!tag)
      return PASS_not_ip;
    tags = add_tag(tags, type, tag[0]);
    type = tag[1];
  }
  q->packet.l3 = from.at;
  if (tags && !is_known_vlan(ifindex, tags))
    return PASS_unknown_vlan;
  q->packet.verify = p->flags & PORT_VERIFY_CHECKSUM;
  q->packet.services = p->services;
  q->packet.frame_len = from.end - from.data;
  *ether_type = type;
  if (*(u32 *)mac != *(u32 *)p->mac || *(u16 *)(mac + 4) != *(u16 *)(p->mac + 4))
    return PASS_other_mac;
  return mac[6] & 1 ? DROP_source_address : GO_ON;
}

static inline s64 parse_ipv4(struct cursor *from, struct query *q, u64 *ip_payload)
{
  struct iphdr *ip = take_header(from, sizeof(*ip));
  if (!ip)
    return PASS_ip_length;
  if (*(u8 *)ip != 0x45)
    return PASS_ip_options;
  if (ip->frag_off & htons(0x3fff))
    return PASS_ip_fragment;
  if (ip->protocol != IPPROTO_UDP)
    return ip->protocol == IPPROTO_TCP ? PASS_tcp : PASS_not_udp;
  u64 total = ntohs(ip->tot_len);
  *ip_payload = total - IPV4_HEADER;
  q->packet.ipv6 = 0;
  q->packet.client = ip->saddr;
  q->packet.fixed_sum = (u64)ip->saddr + ip->daddr + htons(IPPROTO_UDP);
  return GO_ON;
}

/* RFC 8200 §4, RFC 6275, RFC 7401, RFC 5533: headers that begin with the next one's number and their own length. */
static inline s64 is_extension(u64 next)
{
  return next == 0 || next == 43 || next == NEXT_AUTHENTICATION || next == 60 || next == 135 || next == 139 || next == 140;
}

static inline s64 next_header_verdict(u64 next)
{
  if (next == IPPROTO_TCP)
    return PASS_tcp;
  if (next == NEXT_FRAGMENT)
    return PASS_ip_fragment;
  return is_extension(next) ? PASS_ipv6_extension : PASS_not_udp;
}

static inline s64 parse_ipv6(struct cursor *from, struct query *q, u64 *ip_payload)
{
  struct ipv6hdr *ip = take_header(from, sizeof(*ip));
  if (!ip)
    return PASS_ip_length;
  if ((*(u8 *)ip & 0xf0) != 0x60)
    return PASS_not_ip;
  u64 next = ip->nexthdr;
  if (next != IPPROTO_UDP)
    return next_header_verdict(next);
  *ip_payload = ntohs(ip->payload_len);
  u64 *a = (u64 *)&ip->saddr;
  q->packet.ipv6 = 1;
  q->packet.client = a[0];
  q->packet.fixed_sum = sum_word(a[0]) + sum_word(a[1]) + sum_word(a[2]) + sum_word(a[3]) + htons(IPPROTO_UDP);
  return GO_ON;
}

/* RFC 1122 §3.2.1.3, RFC 4291: a source must be one unicast host: no broadcast address of our networks, and not ourselves. */
static inline s64 check_addresses(void *at, void *end, struct query *q)
{
  if (q->packet.ipv6) {
    u64 *a = (u64 *)(at + 8);
    if (at + IPV6_HEADER > end)
      return PASS_ip_length;
    if (service_kind(a[2], a[3]) != SERVICE_ANSWERED)
      return PASS_other_address;
    if ((a[0] & 0xff) == 0xff || (may_be_listed(q, a[0], a[1]) && is_listed(a[0], a[1])))
      return DROP_source_address;
    u32 third = (u32)a[1];
    if (!a[0] && (!third || third == htonl(0xffff)))
      return DROP_source_address;
    return GO_ON;
  }
  struct iphdr *ip = at;
  if (at + IPV4_HEADER > end)
    return PASS_ip_length;
  if (service_kind(0, mapped(ip->daddr)) != SERVICE_ANSWERED)
    return PASS_other_address;
  u64 source = ip->saddr, net = source & 0xff;
  if (net == 0 || net == 127 || net >= 224)
    return DROP_source_address;
  return may_be_listed(q, 0, mapped(source)) && is_listed(0, mapped(source)) ? DROP_source_address : GO_ON;
}

/* RFC 791: the sum over a whole header is all ones. */
static inline s64 ipv4_header_is_whole(void *at)
{
  u32 *w = at;
  u64 sum = (u64)w[0] + w[1] + w[2] + w[3] + w[4];
  return sums_to_ones(sum);
}

static inline s64 parse_packet(struct xdp_md *ctx, struct query *q)
{
  u16 type = 0;
  s64 verdict = parse_ethernet(ctx, q, &type);
  if (verdict != GO_ON)
    return verdict;
  FORGET();
  u64 l3 = q->packet.l3, payload = 0;
  MASK(l3, 31);
  struct cursor from = cursor_at(ctx, l3);
  void *ip = from.data + l3;
  if (type == htons(ETH_P_IP))
    verdict = parse_ipv4(&from, q, &payload);
  else if (type == htons(ETH_P_IPV6))
    verdict = parse_ipv6(&from, q, &payload);
  else
    return PASS_not_ip;
  if (verdict != GO_ON)
    return verdict;
  FORGET();
  u64 l4 = from.at;
  struct udphdr *udp = take_header(&from, sizeof(*udp));
  if (!udp)
    return PASS_ip_length;
  if (!is_dns_port(udp->dest))
    return PASS_other_port;
  verdict = check_addresses(ip, from.end, q);
  if (verdict != GO_ON)
    return verdict;
  u64 check = udp->check, length = udp->len, len = ntohs(length), ports = *(u32 *)udp;
  if (len != payload || l4 + len > q->packet.frame_len)
    return PASS_ip_length;
  if (len < UDP_HEADER + DNS_HEADER)
    return DROP_runt;
  u64 source = ntohs(udp->source);
  if (!source || reflects(source))
    return DROP_source_port;
  if (q->packet.verify && !q->packet.ipv6 && !ipv4_header_is_whole(ip))
    return DROP_ip_checksum;
  q->packet.source_port = source;
  q->packet.fixed_sum += ports;
  q->packet.udp_sum = check ? length + length + check : 0;
  q->packet.l4 = l4;
  q->packet.message_len = len - UDP_HEADER;
  return GO_ON;
}

#endif
