"""What the caches keep of each kind: small frozen values, projected from the API server's JSON.

A view has at least `key`, `uid`, `resource_version`.  `project` never fails for a document of any
shape.  A pod costs about 2 kB this way, not 20 (spec: measured), and raw documents stop here.
"""
