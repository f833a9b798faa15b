"""IO without policy: sockets, processes, descriptors."""
