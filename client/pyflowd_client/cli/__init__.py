"""The command line client, pyflowctl."""
