"""Sensors that wait for Earth Engine operations."""
