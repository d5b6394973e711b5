"""A simulated Windows behind the WS-Management laboratory: it keeps state and answers hemostat's own scripts, no others."""
