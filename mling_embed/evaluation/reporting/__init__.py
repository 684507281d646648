"""Reports: tables, the HTML page, files in MTEB's shape."""
