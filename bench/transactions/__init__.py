"""What transactions and heartbeats cost, compared with a plain produce."""
