"""Builds of a kernel held against rules, machines, thresholds, and one another."""
