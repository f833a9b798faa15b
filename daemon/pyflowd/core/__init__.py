"""The pure decisions of the daemon: stimuli in, effects out."""
