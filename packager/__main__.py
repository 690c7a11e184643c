"""The command `packager`, and `python -m packager`: first of all the current folder leaves the module path."""

from packager.engine.processes import import_path


def run() -> None:
    """Run the command line of this process."""
    import_path.leave_current_folder()
    from packager.cli import app  # not before: it imports much

    app.run()


if __name__ == "__main__":
    run()
