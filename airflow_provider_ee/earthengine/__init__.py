"""The Earth Engine REST API as we know it. Knows nothing of Airflow; usable in a notebook."""
