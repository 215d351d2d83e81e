"""The library behind the commands in scripts/ and, in parts, behind the services."""
