"""The command line: the only place that opens outputs and exits."""
