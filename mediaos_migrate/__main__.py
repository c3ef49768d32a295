"""`python -m mediaos_migrate`."""

from .cli.main import main

main()
