"""Who does the work of a fleet: tasks, the order of rows, processes that may die."""
