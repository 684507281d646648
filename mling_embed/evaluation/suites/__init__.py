"""Suites of tasks, one module a data set."""
