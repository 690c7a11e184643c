"""`packager completion`."""

from typing import Annotated

import typer

from packager.cli import output
from packager.errors import InputError

# Each script asks packager, by Typer's protocol, which words may come next.
_SCRIPTS = {
    "bash": r"""_packager_completion() {
    local IFS=$'\n'
    COMPREPLY=( $(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _PACKAGER_COMPLETE=complete_bash "$1") )
}
complete -o default -F _packager_completion packager""",
    "zsh": r"""#compdef packager
_packager_completion() {
    eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _PACKAGER_COMPLETE=complete_zsh packager)
}
compdef _packager_completion packager""",
    "fish": r'''function __packager_complete
    set -lx _PACKAGER_COMPLETE complete_fish
    set -lx _TYPER_COMPLETE_FISH_ACTION $argv[1]
    set -lx _TYPER_COMPLETE_ARGS (commandline -cp)
    packager
end
complete -c packager --no-files -a "(__packager_complete get-args)" -n "__packager_complete is-args"''',
}


def completion(shell: Annotated[str, typer.Argument(help="The shell.", metavar="bash|zsh|fish")]) -> None:
    """Print a shell completion script.

    It completes commands, options, and the names of phases and shards. For bash, add this line to ~/.bashrc (for zsh to
    ~/.zshrc, after compinit): source <(packager completion bash)

    Example: packager completion bash
    """
    if shell not in _SCRIPTS:
        listed = "bash, zsh or fish"
        raise InputError("completion", f'"{shell}" is not {listed}', f"write one of: {listed}")
    output.print_message(_SCRIPTS[shell])
