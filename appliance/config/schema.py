# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key of the configuration with its type, bounds and default; units are in the names."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from appliance.zone.checks.levels import CLASSES, DEFAULTS, ConfiguredLevels, Level, Levels

Port = Annotated[int, Meta(ge=0, le=65535)]
ServicePort = Annotated[int, Meta(ge=1, le=65535)]
Text = Annotated[str, Meta(max_length=255)]
FilePath = Annotated[str, Meta(min_length=1, max_length=4095, pattern=r"^[^\0]+$")]
DomainName = Annotated[str, Meta(min_length=1, max_length=1024)]
Label = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\s]+$")]
Names = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=255)], ...], Meta(max_length=1000)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]

InterfaceMode = Literal["auto", "native", "generic", "off"]
ChecksumMode = Literal["auto", "on", "off"]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class Server(Section, frozen=True):
    """Who this server is and where it keeps things."""

    identity: Text = ""
    version: Text = ""
    run_dir: str = "/run/appliance"
    state_dir: str = "/var/lib/appliance"
    control_socket: str = ""
    read_socket: str = ""
    operate_group: Text = "appliance-operate"
    read_group: Text = "appliance-read"
    detach_on_stop: bool = True
    removal_limit_percent: Annotated[int, Meta(ge=0, le=100)] = 50
    removal_limit_zones: Annotated[int, Meta(ge=0, le=1_000_000)] = 10
    include_below: Annotated[tuple[FilePath, ...], Meta(max_length=64)] = ()
    lease_s: Annotated[float, Meta(ge=0, le=366 * 86400)] = 86400.0


class Interface(Section, frozen=True):
    """One interface whose queries the XDP program answers."""

    name: Annotated[str, Meta(min_length=1, max_length=15, pattern=r"^[^/\s]+$")]
    mode: InterfaceMode = "auto"
    addresses: tuple[str, ...] = ()
    port: ServicePort = 53
    verify_checksum: ChecksumMode = "auto"


class Listen(Section, frozen=True):
    """Sockets for TCP and for what the XDP program passes up."""

    addresses: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)] = ("0.0.0.0", "::")
    port: Port = 53
    tcp_workers: Annotated[int, Meta(ge=1, le=256)] = 2
    worker_silence_s: Annotated[float, Meta(ge=0, le=3600)] = 15.0
    tcp_idle_timeout_s: Seconds = 10.0
    tcp_write_timeout_s: Seconds = 5.0
    tcp_max_connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 4096
    tcp_connections_per_prefix: Annotated[int, Meta(ge=1, le=1_000_000)] = 1024
    tcp_queries_per_connection: Annotated[int, Meta(ge=1, le=2**31)] = 100_000
    tcp_send_queue_mib: Annotated[int, Meta(ge=1, le=1 << 20)] = 64
    tcp_send_queue_per_prefix_mib: Annotated[int, Meta(ge=1, le=1 << 20)] = 8


class Limits(Section, frozen=True):
    """What one client, or all of them together, may ask of the server."""

    edns_size: Annotated[int, Meta(ge=512, le=1452)] = 1232
    pass_rate: Annotated[int, Meta(ge=0, le=100_000_000)] = 20_000
    pass_burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 2_000
    nsec3_rate: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 2_000_000
    nsec3_rate_per_prefix: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 400_000


class Checks(Section, frozen=True, rename="kebab"):
    """How severe each class of findings about a signed zone is; an error keeps the zone from being loaded."""

    nsec_chain: Level = DEFAULTS["nsec-chain"]
    nsec3_chain: Level = DEFAULTS["nsec3-chain"]
    nsec3_parameters: Level = DEFAULTS["nsec3-parameters"]
    nsec3_opt_out: Level = DEFAULTS["nsec3-opt-out"]
    nsec3_iterations: Level = DEFAULTS["nsec3-iterations"]
    nsec3_iterations_from: Annotated[int, Meta(ge=1, le=2500)] = 1
    type_bitmap: Level = DEFAULTS["type-bitmap"]
    rrsig_missing: Level = DEFAULTS["rrsig-missing"]
    rrsig_expired: Level = DEFAULTS["rrsig-expired"]
    rrsig_mismatch: Level = DEFAULTS["rrsig-mismatch"]
    rrsig_invalid: Level = DEFAULTS["rrsig-invalid"]
    dnskey_match: Level = DEFAULTS["dnskey-match"]
    zonemd_mismatch: Level = DEFAULTS["zonemd-mismatch"]
    zonemd_incomplete: Level = DEFAULTS["zonemd-incomplete"]
    zonemd_unsupported: Level = DEFAULTS["zonemd-unsupported"]
    zonemd_missing: Level = DEFAULTS["zonemd-missing"]

    @property
    def levels(self) -> ConfiguredLevels:
        """The levels by class, as the zone loader takes them."""
        levels: Levels = {kind: getattr(self, kind.replace("-", "_")) for kind in CLASSES}
        return ConfiguredLevels(levels, self.nsec3_iterations_from)


