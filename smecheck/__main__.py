"""``python -m smecheck``."""

from smecheck.cli.main import main

if __name__ == "__main__":
    main()
