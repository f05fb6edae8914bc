"""`python -m pybuild` is `pybuild`."""

from pybuild.cli.start import pybuild

if __name__ == "__main__":
    pybuild()
