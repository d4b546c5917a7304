# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of other servers with 50 zones, keys, ACLs, templates, views and rate limits, and their zone files."""

from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers import ZoneFile, bind_lock
from tests.interop.signing import Denial, sign

COUNT = 50
SECRET = "K2tf3TRjvQkVCmJF3/Z9vA=="
PORT = 5300
SIGNED = {11: Denial(), 12: Denial(nsec3=True)}
ZONE = """$TTL {ttl}
@ IN SOA ns1 hostmaster {serial} 3600 900 1209600 300
@ NS ns1
@ NS ns2
@ MX 10 mail
ns1 A 192.0.2.1
ns2 AAAA 2001:db8::2
mail A 192.0.2.3
www 60 CNAME web
web A 192.0.2.{host}
*.wild TXT ( "any"
   "thing" )
sub NS ns.sub
sub NS ns1
ns.sub A 192.0.2.7
a.b.c TXT "below an empty non-terminal"
"""

KNOT = """server:
    rundir: "{folder}"
    pidfile: "{folder}/knot.pid"
    user: root:root
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    listen: [ "127.0.0.1@{port}" ]
    identity: "ns1.example"
    tcp-max-clients: 300
log:
  - target: stderr
    any: notice
database:
    storage: "{folder}"
control:
    listen: "{folder}/knot.sock"
mod-rrl:
  - id: default
    rate-limit: 100000
mod-queryacl:
  - id: internal
    address: [ 10.0.0.0/8 ]
key:
  - id: xfer.example
    algorithm: hmac-sha512
    secret: {secret}
remote:
  - id: first
    address: [ 127.0.0.9@5999, 127.0.0.8@5999 ]
    key: xfer.example
  - id: second
    address: 127.0.0.7@5999
remotes:
  - id: both
    remote: [ first, second ]
acl:
  - id: secondaries
    address: [ 192.0.2.0/24, 2001:db8::1-2001:db8::f ]
    key: xfer.example
    action: transfer   # a comment
  - id: updates
    key: xfer.example
    action: [ update, transfer ]
template:
  - id: default
    storage: "{folder}/zones"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    global-module: mod-rrl/default
  - id: common
    storage: "{folder}/zones"
    file: "%s.zone"
    acl: secondaries
    journal-content: none
    zonefile-sync: -1
  - id: told
    storage: "{folder}/zones"
    notify: both
    acl: [ secondaries, updates ]
    journal-content: none
    zonefile-sync: -1
include: "zones.conf"
"""


@dataclass(frozen=True)
class Case:
    """A configuration in a folder, with the command that serves it and what an import must say of it."""

    program: str
    file: Path
    command: list[str]
    zones: int
    left_out: frozenset[str]


def names() -> list[str]:
    """Return the names of the zones; that of the last one has capitals."""
    return [f"z{number:02d}.example" for number in range(COUNT - 1)] + ["Mixed.example"]


