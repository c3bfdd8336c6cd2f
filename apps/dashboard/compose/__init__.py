"""Composing an application: a draft is one YAML text, and the canvas, the forms and the list are ways to read and
change it. ``desk`` brings together what a page needs, ``deeds`` says what can be asked, ``keeping`` keeps drafts; the
rest is pure. The format is judged by ``apps.catalog`` alone.
"""
