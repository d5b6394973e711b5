"""What happens in which order, and who called: the doors and the flows."""
