"""Archives and folders of a support case: their members, and what those say."""
