"""`up` and `down` as a person meets them; runs before the suites that keep a platform of their own."""
