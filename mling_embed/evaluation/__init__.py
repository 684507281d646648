"""Evaluation: tasks, the runner that scores encoders on them, and reports."""
