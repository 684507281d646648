"""Distillation: a run, from its configuration to the model folder."""
