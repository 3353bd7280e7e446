"""From the store to what readers open: by rename, and only when nothing is stale."""
