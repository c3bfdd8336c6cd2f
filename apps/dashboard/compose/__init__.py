"""Composing an application: a draft is one YAML text, and the canvas, the forms and the list are ways to read and
change it. Pure but for ``keeping``, which keeps drafts. The format is judged by ``apps.catalog`` alone.
"""
