"""Triggers that wait for Earth Engine operations."""
