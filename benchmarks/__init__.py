"""Figures: each benchmark is one module that registers a function; ratios are taken within one run."""
