"""The finalizers that we set, or inherit from objects that the peer made."""

REDIS_CLEANUP = "ray.io/gcs-ft-redis-cleanup-finalizer"
RAY_JOB = "ray.io/rayjob-finalizer"
RAY_SERVICE = "ray.io/rayservice-finalizer"
"""Only the peer sets it (for us garbage collection by owner suffices); we must remove it."""
