"""Keys that approvals are signed with: Ed25519, the private one encrypted by a passphrase and kept outside the film."""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from film_pipeline.core.problems import FilmProblem

_ROUNDS = 32
"""Of bcrypt, which turns the passphrase into a key: opening takes a third of a second, and so does every guess.

PKCS #8 as the library writes it allows some two thousand guesses a second on one core.
"""
_OPENSSH = b"OPENSSH PRIVATE KEY"


def new_private_key(passphrase: str) -> bytes:
    """A new private key as OpenSSH writes it (PEM), encrypted. Raises FilmProblem for an empty passphrase."""
    if not passphrase:
        raise FilmProblem(
            "a signing key needs a passphrase", "choose one: whoever has the file must not be able to sign"
        )
    key = Ed25519PrivateKey.generate()
    encryption = PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(_ROUNDS).build(passphrase.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption)


def open_private_key(pem: bytes, passphrase: str) -> Ed25519PrivateKey:
    """Raises FilmProblem for a wrong passphrase, and for what is no Ed25519 key (OpenSSH's or PKCS #8)."""
    load = load_ssh_private_key if _OPENSSH in pem else load_pem_private_key
    try:
        key = load(pem, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FilmProblem("the signing key can't be opened", "check the passphrase and the file") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise FilmProblem("the signing key is not an Ed25519 key", "make one: film key new NAME")
    return key


def public_key_of(key: Ed25519PrivateKey) -> str:
    """The public key as it stands in production.yaml: 32 bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def fingerprint(public_key: str) -> str:
    """Eight letters that people can compare."""
    return hashlib.sha256(public_key.encode()).hexdigest()[:8]


def sign(key: Ed25519PrivateKey, statement: bytes) -> str:
    """The signature of a statement, base64."""
    return base64.b64encode(key.sign(statement)).decode()


def is_signed(public_key: str, signature: str, statement: bytes) -> bool:
    """Whether the signature is of this statement by this key. Anything malformed is not."""
    try:
        raw = base64.b64decode(public_key, validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature, validate=True), statement)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
