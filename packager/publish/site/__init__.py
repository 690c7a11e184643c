"""Makes the site's pages, feed and lists from templates (jinja2)."""
