# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a setting of another server is not carried over, and what to do instead; by program and setting."""

from typing import Final

_LOG = "the log goes to standard error, which systemd's journal keeps"
_SERVICE = "the systemd unit says as whom and where the server runs"
_RRL = "this version limits no response rates; keep a limit in front of the server if you need one"
_COOKIES = "this version has no DNS cookies; nothing needs to be done"
_CONTROL = "`appliance` speaks to a Unix socket: [server] control_socket; control.md has the verbs"
_FETCH = "this version makes no transfers; nothing acts on it yet"
_ANSWERS = "answers here are compiled when a zone is loaded, and have what differences.md says"
_TUNING = "buffers and processes are tuned elsewhere: [listen] tcp_workers, tune.md"
_TLS = "this version serves no DNS over TLS or QUIC; keep it in front of the server if you need it"
_STATE = "state is kept in [server] state_dir"
_WRITES = "zone files are read, never written, by this version"
_SIGNING = "this server does not sign; sign the zone elsewhere and give it the signed file"
_STATS = "counters are shown by `appliance stats`; watch.md has the rest"
_UPDATE = "this version takes no dynamic updates; change the zone's file"
_RESOLVER = "it is a resolver's; this server answers for its own zones only"
_CATALOG = "this version knows no catalog zones; name the zones in the configuration"
_CHECKS = "how severe findings are is what [checks] says"

