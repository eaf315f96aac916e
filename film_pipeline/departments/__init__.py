"""The departments of the film: the work of each stage, with no orchestrator around it."""
