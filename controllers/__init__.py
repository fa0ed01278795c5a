"""What Ray needs of Kubernetes: one sub-package a kind, and the parts that they share."""
