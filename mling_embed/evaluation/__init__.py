"""Evaluation: tasks, suites, the runner that scores encoders on them, and reports."""
