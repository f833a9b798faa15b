"""What the daemon lives on: interpreters, users, disks, memory, descriptors."""

import os
import platform
import pwd
import resource
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from pyflowd.doctor.facts import Descriptors, Environment, Folder, Interpreter, Memory, Users
from pyflowd.doctor.probing.commands import outcome
from pyflowd.sandbox.user_namespace import node_ids

WHO = "import sys; print(sys.implementation.name, *sys.version_info[:3])"
FAMILIES = ("debian", "fedora")
PER_WORKER = 4
FOR_ITSELF = 256


def find_users(node_user: str) -> Users:
    """Who the daemon is, and whether there is the user that it would make of nodes."""
    has_node_user = False
    with suppress(KeyError):
        node_ids(node_user)
        has_node_user = True
    uid = os.getuid()
    return Users(uid=uid, name=_name(uid), node_user=node_user, has_node_user=has_node_user)


def ask_interpreter(path: str) -> Interpreter:
    """Starts an interpreter and asks it what it is."""
    asked = outcome([path, "-I", "-c", WHO])
    implementation, *version = asked.output.split() or [""]
    return Interpreter(
        path=path,
        problem=asked.problem or ("" if version else "it starts, but does not answer as Python does"),
        implementation=implementation,
        version=tuple(int(part) for part in version if part.isdecimal()),
    )


def with_user(environment: Environment) -> Environment:
    """The same, with whom its processes run as, seen from outside of all namespaces."""
    if environment.process is None:
        return environment
    with suppress(psutil.Error):
        return replace(environment, user=psutil.Process(environment.process).uids().effective)
    return environment


def find_folder(purpose: str, path: Path) -> Folder:
    """What is free where a folder lies; OSError."""
    found = os.statvfs(path)
    return Folder(
        purpose=purpose,
        path=str(path),
        free_bytes=found.f_bavail * found.f_frsize,
        all_bytes=found.f_blocks * found.f_frsize,
        free_files=found.f_favail,
        all_files=found.f_files,
    )


def find_memory() -> Memory:
    """Of the machine."""
    found = psutil.virtual_memory()
    return Memory(available=found.available, all=found.total)


def find_descriptors(workers: int) -> Descriptors:
    """For so many workers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Descriptors(most=most, needed=FOR_ITSELF + PER_WORKER * workers)


def find_family() -> str:
    """The kind of distribution, by how it installs packages: one of FAMILIES, or ""."""
    with suppress(OSError):
        release = platform.freedesktop_os_release()
        names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
        return next((name for name in names if name in FAMILIES), "")
    return ""


def _name(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)
