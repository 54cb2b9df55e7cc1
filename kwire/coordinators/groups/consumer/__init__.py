"""Consumer groups of KIP-848: the coordinator assigns, and members reconcile by heartbeats."""
