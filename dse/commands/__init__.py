"""What can be asked on the command line: parse, call, show."""
