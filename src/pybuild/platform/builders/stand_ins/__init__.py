"""What stands in our lifecycle's archive in the place of packages of the same names: each does what the phases need of it.

These files are read as texts by `lifecycle_program`; nothing imports them from here. In the archive they come before
the standard library. ADR 18 has what each of them saves.
"""
