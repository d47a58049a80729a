"""A throw-away certificate authority for good and bad certificates.

OpenSSL wants two labels after a wildcard, so the demo's names are NAME.x.test.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """Issues certificates into `folder`; all leaves share one key."""

    def __init__(self, folder: Path, name: str = "Demo Authority", now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC)
        self._folder = folder
        self._name = _named(name)
        self._issued = 0
        self._ca_key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        span = (self.now - 365 * DAY, self.now + 365 * DAY)
        builder = _builder(self._name, self._name, self._ca_key, self._ca_key, span)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_ca_usage(), critical=True)
        self._ca = builder.sign(self._ca_key, hashes.SHA256())
        self.ca_file = folder / f"{name.lower().replace(' ', '-')}.pem"
        self.ca_file.write_bytes(self._ca.public_bytes(serialization.Encoding.PEM))

    def context(
        self,
        *names: str,
        valid: tuple[datetime, datetime] | None = None,
        self_signed: bool = False,
    ) -> ssl.SSLContext:
        """A server context with a certificate for these names and addresses, `valid` by default for a month."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem(*names, valid=valid, self_signed=self_signed))
        context.set_alpn_protocols(["http/1.1"])
        return context

    def pem(self, *names: str, valid: tuple[datetime, datetime] | None = None, self_signed: bool = False) -> Path:
        """A file with such a certificate and its key."""
        span = valid or (self.now - DAY, self.now + 30 * DAY)
        subject = _named(names[0])
        issuer, issuer_key = (subject, self._leaf_key) if self_signed else (self._name, self._ca_key)
        builder = _builder(subject, issuer, self._leaf_key, issuer_key, span)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        return self._written(builder.sign(issuer_key, hashes.SHA256()))

    def expired(self, *names: str) -> ssl.SSLContext:
        """A context whose certificate expired ten days ago."""
        return self.context(*names, valid=self.past)

    @property
    def past(self) -> tuple[datetime, datetime]:
        """The validity of an expired certificate."""
        return self.now - 40 * DAY, self.now - 10 * DAY

    def _written(self, certificate: x509.Certificate) -> Path:
        self._issued += 1
        pem = self._folder / f"{self.ca_file.stem}-leaf-{self._issued}.pem"
        key = self._leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key)
        return pem


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    span: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    """With the key identifiers that Python 3.13 requires."""
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(span[0]).not_valid_after(span[1])
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    from_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return builder.add_extension(own, critical=False).add_extension(from_issuer, critical=False)


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
