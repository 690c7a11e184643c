"""The pages: variables, filters and templates (jinja2) become HTML, a feed and lists."""
