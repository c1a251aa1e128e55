"""The rules: each looks at one case and yields findings, worded but not formatted."""
