"""The terms on which a fork server and its workers start: what `worker_side/confinement.py` is to enter."""

from typing import Any

from pyflowd.core.profiles import Profile
from pyflowd.sandbox.bubblewrap import Places
from pyflowd.sandbox.tiers import Tier
from pyflowd.sandbox.views import View
from pyflowd.worker_side.confinement import READ, WRITE
from pyflowd.worker_side.landlock import VERSION_WITH_SCOPES


def terms(
    tier: Tier,
    profile: Profile,
    view: View,
    places: Places,
    *,
    user: tuple[int, int] | None,
    landlock: int,
) -> dict[str, Any]:
    """For a profile in a tier. user: whom to become in the user namespace. landlock: the kernel's version of it."""
    has_network = tier is Tier.T0 or profile.net or profile.everything
    return {
        "user": user,
        "namespaces": _namespaces(profile, places, own_network=not has_network and landlock < VERSION_WITH_SCOPES)
        if tier is Tier.T3
        else None,
        "filters": ["floor", *([] if tier is Tier.T3 else ["namespaces", "others"]), *_of_sockets(tier, profile)],
        "apart": tier is not Tier.T0,
        "files": _files(tier, profile, view, places),
        "network": has_network,
        "workdir": profile.workdir,
    }


def _namespaces(profile: Profile, places: Places, *, own_network: bool) -> tuple[Any, ...]:
    return (
        places.own,
        profile.scratch_bytes,
        profile.scratch_files,
        profile.processes,
        own_network,
    )


def _of_sockets(tier: Tier, profile: Profile) -> list[str]:
    """Landlock does not bound connections to a socket in a folder: where any may be in view, nodes have no sockets."""
    if tier is Tier.T0 or profile.net or profile.everything:
        return []
    sees_sockets = tier is Tier.T1 or profile.read or profile.write or profile.workdir
    return ["sockets" if sees_sockets else "network"]


def _files(tier: Tier, profile: Profile, view: View, places: Places) -> list[tuple[str, str]] | None:
    if tier is Tier.T0 or profile.everything:
        return None
    writable = [(path, WRITE) for path in (*view.write, *view.devices)]
    if tier is Tier.T3:
        return [("/", READ), (places.owns_parent, WRITE), *writable]
    return [*((path, READ) for path in (*view.read, "/proc")), *writable]
