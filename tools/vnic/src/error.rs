// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, in sentences, and the exit status that it has.

use std::{
    fmt,
    process::ExitCode, //
};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum Error {
    /// The command itself makes no sense. Status 2, as for unknown options.
    Usage(String),
    /// The kernel refused. Status 1.
    Refused {
        /// A positive `errno`.
        errno: i32,
        /// The kernel's sentence, if it had one.
        sentence: Option<String>,
    },
    /// The module is not there. Status 3.
    NoModule,
    /// Something else between us and the kernel. Status 4.
    Trouble(String),
    /// The answer is no, and was printed. Status 1.
    No,
    /// Standard output was closed.
    Closed,
}

impl Error {
    /// The exit status.
    pub fn status(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused { .. } | Self::No => 1,
            Self::Usage(_) => 2,
            Self::NoModule => 3,
            Self::Trouble(_) => 4,
            Self::Closed => 0,
        })
    }

    /// The command makes no sense, in a sentence.
    pub fn usage<T>(sentence: impl Into<String>) -> Result<T, Self> {
        Err(Self::Usage(sentence.into()))
    }

    /// Something between us and the kernel.
    pub fn trouble(what: impl fmt::Display) -> Self {
        Self::Trouble(what.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) | Self::Trouble(sentence) => f.write_str(sentence),
            Self::NoModule => {
                f.write_str("the module vnic is not loaded: modprobe vnic, or insmod vnic.ko")
            }
            Self::Refused {
                errno,
                sentence: None,
            } => {
                let text = std::io::Error::from_raw_os_error(*errno).to_string();
                // Without " (os error N)".
                f.write_str(text.split(" (os error").next().unwrap_or(&text))?;
                match *errno {
                    nix::libc::EOPNOTSUPP => {
                        f.write_str("; is the module older than this command?")
                    }
                    _ => Ok(()),
                }
            }
            // The module's sentences say who speaks, and so do we.
            Self::Refused {
                sentence: Some(sentence),
                ..
            } => f.write_str(sentence.strip_prefix("vnic: ").unwrap_or(sentence)),
            Self::No => f.write_str("no"),
            Self::Closed => f.write_str("standard output is closed"),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::trouble(error),
        }
    }
}

impl From<nix::Error> for Error {
    fn from(error: nix::Error) -> Self {
        Self::trouble(error.desc())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::from(std::io::Error::from(error))
    }
}
