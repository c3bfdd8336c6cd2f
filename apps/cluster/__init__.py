"""State: types, the registry of kinds, models, the one writer, the change log. Knows no policy and no transport."""
