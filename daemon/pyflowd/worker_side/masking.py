"""Which names stand for secrets, and texts without what stands behind such names.

It goes by words: `api_key`, `apiKey` and `API_KEY` are secret, `monkey` is not. It protects from showing a secret by
accident, to whoever reads an error; a secret under an innocent name is not found.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Match

MASK = "***"
WORDS = frozenset(
    "apikey apikeys auth authentication authorization bearer cookie cookies cred credential credentials creds jwt key"
    " keys passcode passphrase passwd password passwords pwd secret secrets signature token tokens".split()
)
PARTS = ("apikey", "credential", "passphrase", "passwd", "password", "privatekey", "secret")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_QUOTED = r"'(?:[^'\\]|\\.)*'?|\"(?:[^\"\\]|\\.)*\"?"
_NAMED = re.compile(r"(?<!\w)([A-Za-z_]\w*)(\\?['\"]?\s*[=:]\s*)([a-z]{0,2}(?:%s)|[^,;)}\]\n'\"]+)" % _QUOTED)
_USER_IN_URL = re.compile(r"(://)[^/@\s'\"]+@")


def is_secret(name: object) -> bool:
    """Whether a name, of a variable or a key, is one that secrets have. What is no text, or bytes, is no such name."""
    if type(name) is bytes:
        name = name.decode("latin-1")
    if type(name) is not str:
        return False
    name = name[:200]
    plain = re.sub("[^a-z]", "", name.lower())
    return any(part in plain for part in PARTS) or any(word.lower() in WORDS for word in _WORD.findall(name))


def mask(text: str) -> str:
    """`text` without the values of what looks like `password=...`, `"token": ...`, or a user in a URL."""
    return _USER_IN_URL.sub(r"\1%s@" % MASK, _NAMED.sub(_mask_value, text))


def _mask_value(found: Match[str]) -> str:
    name, between, value = found.groups()
    if not is_secret(name):
        return found.group()
    quote = value[-1] if value[-1] in "'\"" else ""
    return name + between + quote + MASK + quote
