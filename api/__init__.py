"""What users write: kinds, names, labels, conditions and the rules a manifest must keep.

Everything here is pure: no I/O, no clock, no environment, no client.  The machinery in
`ray_operator.operator` is not imported, so that scripts and tests can use the package alone.
"""
