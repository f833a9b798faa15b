"""What nodes see of the file system: what their interpreter needs, and what they were permitted. Nothing of the home.

Paths that do not exist are left out: systems differ.
"""

import os
from dataclasses import dataclass

from pyflowd.core.paths import topmost
from pyflowd.core.profiles import Profile
from pyflowd.environments.roots import Roots

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = (
    "alternatives ca-certificates crypto-policies fonts gai.conf group host.conf hosts ld.so.cache ld.so.conf"
    " ld.so.conf.d localtime login.defs machine-id magic mime.types networks nsswitch.conf os-release passwd"
    " pki/ca-trust pki/tls/cert.pem pki/tls/certs protocols resolv.conf rpc services ssl/cert.pem ssl/certs"
    " ssl/openssl.cnf timezone"
)
HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")


@dataclass(frozen=True, slots=True)
class View:
    """read, write: files and folders with all below. links: (link, what it says). devices: files of /dev."""

    read: tuple[str, ...]
    write: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    devices: tuple[str, ...]


def view(profile: Profile, roots: Roots, ours: str) -> View:
    """The view of a profile's nodes; `ours` is the folder with the code that runs in workers."""
    system = [*SYSTEM, *(f"/etc/{name}" for name in ETC.split()), *HARDWARE]
    links = {path: os.readlink(path) for path in system if os.path.islink(path)}
    there = [path for path in system if os.path.exists(path)]
    read = [path for path in there if path not in links] + [os.path.realpath(path) for path in links if path in there]
    granted = [*profile.read, *([profile.workdir] if profile.workdir else [])]
    devices = [path for path in DEVICES if os.path.exists(path)]
    return View(
        read=topmost([*read, *roots.folders, ours, *(path for path in granted if not _is_device(path))]),
        write=tuple(path for path in profile.write if not _is_device(path)),
        links=(*links.items(), *roots.links, *profile.links),
        devices=(*devices, *(path for path in (*profile.write, *profile.read) if _is_device(path))),
    )


def _is_device(path: str) -> bool:
    return path.startswith("/dev/")
