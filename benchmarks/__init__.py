"""Measures: what a migration and an app's writes cost here, beside what others take for the same on the same machine.

`make bench` runs it. Every figure comes from a process of its own, in rounds that take turns; nothing in the tests
asserts a time.
"""
