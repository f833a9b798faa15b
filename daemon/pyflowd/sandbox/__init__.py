"""What nodes are kept from, and how that is built."""