def write_zones(folder: Path, form: str, *, signed: bool = True) -> None:
    """Write the file of each zone, named after a form with {zone}; two of them signed."""
    for number, name in enumerate(names()):
        file = folder / form.format(zone=name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(ZONE.format(ttl=300 + number, serial=2026010100 + number, host=10 + number))
        if signed and number in SIGNED:
            keys = folder / f"keys-{number}"
            keys.mkdir()
            file.write_text(sign(ZoneFile(f"{name}.", file), keys, SIGNED[number]).path.read_text())


def nsd(folder: Path) -> Case:
    """Return a configuration of NSD: patterns in patterns, keys, ACLs, an included folder, rate limits."""
    write_zones(folder, "zones/{zone}.zone")
    (folder / "zones.d").mkdir()
    zones = [f'zone:\n name: "{name}"\n include-pattern: "{_kind(number)}"\n' for number, name in enumerate(names())]
    zones[6] = zones[6].replace("z06.example", "z06.example.")  # the dot is in the name of the file too
    (folder / "zones" / "z06.example.zone").rename(folder / "zones" / "z06.example..zone")
    zones[7] += " allow-query: 10.0.0.0/8 NOKEY\n"
    zones[8] += f' zonefile: "{folder}/zones/z08.example.zone"\n provide-xfr: 203.0.113.9 NOKEY\n'
    for part in range(5):
        (folder / "zones.d" / f"{part}.conf").write_text("".join(zones[part * 10 : part * 10 + 10]))
    (folder / "nsd.conf").write_text(f"""server:
 server-count: 1
 ip-address: 127.0.0.1@{PORT}
 database: ""
 username: ""
 zonesdir: "{folder}/zones"
 zonelistfile: "{folder}/zone.list"
 xfrdfile: "{folder}/xfrd.state"
 xfrdir: "{folder}"
 pidfile: "{folder}/nsd.pid"
 identity: "ns1.example"   # a comment
 tcp-count: 300 tcp-timeout: 5
 rrl-ratelimit: 0
 rrl-whitelist-ratelimit: 0
 minimal-responses: yes
 zonefiles-write: 0
remote-control: control-enable: no
key:
 name: "xfer.example"
 algorithm: hmac-sha256
 secret: "{SECRET}"
key: name: legacy algorithm: hmac-md5 secret: "{SECRET}"
pattern:
 name: "common"
 zonefile: "%s.zone"
 provide-xfr: 192.0.2.0/24 xfer.example
 provide-xfr: 2001:db8::1-2001:db8::f NOKEY
pattern:
 name: "told"
 include-pattern: "common"
 notify: 127.0.0.9@5999 xfer.example
 notify-retry: 0
 rrl-whitelist: nxdomain
include: "{folder}/zones.d/*.conf"
""")
    command = ["nsd", "-d", "-c", str(folder / "nsd.conf")]
    return Case("nsd", folder / "nsd.conf", command, COUNT - 1, frozenset({"z07.example"}))


def _kind(number: int) -> str:
    return "told" if number % 5 == 4 else "common"


def knot(folder: Path) -> Case:
    """Return a configuration of Knot DNS: templates, ACLs, modules, remotes in groups, an included file."""
    write_zones(folder, "zones/{zone}.zone")
    (folder / "zones" / "mixed.example.zone").write_text((folder / "zones" / "Mixed.example.zone").read_text())
    zones = [f"  - domain: {name}\n    template: {_kind(number)}\n" for number, name in enumerate(names())]
    zones[3] = f'  - domain: "z03.example."\n    file: "{folder}/zones/%l[1].%l[0].zone"\n'
    zones[7] += "    module: mod-queryacl/internal\n"
    (folder / "zones.conf").write_text("zone:\n" + "".join(zones))
    (folder / "knot.conf").write_text(KNOT.format(folder=folder, port=PORT, secret=SECRET))
    command = ["knotd", "-c", str(folder / "knot.conf")]
    return Case("knot", folder / "knot.conf", command, COUNT - 1, frozenset({"z07.example"}))


def named(folder: Path) -> Case:
    """Return a configuration of BIND: views, nested acls, lists of primaries, inherited allow-query, rate limits."""
    write_zones(folder, "zones/db.{zone}")
    zones = [f'zone "{name}" {{ type primary; file "zones/db.{name}"; }};' for name in names()]
    zones[5] = 'zone "z05.example" { type primary; file "zones/db.z05.example"; also-notify { told; }; };'
    zones[7] = 'zone "z07.example" { type master; file "zones/db.z07.example"; allow-query { internal; }; };'
    zones[9] = (
        'zone "z09.example" IN { type slave; masters port 5999 { 127.0.0.9 key "xfer.example"; };'
        ' masterfile-format text; file "zones/db.z09.example"; };'
    )
    (folder / "external.conf").write_text("\n".join(zones) + "\n")
    (folder / "named.conf").write_text(f"""/* a comment
 over two lines */
acl "private" {{ 10/8; 172.16.0.0/12; }};  // another one
acl internal {{ private; 192.168.0.0/16; }};  # a third
acl secondaries {{ 192.0.2.0/24; 2001:db8::/64; key "xfer.example"; }};
key "xfer.example" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
primaries told port 5999 {{ 127.0.0.9; 127.0.0.8 key xfer.example; }};
options {{
  directory "{folder}"; pid-file none; session-keyfile "{folder}/session.key"; {bind_lock()}
  listen-on port {PORT} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; notify explicit; dnssec-validation no; empty-zones-enable no; minimal-responses yes;
  server-id "ns1.example"; version none; tcp-clients 300; max-udp-size 1232;
  allow-query {{ internal; }}; allow-transfer {{ secondaries; }};
  rate-limit {{ responses-per-second 1000; exempt-clients {{ 127.0.0.1; }}; }};
}};
logging {{ category default {{ default_stderr; }}; }};
controls {{ }};
view "inside" {{
  match-clients {{ internal; }};
  zone "z00.example" {{ type primary; file "zones/db.z01.example"; }};
  zone "secret.example" {{ type primary; file "zones/db.z02.example"; }};
}};
view "outside" {{
  match-clients {{ any; }};
  allow-query {{ any; }};
  include "{folder}/external.conf";
}};
""")
    command = ["named", "-f", "-n", "1", "-c", str(folder / "named.conf")]
    left = frozenset({"z00.example", "secret.example", "z07.example"})
    return Case("named", folder / "named.conf", command, COUNT - 1, left)


def pdns(folder: Path) -> Case:
    """Return a configuration of PowerDNS with its bind backend, an included folder and ACLs; it signs itself."""
    write_zones(folder, "zones/{zone}.zone", signed=False)
    kinds = ["master", "native"]
    zones = [
        f'zone "{name}" {{ type {kinds[number % 2]}; file "{folder}/zones/{name}.zone"; }};'
        for number, name in enumerate(names())
    ]
    (folder / "named.conf").write_text(f'options {{ directory "{folder}"; }};\n' + "\n".join(zones) + "\n")
    (folder / "pdns.d").mkdir()
    (folder / "pdns.d" / "bind.conf").write_text(f"launch+=bind\nbind-config={folder}/named.conf\n")
    (folder / "pdns.conf").write_text(f"""# a comment
launch=
include-dir={folder}/pdns.d
local-address=127.0.0.1
local-port={PORT}
allow-axfr-ips=192.0.2.0/24,2001:db8::/64
also-notify=127.0.0.9:5999
max-tcp-connections=300
server-id=ns1.example
receiver-threads=1
distributor-threads=1
socket-dir={folder}
daemon=no
guardian=no
disable-syslog=yes
loglevel=3
security-poll-suffix=
""")
    return Case("pdns", folder / "pdns.conf", ["pdns_server", f"--config-dir={folder}"], COUNT, frozenset())


CASES = {"nsd": nsd, "knot": knot, "named": named, "pdns": pdns}
