"""Which modules may be imported before any node asks for them.

Those of the environment's own packages, and of the standard library those that take long and do nothing else: whoever
names what is to be imported is a node, and may name anything. Not what is installed in place: it changes while we are
warm, and nobody looks there. Refuses to import: it looks at names and at what the finders found.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Optional, Tuple

LONGEST_NAME = 200
LISTED = frozenset(
    (
        "argparse array ast asyncio base64 bisect bz2 calendar cmath collections.abc concurrent.futures"
        " concurrent.futures.process concurrent.futures.thread configparser contextvars copy csv ctypes ctypes.util"
        " dataclasses datetime decimal difflib dis email email.message email.mime.multipart email.mime.text"
        " email.parser email.policy email.utils enum fractions ftplib functools getpass glob graphlib gzip hashlib"
        " heapq hmac html html.parser http http.client http.cookiejar http.cookies http.server imaplib"
        " importlib.metadata importlib.resources inspect ipaddress json json.decoder locale logging logging.config"
        " logging.handlers lzma mimetypes multiprocessing multiprocessing.connection multiprocessing.managers"
        " multiprocessing.pool multiprocessing.queues multiprocessing.shared_memory multiprocessing.synchronize"
        " numbers pathlib pickle pickletools pkgutil platform plistlib pprint queue random re secrets selectors shelve"
        " shlex shutil smtplib socket socketserver sqlite3 ssl statistics string struct subprocess tarfile tempfile"
        " textwrap threading timeit tokenize tomllib traceback typing unicodedata unittest unittest.mock urllib.error"
        " urllib.parse urllib.request urllib.robotparser uuid wave weakref xml.dom.minidom xml.etree.ElementTree"
        " xml.sax xmlrpc.client zipfile zlib zoneinfo"
    ).split()
)
_SITE = ("site-packages", "dist-packages")
_FROZEN = ("built-in", "frozen")


def _folders() -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """Where packages and the standard library lie, each with a slash at its end."""
    prefixes = {os.path.join(path, "") for path in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)}
    standard = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")
    found = [os.path.join(os.path.normpath(path), "") for path in sys.path if os.path.isabs(path)]
    packages = [
        path for path in found if path.startswith(tuple(prefixes)) and os.path.basename(path.rstrip(os.sep)) in _SITE
    ]
    return tuple(packages), (standard,)


_PACKAGES: Tuple[str, ...] = ()
_STANDARD: Tuple[str, ...] = ()


def look() -> None:
    """See where packages lie: before any of them is imported, for later `sys.path` may be anybody's."""
    global _PACKAGES, _STANDARD
    _PACKAGES, _STANDARD = _folders()


def is_name(name: object) -> bool:
    """Whether it can be the name of a module in an import statement."""
    return type(name) is str and len(name) <= LONGEST_NAME and all(part.isidentifier() for part in name.split("."))


def refusal(name: str, spec: Optional[ModuleSpec]) -> str:
    """Why a module, or one of the packages that it lies in, is not to be imported beforehand; "" if it may be.

    name: of the module. spec: what the finders found for it, or for the package.
    """
    if spec is None:
        return "there is no such module"
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    if places and all(type(place) is str and _lies_in(place, _PACKAGES) for place in places):
        return ""
    if any(type(place) is str and _lies_in(place, _PACKAGES) for place in places):
        return "it lies in several places"
    if spec.origin in _FROZEN or (places and all(_lies_in(str(place), _STANDARD) for place in places)):
        return "" if name in LISTED else "of the standard library only what takes long is imported beforehand"
    return "it is not one of the environment's installed packages"


def _lies_in(place: str, folders: Tuple[str, ...]) -> bool:
    path = os.path.normpath(place)
    for folder in folders:
        if path.startswith(folder):
            return folders is _PACKAGES or not path.startswith(_PACKAGES)
    return False
