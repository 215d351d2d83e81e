"""The services that serve what the registry promotes. They share file formats with scripts/, and no code."""
