"""smecheck from Python: the functions that the package exports.

Inputs are paths, open files, or what one of the readers here returned. Nothing is printed, nothing
is written; what cannot be read or meant is raised as a :class:`~smecheck.errors.SmecheckError`.
"""
