"""The page: look, ask, correct and teach in a browser. The only importer of the web server."""
