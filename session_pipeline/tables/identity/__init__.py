"""Identity: which visitor ids and user ids belong to the same person. Built only if identity.by is person."""
