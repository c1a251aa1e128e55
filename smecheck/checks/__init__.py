"""The rules: each looks at one situation and yields findings, worded but not formatted."""
