"""The command line: the only place that opens outputs and exits."""

COMPLETE_VARIABLE = "_SMECHECK_COMPLETE"
"""The environment variable by which click knows that a shell asks for completions."""
