"""The API of the first articles, v1beta1: its pods and replication controllers are said in v1 and back, nothing more.

``convert`` is pure; ``serve`` carries a request to the core as the v1 request it means.
"""
