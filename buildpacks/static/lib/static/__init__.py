"""The static buildpack: nginx for a folder of files, with the headers, redirects and error pages that stand in it."""
