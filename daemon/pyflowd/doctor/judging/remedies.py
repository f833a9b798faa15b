"""What enables what is missing, as lines for people; those that begin with "$ " are commands."""

INSTALL = {"debian": "$ sudo apt-get install {package}", "fedora": "$ sudo dnf install {package}"}
NEWER_KERNEL = {
    "debian": (
        "Ubuntu 24.04:\n$ sudo apt-get install linux-generic-hwe-24.04\n"
        "Debian 12, with its backports:\n$ sudo apt-get install -t bookworm-backports linux-image-amd64\n"
        "Later releases have it already."
    ),
    "fedora": "$ sudo dnf upgrade kernel",
}
COMMAND_LINE = {
    "debian": "Add {option} to GRUB_CMDLINE_LINUX in /etc/default/grub, then:\n$ sudo update-grub\n$ sudo reboot",
    "fedora": "$ sudo grubby --update-kernel=ALL --args={option}\n$ sudo reboot",
}
LABELS = {"debian": "Debian, Ubuntu:", "fedora": "Fedora:"}
MODULES = "lockdown,yama,integrity,apparmor,bpf"  # what distributions switch on, where the kernel does not tell
SETTINGS = "the settings (config.toml)"
RESTART = "$ pyflowctl stop\nThe next command starts a daemon anew."
PROFILE = (
    "$ printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile bwrap {program} flags=(unconfined) {{\\n"
    "  userns,\\n}}\\n' | sudo tee /etc/apparmor.d/bwrap\n$ sudo apparmor_parser -r /etc/apparmor.d/bwrap"
)
DELEGATION = (
    "Let systemd run the daemon, with groups of its own: copy systemd/pyflowd.service of this project to"
    " ~/.config/systemd/user/, then:\n"
    "$ systemctl --user daemon-reload && systemctl --user enable --now pyflowd"
)


def of_family(texts: dict[str, str], family: str, **words: str) -> str:
    """The text for a kind of distribution; for an unknown one all of them."""
    if family in texts:
        return texts[family].format(**words)
    return "\n".join(f"{LABELS[name]}\n{text.format(**words)}" for name, text in texts.items())


def switch(name: str, value: int) -> str:
    """Change a setting of the kernel, now and for good."""
    return f"$ echo {name}={value} | sudo tee -a /etc/sysctl.d/60-pyflowd.conf\n$ sudo sysctl --system"
