// SPDX-License-Identifier: GPL-2.0

//! Completions and manual pages, out of the definition of the command line.

use crate::{
    cli::Cli,
    error::Error, //
};
use clap::CommandFactory;
use std::{
    io::Write,
    path::Path, //
};

/// Prints what a shell needs.
pub fn completions(shell: clap_complete::Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "vnic", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

/// Writes vnic.1, and vnic-SUBCOMMAND.1 for each that is not hidden.
pub fn manual(dir: &Path) -> Result<(), Error> {
    let command = Cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, dir)
        .map_err(|error| Error::trouble(format!("{}: {error}", dir.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
