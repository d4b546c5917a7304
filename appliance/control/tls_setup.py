# SPDX-License-Identifier: GPL-3.0-or-later
"""`appliance control-setup`: an authority, the server's certificate and one for a client; what is there stays."""

import contextlib
import datetime
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.access import why_not_read, why_not_written
from appliance.control.tls_files import CA, CA_KEY, CLIENTS, SERVER, SERVER_KEY, check_key
from appliance.errors import StateError

YEARS: Final = 10
_KEY_MODE: Final = 0o600
_CERTIFICATE_MODE: Final = 0o640
_FOLDER_MODE: Final = 0o750
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_EARLIER: Final = datetime.timedelta(days=1)
"""Certificates are valid from then on: clocks differ."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who has a key: the subject of a certificate, and what it is for."""

    name: str
    use: x509.ObjectIdentifier | None
    """None for the authority."""


_AUTHORITY: Final = _Owner("appliance control", None)
_PrivateKey = ec.EllipticCurvePrivateKey


class Setup:
    """The files of one folder, made where they are missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[str] = []
        self.kept: list[str] = []

    def run(self, client: str) -> dict[str, Any]:
        """Make what is missing for the server and a client; return what was made, and the fingerprint to list.

        Raises StateError.
        """
        if not _NAME.fullmatch(client):
            raise StateError(f"client {client!r}: a name has letters, digits, - and _ only, 63 at most")
        try:
            for folder in (self.folder, self.folder / CLIENTS):
                if not folder.is_dir():
                    folder.mkdir(parents=True)
                    folder.chmod(_FOLDER_MODE)
        except (OSError, ValueError) as error:
            raise StateError(f"folder {self.folder}: {why_not_written(self.folder.parent, error)}") from error
        authority = self._authority()
        server, used = _Owner("appliance server", ExtendedKeyUsageOID.SERVER_AUTH), ExtendedKeyUsageOID.CLIENT_AUTH
        self._signed(server, self.folder / SERVER_KEY, self.folder / SERVER, authority)
        path = self.folder / CLIENTS / f"{client}.pem"
        certificate = self._signed(_Owner(client, used), path.with_suffix(".key"), path, authority)
        return {
            "folder": str(self.folder),
            "made": self.made,
            "kept": self.kept,
            "client": client,
            "certificate": str(path),
            "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        }

    def _authority(self) -> _PrivateKey | None:
        """Return the key of the authority; none where only that is missing: it may be kept elsewhere."""
        key, path = self.folder / CA_KEY, self.folder / CA
        if path.exists() and not key.exists():
            self.kept.append(str(path))
            return None
        secret = self._key(key)
        self._put_certificate(secret, path, lambda: _sign(_AUTHORITY, secret, _AUTHORITY, secret))
        return secret

    def _signed(self, owner: _Owner, key: Path, path: Path, signer: _PrivateKey | None) -> x509.Certificate:
        """Return the certificate of an owner, signed where it is missing."""
        if signer is None:
            if path.exists() and key.exists():
                self.kept += [str(key), str(path)]
                return self._certificate(path)
            raise StateError(f"{self.folder / CA_KEY} is missing, and nothing can be signed without it: bring it back")
        secret = self._key(key)
        return self._put_certificate(secret, path, lambda: _sign(owner, secret, _AUTHORITY, signer))

    def _key(self, path: Path) -> _PrivateKey:
        if not os.path.lexists(path):
            secret = ec.generate_private_key(ec.SECP256R1())
            text = secret.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            self._put(path, text, _KEY_MODE)
            return secret
        self.kept.append(str(path))
        check_key(path)
        try:
            found = serialization.load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            why = why_not_read(path, error) if isinstance(error, OSError) else "it is no private key without a password"
            raise StateError(f"key {path}: {why}; move it away, and a new one is made") from None
        if not isinstance(found, ec.EllipticCurvePrivateKey):
            raise StateError(f"key {path} is none of an elliptic curve; move it away, and a new one is made")
        return found

    def _put_certificate(
        self, secret: _PrivateKey, path: Path, make: Callable[[], x509.Certificate]
    ) -> x509.Certificate:
        if os.path.lexists(path):
            self.kept.append(str(path))
            found = self._certificate(path)
            if _numbers(found) != secret.public_key().public_numbers():
                raise StateError(f"certificate {path} is not of the key beside it; move it away, and a new one is made")
            return found
        made = make()
        self._put(path, made.public_bytes(serialization.Encoding.PEM), _CERTIFICATE_MODE)
        return made

    def _certificate(self, path: Path) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            why = why_not_read(path, error) if isinstance(error, OSError) else "it is no certificate"
            raise StateError(f"certificate {path}: {why}; move it away, and a new one is made") from None

    def _put(self, path: Path, text: bytes, mode: int) -> None:
        """Make a file, whole or not at all."""
        new = path.with_name(f"{path.name}.new")
        try:
            new.unlink(missing_ok=True)
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            with open(file, "wb") as stream:  # noqa: PTH123 - a descriptor
                os.fchmod(file, mode)
                stream.write(text)
                stream.flush()
                os.fsync(file)
            new.rename(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise StateError(f"{path}: {why_not_written(path.parent, error)}") from error
        self.made.append(str(path))


def _numbers(certificate: x509.Certificate) -> ec.EllipticCurvePublicNumbers | None:
    key = certificate.public_key()
    return key.public_numbers() if isinstance(key, ec.EllipticCurvePublicKey) else None


def _sign(owner: _Owner, secret: _PrivateKey, signer: _Owner, signing: _PrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0, tzinfo=None)
    is_authority = owner.use is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner.name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer.name)]))
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
    )
    if owner.use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([owner.use]), critical=True)
    return builder.sign(signing, hashes.SHA256())
