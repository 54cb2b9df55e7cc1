"""How long what groups have committed takes to load at a restart, and what clients notice meanwhile."""
