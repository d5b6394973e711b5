"""The lint of the shipped PowerShell: no engine can be had here, so a parser and our own rules read every script."""
