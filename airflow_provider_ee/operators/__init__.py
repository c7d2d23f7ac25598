"""Operators that start Earth Engine exports."""
