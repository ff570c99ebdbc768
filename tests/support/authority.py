"""An authority that signs certificates of services."""

import datetime as dt
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)


class Authority:
    """Made for one test. Those that sign services' certificates may be signed by another one."""

    def __init__(self, above: "Authority | None" = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        # each has a name of its own: of two that are believed, the one that signed is found by it
        called = f"an authority of a test, {secrets.token_hex(4)}"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        signer = above or self
        builder = signer._builder(self._name, self._key, _DAY).add_extension(usage, critical=True)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = builder.add_extension(constraints, critical=True).sign(signer._key, hashes.SHA256())
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        folder: Path,
        *names: str,
        ends: dt.timedelta = _DAY,
        believed: bytes = b"",
        common_name: str = "a service of a test",
    ) -> dict[str, Path]:
        """Write a new certificate for DNS names that ends so much later than now: the settings that name the files. Others of
        authorities that are `believed`, too, may be met (PEM).
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = self._builder(name, key, ends).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        folder.mkdir(exist_ok=True)
        written = {
            "service_certificate": certificate.public_bytes(serialization.Encoding.PEM),
            "service_key": key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            "service_ca": self.pem + believed,
        }
        for setting, pem in written.items():
            (folder / f"{setting}.pem").write_bytes(pem)
        return {setting: folder / f"{setting}.pem" for setting in written}

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ends: dt.timedelta
    ) -> x509.CertificateBuilder:
        """With what Python 3.13 asks of certificates."""
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * _DAY)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
