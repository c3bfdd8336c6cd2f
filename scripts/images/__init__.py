"""Makes stand-ins for the images of examples/ and catalog: the real software from Debian, in a registry's own layout.

Nothing is built by an engine and nothing is pushed: layers, manifests and tags are written as the registry keeps
them, from the same packages to the same bytes, so a second run finds everything in place.
"""
