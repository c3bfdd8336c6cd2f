"""Who someone is and what they may do: tokens, sessions, certificates, set-up and policy."""
