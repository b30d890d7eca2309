"""Continual image de-raining by Neural Reorganization (NR, ICCV 2021). The library imports no workflow engine."""
