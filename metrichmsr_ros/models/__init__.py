"""Estimators that turn landmarks and rays into SMPL parameters."""
