"""Apache Airflow provider for Google Earth Engine."""

# Airflow imports this package while its own configuration loads: import nothing of Airflow here.
__version__ = "0.1.0"
