"""Controllers: each moves the cluster one step towards what was asked for, one file each, all of one shape.

A controller looks (reads only), plans (pure) and carries out if what it saw still holds. Controllers never
import each other; they meet in the store. What they do not do: talk to nodes, or decide where pods run.
"""
