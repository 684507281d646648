"""Distillation: teacher targets, solvers, and the whole procedure."""
