"""The table that describes a published warehouse file."""
