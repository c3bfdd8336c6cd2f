"""Drover as a service where systemd runs: machines within this one whose process 1 is this machine's own systemd."""
