"""What producers notice of a partition that moves between log directories."""
