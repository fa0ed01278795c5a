"""`make demo`: from nothing to the sample's answers, each step shown as a person types it."""
