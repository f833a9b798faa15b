"""How well nodes are kept from what is not theirs, and who they are."""

from collections.abc import Iterable

from pyflowd.doctor.facts import Environment, Users
from pyflowd.doctor.judging import remedies
from pyflowd.doctor.judging.shapes import fine, unknown
from pyflowd.sandbox.tiers import Tier
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

AREA = "sandbox"
MEANS = {
    Tier.T3: "each node sees only what is its own",
    Tier.T2: "nodes see nothing of yours",
    Tier.T1: "Landlock and seccomp keep nodes from your files and programs",
    Tier.T0: "nodes are limited, but not kept in",
}
EXPOSES = {
    Tier.T2: "Nodes of one environment see each other's processes and scratch folders, though they cannot enter them.",
    Tier.T1: "Nodes see the names of your files and the command lines of your processes, but cannot reach them.",
    Tier.T0: "Nodes can read and write all your files, connect to your programs and use the network.",
}
HIGHEST_NEEDS = (
    "Nothing must be done. T3 needs a bubblewrap without the set-uid bit, whose children may have capabilities in its"
    " namespaces (the AppArmor profile that comes with some systems denies them)."
)


def judge_tier(environment: Environment, highest: Tier) -> Observation:
    """One environment. highest: what the settings allow."""
    name = title(environment)
    tier = environment.tier
    if tier is None:
        return unknown(AREA, name, "no fork server could be started yet, so nothing was tried")
    detail = f"{tier.name}: {MEANS[tier]}"
    if tier is highest and tier is not Tier.T3:
        detail += "; the settings allow no higher tier"
    if environment.lacks:
        detail += f". What is lacking: {_in_words(environment.lacks)}"
    if tier is Tier.T3:
        return fine(AREA, name, detail)
    if tier is highest:
        remedy = f"Remove maximum_tier from [sandbox] in {remedies.SETTINGS}, then:\n{remedies.RESTART}"
    elif tier is Tier.T2:
        remedy = HIGHEST_NEEDS
    else:
        remedy = f"Put right what is said of the kernel here, then:\n{remedies.RESTART}"
    return Observation(
        area=AREA,
        name=name,
        state=Health.ATTENTION,
        detail=detail,
        exposes=EXPOSES[tier],
        remedy=remedy,
        matters=tier < Tier.T2,
    )


def _in_words(lacks: Iterable[str]) -> str:
    """What keeps it from several tiers is said once."""
    tiers: dict[str, list[str]] = {}
    for lack in lacks:
        name, _, reason = lack.partition(": ")
        if name in Tier.__members__:
            tiers.setdefault(reason, []).append(name)
        else:
            tiers[lack] = []
    return "; ".join(f"{reason} (for {' and '.join(names)})" if names else reason for reason, names in tiers.items())


def judge_least(least: Tier) -> Observation:
    """What the settings demand."""
    if least > Tier.T0:
        detail = f"{least.name}: no node runs in a lower one"
        return fine(AREA, "least tier", detail)
    return Observation(
        area=AREA,
        name="least tier",
        state=Health.ATTENTION,
        detail="T0: the settings let nodes run whether or not they can be kept in",
        exposes="Should the sandbox fail one day, nodes run all the same, with all that you may do.",
        remedy=f'Set minimum_tier = "T1" in [sandbox] of {remedies.SETTINGS}, then:\n{remedies.RESTART}',
    )


def judge_users(environments: Iterable[Environment], users: Users) -> list[Observation]:
    """Who the nodes of each environment are; of those with a process that could be looked at."""
    judged = [_user(one, users) for one in environments if one.user is not None]
    if users.uid == 0 and not users.has_node_user:
        judged.append(
            Observation(
                area="nodes",
                name="node user",
                state=Health.MISSING,
                detail=f"there is no user {users.node_user}",
                exposes="The daemon is root and has nobody to make of its nodes: they stay root, in a lower tier.",
                remedy=f"$ sudo useradd --system --no-create-home {users.node_user}\nor name another as node_user in"
                f" [sandbox] of {remedies.SETTINGS}, then:\n{remedies.RESTART}",
                matters=True,
            )
        )
    return judged


def _user(environment: Environment, users: Users) -> Observation:
    name = title(environment)
    if environment.user == 0:
        is_wanted = environment.permissions == "everything"
        return Observation(
            area="nodes",
            name=name,
            state=Health.ATTENTION,
            detail="run as root (uid 0), without capabilities" + (", for they were permitted everything" * is_wanted),
            exposes="What belongs to root is theirs: a hole in the sandbox opens the whole machine.",
            remedy="Start the daemon as an ordinary user, or see that the tier is T2 or higher.",
            matters=not is_wanted,
        )
    if environment.user != users.uid:
        detail = f"run as {users.node_user} (uid {environment.user}), who owns nothing; the daemon is root"
    elif environment.tier is not None and environment.tier >= Tier.T2:
        detail = f"run as {users.name} (uid {users.uid}), who is shown as nobody inside"
    else:
        detail = f"run as {users.name} (uid {users.uid})"
    return fine("nodes", name, detail)


def title(environment: Environment) -> str:
    """What an environment is called."""
    return environment.python + (f" ({environment.permissions})" if environment.permissions else "")
