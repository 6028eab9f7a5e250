"""Number formats: what a value becomes when it is stored in one."""
