"""The command line: words to calls, results to words. One module for each command; `main` chooses."""
