"""Passwords and tokens: what is kept of them opens nothing by itself."""

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata

from film_pipeline.core.problems import FilmProblem

SHORTEST_PASSWORD = 10
_LONGEST_PASSWORD = 256
_COST, _BLOCK, _LANES = 15, 8, 3
"""scrypt at 2**15, 8, 3, one of the settings that OWASP's password cheat sheet calls equal: 32 MB, 0.3 s a guess."""
_MOST_MEMORY = 1 << 28
_DEAREST = 17
"""The highest cost that is worked out for a hash that somebody else may have written."""


def checked_password(password: str, name: str = "") -> str:
    """The password, if it may be one. Raises FilmProblem for one that is too short, too long, or the person's name."""
    if len(password) < SHORTEST_PASSWORD:
        raise FilmProblem(f"a password has at least {SHORTEST_PASSWORD} characters", "choose a longer one")
    if len(password) > _LONGEST_PASSWORD:
        raise FilmProblem(f"a password has at most {_LONGEST_PASSWORD} characters", "choose a shorter one")
    if len(set(password)) < 4 or (name and password.casefold() == name.casefold()):
        raise FilmProblem("this password is guessed at once", "choose another one: four words in a row, say")
    return password


def hash_of(password: str) -> str:
    """What is kept of a password: scrypt, with its settings and a salt of its own."""
    salt = secrets.token_bytes(16)
    key = _scrypt(password, salt, _COST, _BLOCK, _LANES)
    return "$".join(("scrypt", str(_COST), str(_BLOCK), str(_LANES), _text(salt), _text(key)))


def is_password(password: str, kept: str) -> bool:
    """Whether a password is the one that this was kept of. Nothing is the password of an empty or malformed hash.

    It takes as long for a person who does not exist: give it `NOBODY` then.
    """
    parts = kept.split("$")
    try:
        kind, cost, block, lanes = parts[0], *(int(part) for part in parts[1:4])
        salt, key = (base64.b64decode(part, validate=True) for part in parts[4:6])
        if kind != "scrypt" or len(parts) != 6 or not 1 <= cost <= _DEAREST or not key:
            return False
        return hmac.compare_digest(_scrypt(password, salt, cost, block, lanes, len(key)), key)
    except (ValueError, binascii.Error, IndexError):
        return False


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int, length: int = 32) -> bytes:
    # The same letters typed on two keyboards are the same password (RFC 8265).
    typed = unicodedata.normalize("NFC", password).encode("utf-8", "replace")
    return hashlib.scrypt(typed, salt=salt, n=1 << cost, r=block, p=lanes, maxmem=_MOST_MEMORY, dklen=length)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


NOBODY = f"scrypt${_COST}${_BLOCK}${_LANES}${_text(bytes(16))}${_text(bytes(32))}"
"""A hash that no password has."""


def new_token() -> str:
    """256 random bits for an address or a cookie."""
    return secrets.token_urlsafe(32)


def kept_of(token: str) -> str:
    """What is kept of a token: it can't be guessed, so a plain SHA-256 does."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def derived(token: str, purpose: str) -> str:
    """Another token for one purpose, worked out from a token and telling nothing of it."""
    mac = hmac.new(token.encode("utf-8", "replace"), purpose.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")


def same(one: str, other: str) -> bool:
    """Whether two tokens are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
