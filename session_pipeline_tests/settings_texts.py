"""Parts of settings.toml that several test modules use."""

STEPS = """
steps = [
    { name = "cart", where = "event_name = 'add_to_cart'" },
    { name = "checkout", where = "event_name = 'begin_checkout'" },
    { name = "purchase", where = "event_name = 'purchase'" },
]
"""
