"""The workarea under both schemes: extents, owner, the proof and its counterexamples."""
