"""A range of real hosts in Linux namespaces: own network, processes, mounts; one kernel. Each file knows one part of it."""