_NSD: dict[str, str] = {
    _LOG: "verbosity logfile log-only-syslog log-time-ascii log-time-iso debug-mode",
    _SERVICE: "username pidfile ip-transparent ip-freebind setfib bindtodevice rundir",
    _RRL: "rrl-size rrl-ratelimit rrl-slip rrl-ipv4-prefix-length rrl-ipv6-prefix-length rrl-whitelist-ratelimit "
    "rrl-whitelist",
    _COOKIES: "answer-cookie cookie-secret cookie-secret-file cookie-staging-secret",
    _TUNING: "server-count cpu-affinity xfrd-cpu-affinity reuseport send-buffer-size receive-buffer-size tcp-mss "
    "outgoing-tcp-mss tcp-reject-overflow xfrd-tcp-max xfrd-tcp-pipeline xdp-interface xdp-program-path "
    "xdp-program-load xdp-bpffs-path xdp-force-copy",
    _STATE: "database xfrdfile xfrdir zonefiles-check xfrd-reload-timeout reload-config cpu-affinity",
    _WRITES: "zonefiles-write",
    _STATS: "statistics zonestats dnstap-enable",
    _ANSWERS: "round-robin minimal-responses confine-to-zone refuse-any drop-updates",
    _TLS: "tls-service-key tls-service-pem tls-service-ocsp tls-port tls-cert-bundle tls-auth-port tls-auth-xfr-only "
    "proxy-protocol-port",
    _FETCH: "notify-retry allow-axfr-fallback max-refresh-time min-refresh-time max-retry-time min-retry-time "
    "min-expire-time multi-master-check multi-primary-check size-limit-xfr store-ixfr ixfr-number ixfr-size "
    "create-ixfr",
    _CATALOG: "catalog catalog-member-pattern catalog-producer-zone",
}
_KNOT: dict[str, str] = {
    _LOG: "log target server.background-workers",
    _SERVICE: "rundir user pidfile dbus-event dbus-init-delay",
    _RRL: "mod-rrl",
    _COOKIES: "mod-cookies",
    _TUNING: "udp-workers tcp-workers async-start tcp-reuseport socket-affinity tcp-fastopen proxy-allowlist xdp "
    "tcp-remote-io-timeout remote-pool-limit remote-pool-timeout remote-retry-delay quic-max-clients "
    "quic-outbuf-max-size quic-idle-close-timeout tcp-io-timeout background-workers",
    _STATE: "database journal-content journal-max-usage journal-max-depth ixfr-benevolent ixfr-by-one ixfr-from-axfr "
    "adjust-threads zone-max-size",
    _WRITES: "zonefile-sync zonefile-skip zonefile-load reverse-generate",
    _SIGNING: "dnssec-validation dnssec-policy policy keystore submission zonemd-generate zonemd-verify serial-policy "
    "serial-modulo ds-push unsafe-operation keytag-modulo dnskey-sync",
    _STATS: "statistics mod-stats mod-dnstap mod-probe",
    _ANSWERS: "answer-rotation ecs",
    _TLS: "listen-quic listen-tls listen-xdp tls cert-file key-file ca-file quic-port quic",
    _CONTROL: "control",
    _CHECKS: "semantic-checks",
    _FETCH: "provide-ixfr refresh-min-interval refresh-max-interval retry-min-interval retry-max-interval "
    "expire-min-interval expire-max-interval master-pin-tolerance notify-delay block-notify-after-transfer "
    "block-notify-after-xfr no-edns automatic-acl",
    _CATALOG: "catalog-role catalog-template catalog-zone catalog-group",
    _UPDATE: "ddns-master ddns-primary",
    "it changes answers, and nothing here does the same": "mod-onlinesign mod-geoip mod-synthrecord mod-dnsproxy "
    "mod-noudp mod-whoami mod-authsignal",
    "nobody is kept from asking here; zones that it is for are left out, unless --public names them": "mod-queryacl",
}
_NAMED: dict[str, str] = {
    _LOG: "logging querylog",
    _SERVICE: "pid-file lock-file session-keyfile session-keyname session-keyalg user chroot statistics-file dump-file",
    _RRL: "rate-limit fetches-per-zone fetches-per-server fetch-quota-params",
    _COOKIES: "answer-cookie cookie-algorithm cookie-secret send-cookie require-server-cookie nocookie-udp-size",
    _CONTROL: "controls",
    _RESOLVER: "recursion allow-recursion allow-recursion-on allow-query-cache allow-query-cache-on forwarders forward "
    "dnssec-validation trust-anchors managed-keys trusted-keys bindkeys-file max-cache-size max-cache-ttl "
    "recursive-clients qname-minimization prefetch root-key-sentinel validate-except response-policy dns64 "
    "match-recursive-only max-ncache-ttl resolver-query-timeout empty-zones-enable disable-empty-zone "
    "root-delegation-only dual-stack-servers stale-answer-enable query-source query-source-v6 max-recursion-depth "
    "max-recursion-queries managed-keys-directory lame-ttl",
    _STATE: "key-directory journal max-journal-size zone-statistics new-zones-directory lmdb-mapsize geoip-directory",
    _STATS: "statistics-channels dnstap dnstap-output",
    _ANSWERS: "minimal-responses minimal-any rrset-order sortlist additional-from-auth additional-from-cache "
    "auth-nxdomain response-padding zero-no-soa-ttl max-rsa-exponent-size no-case-compress message-compression "
    "glue-cache servfail-ttl deny-answer-addresses deny-answer-aliases",
    _TLS: "tls http tls-port https-port",
    _TUNING: "udp-receive-buffer udp-send-buffer interface-interval reserved-sockets tcp-listen-queue "
    "tcp-advertised-timeout tcp-initial-timeout tcp-keepalive-timeout reuseport",
    _FETCH: "ixfr-from-differences provide-ixfr request-ixfr max-refresh-time min-refresh-time max-retry-time "
    "min-retry-time max-transfer-time-in max-transfer-time-out max-transfer-idle-in max-transfer-idle-out "
    "transfers-in transfers-out transfers-per-ns transfer-format transfer-message-size notify-delay notify-to-soa "
    "notify-rate startup-notify-rate serial-query-rate try-tcp-refresh multi-master notify-source notify-source-v6 "
    "request-nsid alt-transfer-source alt-transfer-source-v6 use-alt-transfer-source notify max-zone-ttl "
    "request-expire max-ixfr-ratio transfer-source transfer-source-v6 edns bogus transfers",
    _UPDATE: "allow-update allow-update-forwarding update-policy update-quota",
    _CHECKS: "check-names check-integrity check-mx check-mx-cname check-sibling check-srv-cname check-spf "
    "check-wildcard check-dup-records check-svcb masterfile-style max-records max-records-per-type "
    "max-types-per-name",
    _SIGNING: "dnssec-policy inline-signing auto-dnssec dnssec-dnskey-kskonly dnssec-loadkeys-interval "
    "update-check-ksk sig-validity-interval sig-signing-nodes sig-signing-signatures "
    "dnssec-secure-to-insecure parental-agents "
    "dnssec-update-mode serial-update-method dnskey-sig-validity dnssec-must-be-secure sig-signing-type "
    "dnssec-accept-expired disable-algorithms disable-ds-digests",
    _CATALOG: "catalog-zones",
    "its clients get no answer at all there; keep them out with a firewall": "blackhole",
    "modules of BIND do not run here": "plugin dyndb dlz",
}
_PDNS: dict[str, str] = {
    _LOG: "loglevel log-dns-queries log-dns-details log-timestamp disable-syslog logging-facility query-logging "
    "loglevel-show structured-logging",
    _SERVICE: "setuid setgid chroot daemon guardian write-pid socket-dir config-dir module-dir config-name",
    _TUNING: "receiver-threads distributor-threads retrieval-threads signing-threads reuseport tcp-fast-open "
    "queue-limit max-queue-length udp-truncation cache-ttl negquery-cache-ttl query-cache-ttl max-cache-entries "
    "max-packet-cache-entries zone-cache-refresh-interval overload-queue-length",
    _CONTROL: "api api-key api-logfile webserver webserver-address webserver-allow-from webserver-password "
    "webserver-port webserver-loglevel control-console tcp-control-address tcp-control-port tcp-control-range "
    "tcp-control-secret",
    _STATS: "carbon-server carbon-ourname carbon-interval carbon-namespace carbon-instance",
    _FETCH: "xfr-cycle-interval xfr-max-received-mbytes axfr-fetch-timeout axfr-lower-serial retrieval-threads "
    "allow-unsigned-notify allow-unsigned-autoprimary allow-unsigned-supermaster slave-renotify secondary-do-renotify "
    "slave-cycle-interval send-signed-notify autosecondary superslave forward-notify trusted-notification-proxy "
    "allow-notify-from query-local-address primary master slave secondary autoprimary supermaster disable-axfr "
    "disable-axfr-rectify",
    _SIGNING: "direct-dnskey default-ksk-algorithm default-zsk-algorithm default-ksk-size default-zsk-size "
    "default-soa-edit default-soa-edit-signed max-nsec3-iterations bind-dnssec-db-journal-mode bind-hybrid",
    _UPDATE: "dnsupdate allow-dnsupdate-from forward-dnsupdate lua-dnsupdate-policy-script",
    _WRITES: "bind-supermaster-config bind-supermaster-destdir bind-supermasters bind-autoprimary-config "
    "bind-autoprimary-destdir bind-autoprimaries bind-check-interval bind-ignore-broken-records",
    _ANSWERS: "any-to-tcp outgoing-axfr-expand-alias expand-alias 8bit-dns edns-subnet-processing "
    "edns-cookie-secret enable-lua-records lua-prequery-script lua-axfr-script lua-records-exec-limit resolver "
    "do-ipv6-additional-processing security-poll-suffix traceback-handler dname-processing svc-autohints "
    "lua-health-checks-interval",
}
_BY_PROGRAM: Final = {
    program: {name: reason for reason, names in table.items() for name in names.split()}
    for program, table in {"nsd": _NSD, "knot": _KNOT, "named": _NAMED, "pdns": _PDNS}.items()
}
_UNKNOWN: Final = "there is no key for it here; configuration.md has those that there are"


def why_not(program: str, name: str) -> str:
    """Return why a setting is not carried over."""
    return _BY_PROGRAM[program].get(name, _UNKNOWN)
