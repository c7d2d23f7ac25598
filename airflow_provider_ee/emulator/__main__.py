"""``python -m airflow_provider_ee.emulator``."""

import sys

from airflow_provider_ee.emulator.cli import main

sys.exit(main())
