"""What a zygote and its workers give up, as the terms say that the daemon sends. Nothing can take it back.

By the zygote, before it imports anything of the environment's; everything that it forks inherits it:

    user                another one than the one who made the user namespace
    no new privileges   a program with the set-uid bit gives none
    no capabilities     root is a user like others, who happens to own many files; one is kept to make namespaces
    Landlock            no signals to processes that are not the zygote's, and none of their memory by /proc
    seccomp             no calls that reach into other processes, or into the kernel's depths; no sockets; no mounts but
                        those that its workers need

Its files are bound before it starts: by bubblewrap, else by `binding`.

By each worker besides, for these differ from worker to worker or would bind the zygote's hands:

    namespaces          see `namespaces`
    Landlock            no files but those named and its own, no signals to other workers
    seccomp             no namespaces, no mounts

A layer that the machine does not have is reported, never passed over in silence.
"""

from __future__ import annotations

import contextlib
import os

from . import landlock, linux
from .landlock import Rule, Ruleset
from .namespaces import Namespaces
from .scratch import OWN_FILES
from .seccomp import Filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    Terms = Dict[str, Any]

PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 8, 24, 38
CAPABILITIES_MOST = 64
CAP_SYS_ADMIN = 21
READ, WRITE = "r", "w"
RIGHTS = {READ: landlock.READ, WRITE: landlock.WRITE}

# What nodes are started with when nobody says otherwise: the floor, and nothing on top of it.
FLOOR: Terms = {
    "user": None,
    "namespaces": None,
    "filters": ["floor", "namespaces", "others"],
    "apart": False,
    "files": None,
    "network": True,
    "workdir": None,
}


class Confinement:
    """The terms of one zygote.

    user         (uid, gid) to become, or None
    namespaces   arguments of `Namespaces`, or None
    filters      names of those that the zygote loads
    apart        whether workers may not reach each other by signals, nor read each other's memory
    files        [(path, READ or WRITE)] that workers may reach besides their scratch folder, or None: all
    network      whether workers may use TCP and the abstract sockets of others
    workdir      the folder that nodes start in, or None: their scratch
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.workdir = terms["workdir"]
        self.namespaces: Optional[Namespaces] = None
        self._rules: List[Rule] = []
        self._own_rights = 0
        self._ruleset: Optional[Ruleset] = None
        self._last_filter: Optional[Filter] = None
        self.is_bound = False  # whether code that the zygote runs is kept from harm as far as nodes are

    def enter(self) -> List[str]:
        """In the zygote: give up what no node needs; says what this machine would not let us give up."""
        if self._terms["user"] is not None:
            _become(*self._terms["user"], keeping=self._terms["namespaces"] is not None)
        if self._terms["namespaces"] is not None:
            linux.die_with_parent(whether=True)  # bubblewrap's, lost by becoming another user
            self.namespaces = Namespaces(*self._terms["namespaces"])
        refusals = [
            ("refusal of new privileges", _refusal(refuse_new_privileges)),
            ("loss of capabilities", _refusal(self._drop_capabilities)),
            ("bound on signals", _refusal(self._keep_signals_inside)),
            ("bound on files", _refusal(self._prepare_rules)),
            ("filter of system calls", _refusal(self._load_filters)),
        ]
        lacks = ["%s (%s)" % (layer, reason) for layer, reason in refusals if reason]
        self.is_bound = not self._terms["apart"] or not lacks
        return lacks

    def bind(self, scratch: bytes) -> None:
        """In the worker: see and reach nothing of other workers any more. It has its scratch folder."""
        if self._ruleset is not None:
            self._ruleset.enter()
        elif self._terms["apart"]:
            ruleset = self._new_ruleset(scratch)
            ruleset.enter()
            ruleset.close()
        if self.namespaces is not None:
            self.namespaces.give_up()
        if self._last_filter is not None:
            self._last_filter.load()

    def _drop_capabilities(self) -> None:
        with contextlib.suppress(OSError):  # there are no more, or we have none to begin with
            for number in range(CAPABILITIES_MOST):
                linux.prctl(PR_CAPBSET_DROP, number)
        if self.namespaces is None:
            linux.drop_capabilities()
        else:
            linux.keep_capabilities((CAP_SYS_ADMIN,))

    def _keep_signals_inside(self) -> None:
        if self.namespaces is not None:
            return
        if landlock.version() < landlock.VERSION_WITH_SCOPES:
            raise OSError("needs Landlock of Linux 6.12 or newer")
        ruleset = Ruleset(scopes=landlock.SIGNALS)
        ruleset.enter()
        ruleset.close()

    def _prepare_rules(self) -> None:
        """Workers are forked with the descriptors open; where all have the same rules, they are made here."""
        if not self._terms["apart"]:
            return
        if not landlock.version():
            raise OSError("needs Landlock of Linux 5.13 or newer, switched on")
        files = self._terms["files"] or []
        writable = [path for path, kind in files if kind == WRITE and os.path.isdir(path)]
        OWN_FILES.is_all = len(writable) <= 1
        self._own_rights = landlock.WRITE & landlock.known_rights()
        self._rules += [file_rule(path, kind) for path, kind in files]
        if self.namespaces is not None:
            self._ruleset = self._new_ruleset(None)

    def _new_ruleset(self, scratch: Optional[bytes]) -> Ruleset:
        network = self._terms["network"]
        scopes = landlock.SIGNALS | (0 if network else landlock.ABSTRACT_SOCKETS)
        ruleset = Ruleset(files=self._terms["files"] is not None, tcp=not network, scopes=scopes)
        for rule in self._rules:
            ruleset.allow(rule)
        if scratch is not None and self._terms["files"] is not None:
            own = os.open(scratch, os.O_PATH)
            ruleset.allow(Rule(own, self._own_rights))
            os.close(own)
        return ruleset

    def _load_filters(self) -> None:
        if self.namespaces is not None:
            self._last_filter = Filter("namespaces")
            Filter("zygote").load()
        for name in self._terms["filters"]:
            Filter(name).load()
        if self.namespaces is not None:
            self.namespaces.share_ipc()


def _refusal(give_up: Callable[[], None]) -> str:
    try:
        give_up()
    except OSError as error:
        return str(error)
    return ""


def file_rule(path: str, kind: str) -> Rule:
    """To READ or WRITE a file, or all beneath a folder; its descriptor stays open."""
    rights = RIGHTS[kind] & landlock.known_rights()
    return Rule(landlock.open_path(path), rights & (landlock.ALL if os.path.isdir(path) else landlock.OF_FILES))


def refuse_new_privileges() -> None:
    """Needed for all that binds; a program with the set-uid bit gives none from now on."""
    linux.prctl(PR_SET_NO_NEW_PRIVS, 1)


def _become(uid: int, gid: int, *, keeping: bool) -> None:
    """Another user, who may still make namespaces if `keeping`."""
    linux.prctl(PR_SET_KEEPCAPS, int(keeping))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if keeping:
        linux.keep_capabilities((CAP_SYS_ADMIN,))
