//! The command `hb completions`: scripts that complete the commands and options of `hb` in a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::history::InputError;
use crate::output;

/// Prints a script that completes the commands and options of hb in a shell.
///
/// Save the script where the shell looks for it, as below, and start a new shell.
#[derive(Debug, Args)]
#[command(after_long_help = INSTALLATION)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const INSTALLATION: &str = "\
For bash, with the package bash-completion:
  mkdir -p ~/.local/share/bash-completion/completions
  cd ~/.local/share/bash-completion/completions
  hb completions bash > hb

For zsh:
  mkdir -p ~/.zfunc
  hb completions zsh > ~/.zfunc/_hb
and these lines in ~/.zshrc:
  fpath=(~/.zfunc $fpath)
  autoload -U compinit && compinit

For fish:
  mkdir -p ~/.config/fish/completions
  hb completions fish > ~/.config/fish/completions/hb.fish

For elvish, this line in ~/.config/elvish/rc.elv:
  eval (hb completions elvish | slurp)

For PowerShell, this line in the file that $PROFILE names:
  hb completions powershell | Out-String | Invoke-Expression";

/// Prints the script for the commands and options of `hb`.
pub(super) fn completions(options: &Completions, mut hb: Command) -> Result<bool, InputError> {
    let name = hb.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut hb, name, &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(true)
}