class Storage(Section, frozen=True):
    """How large the answer store may be, whether it is kept for the next start, and when its waste goes."""

    memory_mib: Annotated[int, Meta(ge=0, le=1 << 22)] = 0
    image: bool = True
    image_delay_s: Annotated[float, Meta(ge=0, le=86400)] = 5.0
    compact_percent: Annotated[int, Meta(ge=0, le=99)] = 25
    compact_mib: Annotated[int, Meta(ge=0, le=1 << 22)] = 8
    set_aside_mib: Annotated[int, Meta(ge=0, le=1 << 22)] = 512


class Journal(Section, frozen=True):
    """Whether versions of zones are kept with the steps between them, and how many octets the steps of a zone take."""

    keep: bool = True
    max_mib: Annotated[int, Meta(ge=0, le=1 << 20)] = 100
    zonefiles_write_s: Annotated[float, Meta(ge=0, le=366 * 86400)] = 0.0


class Health(Section, frozen=True):
    """What `appliance health` asks for, and how long it waits."""

    names: Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0


class Control(Section, frozen=True):
    """The control channel over TLS, for those who are not on this machine; off without an address."""

    address: Text = ""
    port: ServicePort = 8953
    folder: FilePath = "/etc/appliance/control"


class ControlClient(Section, frozen=True):
    """One client of the control channel over TLS, known by its certificate."""

    name: Label
    fingerprint: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$")]
    role: Literal["read", "operate"] = "read"

    @property
    def digest(self) -> str:
        """The fingerprint, as the SHA-256 of a certificate is compared with it."""
        return self.fingerprint.replace(":", "").lower()


class Key(Section, frozen=True):
    """One TSIG key (RFC 8945); the secret stands in a file of its own."""

    name: DomainName
    secret_file: FilePath
    algorithm: Literal["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"


class Remote(Section, frozen=True):
    """One server that zones are fetched from, or that is told of changes."""

    name: Label
    addresses: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    port: ServicePort = 53
    key: Text = ""
    transport: Literal["tcp", "tls"] = "tcp"
    source: str = ""


class Acl(Section, frozen=True):
    """Some clients: those that have one of the addresses and sign with one of the keys, where these are given."""

    name: Label
    addresses: Annotated[tuple[str, ...], Meta(max_length=10_000)] = ()
    keys: Annotated[tuple[Text, ...], Meta(max_length=1000)] = ()
    transports: Annotated[tuple[Literal["udp", "tcp", "tls"], ...], Meta(min_length=1, max_length=3)] = (
        "udp",
        "tcp",
        "tls",
    )


class Pattern(Section, frozen=True):
    """Zones that are configured alike; {zone} in file stands for a zone's name without the final dot.

    One with a name is a template for zones and other patterns, and stands for zones of its own where `zones` says so.
    """

    name: Text = ""
    include_pattern: Names = ()
    file: FilePath = ""
    zones: str = ""
    primaries: Names = ()
    notify: Names = ()
    allow_transfer: Names = ()
    allow_notify: Names = ()

    @property
    def has_zones(self) -> bool:
        """Whether it stands for zones of its own."""
        return not self.name or bool(self.zones)


class ZoneEntry(Section, frozen=True):
    """One zone and the master file it is loaded from, if its pattern does not say that."""

    name: DomainName
    pattern: Text = ""
    file: FilePath = ""
    primaries: Names = ()
    notify: Names = ()
    allow_transfer: Names = ()
    allow_notify: Names = ()


class Config(Section, frozen=True):
    """The whole configuration; load.py fills in what depends on where the file is, templates what patterns give."""

    include: Annotated[tuple[FilePath, ...], Meta(max_length=100)] = ()
    server: Server = Server()
    interface: tuple[Interface, ...] = ()
    listen: Listen = Listen()
    limits: Limits = Limits()
    checks: Checks = Checks()
    store: Storage = Storage()
    journal: Journal = Journal()
    health: Health = Health()
    control: Control = Control()
    control_client: tuple[ControlClient, ...] = ()
    key: tuple[Key, ...] = ()
    remote: tuple[Remote, ...] = ()
    acl: tuple[Acl, ...] = ()
    pattern: tuple[Pattern, ...] = ()
    zone: tuple[ZoneEntry, ...] = ()

    @property
    def populated(self) -> tuple[Pattern, ...]:
        """The patterns that stand for zones of their own."""
        return tuple(pattern for pattern in self.pattern if pattern.has_zones)

    @property
    def control_socket(self) -> Path:
        """Path of the control socket; in run_dir unless the file names another one."""
        return Path(self.server.control_socket or f"{self.server.run_dir}/control.sock")

    @property
    def read_socket(self) -> Path:
        """Path of the socket for verbs that change nothing; in run_dir unless the file names another one."""
        return Path(self.server.read_socket or f"{self.server.run_dir}/read.sock")
