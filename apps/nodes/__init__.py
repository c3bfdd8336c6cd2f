"""The agents' side of the server: their one connection, what they are told and report, the way to a node's
door."""
