"""The ways to reach a host or device: bytes in, bytes out. Each knows its protocol and must not know what an incident is."""
