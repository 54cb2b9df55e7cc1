"""How long a log takes to come back after a kill, and after a clean stop."""
