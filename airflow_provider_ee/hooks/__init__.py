"""Airflow connections to Earth Engine."""
