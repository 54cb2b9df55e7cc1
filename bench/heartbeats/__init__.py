"""What the heartbeats of many consumer groups cost a broker."""
