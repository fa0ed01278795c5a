"""Models of the four kinds in version v1: one module each, generated (hack/generate_models.py)."""
