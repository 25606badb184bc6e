// SPDX-License-Identifier: GPL-2.0

//! `vnic`: looks at virtual NICs wherever they are, configures them, and watches what happens.
//!
//! It speaks the netlink family "vnic" (Documentation/netlink.md).

mod attrs;
mod error;
mod family;
mod netns;
mod object;
mod print;
mod settings;
mod uapi;

use clap::{
    Args,
    Parser,
    Subcommand, //
};
use error::Error;
use family::Family;
use object::{
    Event,
    Link,
    Stats,
    Vnic, //
};
use print::{
    Format,
    Printer, //
};

#[derive(Parser)]
#[command(
    name = "vnic",
    version,
    about = "Looks at virtual NICs and configures them, wherever they are",
    max_term_width = 100
)]
struct Command {
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    what: What,
}

#[derive(Args)]
struct Output {
    /// Print JSON
    #[arg(short, long, global = true)]
    json: bool,
    /// Print one line for each, its fields divided by colons; with --json, JSON for the eye
    #[arg(short, long, global = true)]
    parseable: bool,
    /// With --parseable: these fields alone, in this order
    #[arg(
        short,
        long,
        global = true,
        value_delimiter = ',',
        requires = "parseable"
    )]
    output: Vec<String>,
}

#[derive(Subcommand)]
enum What {
    /// VNICs: those on links of this namespace, and those in it
    Show {
        /// Only these, by name, NETNS/NAME or number
        names: Vec<String>,
        /// Only those on this link
        #[arg(long)]
        link: Option<String>,
    },
    /// Change a VNIC: all that is asked for, or nothing
    #[command(after_help = settings::HELP)]
    Set {
        /// By name, NETNS/NAME or number
        name: String,
        /// up, down, or a word and its value, several in a row
        #[arg(required = true)]
        settings: Vec<String>,
    },
    /// Links that have VNICs
    Link {
        #[command(subcommand)]
        what: Option<LinkWhat>,
    },
    /// What VNICs counted
    Stats {
        /// Only these, by name, NETNS/NAME or number
        names: Vec<String>,
    },
    /// Say what happens, until interrupted
    Monitor {
        /// End after so many events
        #[arg(long)]
        count: Option<usize>,
    },
}

#[derive(Subcommand)]
enum LinkWhat {
    /// Show them
    Show {
        /// Only these
        names: Vec<String>,
    },
    /// Change one
    Set {
        /// Its name
        name: String,
        /// "host on" or "host off"
        #[arg(required = true)]
        settings: Vec<String>,
    },
}

fn run(command: Command) -> Result<(), Error> {
    let family = Family::connect()?;
    let output = command.output;
    let printer = Printer::new(match (output.json, output.parseable) {
        (true, pretty) => Format::Json { pretty },
        (false, true) => Format::Parseable(output.output),
        (false, false) => Format::Table,
    });
    match command.what {
        What::Show { names, link } => {
            let mut vnics = Vnic::selected(&family, &names)?;
            if let Some(link) = link {
                let link = Link::named(&family, &link)?;
                vnics.retain(|vnic| vnic.link.as_deref() == Some(&link.name));
            }
            printer.all(&vnics)
        }
        What::Set { name, settings } => {
            let settings = settings::of_vnic(&settings)?;
            Vnic::named(&family, &name)?.set(&family, settings)
        }
        What::Link { what } => match what.unwrap_or(LinkWhat::Show { names: Vec::new() }) {
            LinkWhat::Show { names } => printer.all(&Link::selected(&family, &names)?),
            LinkWhat::Set { name, settings } => {
                let settings = settings::of_link(&settings)?;
                Link::named(&family, &name)?.set(&family, settings)
            }
        },
        What::Stats { names } => {
            let vnics = Vnic::selected(&family, &names)?;
            printer.all(&Stats::of(&family, &vnics)?)
        }
        What::Monitor { count } => {
            let events = family.events()?;
            for event in events.take(count.unwrap_or(usize::MAX)) {
                printer.one(&Event::from(event?))?;
            }
            Ok(())
        }
    }
}

fn main() -> std::process::ExitCode {
    // A reader that goes away is no error of ours.
    match run(Command::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(Error::Closed) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vnic: {error}");
            error.status()
        }
    }
}
