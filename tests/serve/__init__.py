"""`hemostat serve`: real processes, real HTTP, the laboratory's firewall."""
