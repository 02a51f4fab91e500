"""The configuration: settings, names, protocols, methods by name, and resources of jobs."""
