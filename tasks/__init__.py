"""The seven steps and what they share. One file a step, one folder a kind of platform knowledge."""
