"""The laboratory for drills and tests. Nothing here is imported by tasks; flows.drill starts it."""
