"""Why a machine cannot join."""


class Refused(Exception):
    """One sentence for the person at the terminal: what is wrong and what to do."""
