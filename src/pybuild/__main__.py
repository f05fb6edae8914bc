"""`python -m pybuild` is `pybuild`."""

from pybuild.cli.main import main

if __name__ == "__main__":
    main()
