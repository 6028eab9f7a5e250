"""Which AI chip gives the most tokens per dollar, and why."""
