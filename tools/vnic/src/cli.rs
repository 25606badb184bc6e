// SPDX-License-Identifier: GPL-2.0

//! What the command line can say.

use crate::{
    flow,
    policy,
    pool,
    print::Format,
    settings,
    why, //
};
use clap::{
    Args,
    Parser,
    Subcommand, //
};
use std::path::PathBuf;

/// The whole of it.
#[derive(Parser)]
#[command(
    name = "vnic",
    version,
    about = "Looks at virtual NICs and configures them, wherever they are",
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub output: Output,
    #[command(subcommand)]
    pub what: What,
}

/// How it is printed.
#[derive(Args)]
pub struct Output {
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

impl From<Output> for Format {
    fn from(output: Output) -> Self {
        match (output.json, output.parseable) {
            (true, pretty) => Self::Json { pretty },
            (false, true) => Self::Parseable(output.output),
            (false, false) => Self::Table,
        }
    }
}

/// What is to be done.
#[derive(Subcommand)]
pub enum What {
    /// VNICs: those on links of this namespace, and those in it
    Show {
        /// Only these, by name, NETNS/NAME or number
        names: Vec<String>,
        /// Only those on this link
        #[arg(long)]
        link: Option<String>,
    },
    /// Make a VNIC
    #[command(after_help = settings::NEW_HELP)]
    Add {
        /// What it sits on: a NIC, an etherstub
        link: String,
        /// The name of its device
        name: String,
        /// up, or a word and its value, several in a row
        settings: Vec<String>,
    },
    /// Delete VNICs wherever they are, and what is kept of absent ones: all, or none
    Del {
        /// By name, NETNS/NAME or number
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Change a VNIC: all that is asked for, or nothing
    #[command(after_help = settings::HELP)]
    Set {
        /// By name, NETNS/NAME or number
        name: String,
        /// up, down, or a word and its value, several in a row
        #[arg(required = true)]
        settings: Vec<String>,
        /// On behalf of this subject, whom policies name
        #[arg(long = "as", value_name = "SUBJECT")]
        behalf: Option<String>,
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
        /// Say nothing of events that are missing
        #[arg(short, long)]
        quiet: bool,
    },
    /// Who may change what
    Policy {
        #[command(subcommand)]
        what: Option<PolicyWhat>,
    },
    /// Packets of VNICs that are told apart
    Flow {
        #[command(subcommand)]
        what: Option<FlowWhat>,
    },
    /// Memory for the packets that VNICs receive
    Pool {
        #[command(subcommand)]
        what: Option<PoolWhat>,
    },
    /// Whether a change would be allowed, and which policy decides
    #[command(after_help = why::HELP)]
    Why {
        /// VNIC PARAM [VALUE] [as SUBJECT]; with --link without the VNIC
        words: Vec<String>,
        /// Ask about a link
        #[arg(long, conflicts_with = "last")]
        link: Option<String>,
        /// Instead: the last request that was denied, of this VNIC if one is named
        #[arg(long)]
        last: bool,
    },
    /// Requests that were denied
    Denied,
    /// Write links, VNICs, pools and policies into a document
    Export {
        /// The file; without, standard output
        file: Option<PathBuf>,
    },
    /// Make links, VNICs, pools and policies what a document says: all of it, or nothing
    Apply {
        /// The document; "-" is standard input
        file: PathBuf,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Delete VNICs on the document's links that it does not name, and pools that nobody is in
        #[arg(long)]
        prune: bool,
    },
    /// Look for what is wrong, and say how to cure it
    Doctor,
    /// Print what a shell needs for completion
    #[command(hide = true)]
    Completions {
        /// bash, zsh or fish
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory
        dir: PathBuf,
    },
}

/// What is to be done with links.
#[derive(Subcommand)]
pub enum LinkWhat {
    /// Show them
    Show {
        /// Only these
        names: Vec<String>,
    },
    /// Change one
    #[command(after_help = settings::LINK_HELP)]
    Set {
        /// Its name
        name: String,
        /// A word and its value, several in a row
        #[arg(required = true)]
        settings: Vec<String>,
    },
    /// Make an etherstub
    Add {
        /// Its name
        name: String,
    },
    /// Delete an etherstub, and the VNICs on it
    Del {
        /// Its name
        name: String,
    },
}

/// What is to be done with flows.
#[derive(Subcommand)]
pub enum FlowWhat {
    /// Show them, in the order in which they were added
    Show {
        /// Only those of this VNIC
        vnic: Option<String>,
        /// With what they counted
        #[arg(short, long)]
        statistics: bool,
    },
    /// Add one
    #[command(after_help = flow::HELP)]
    Add {
        /// The VNIC, by name, NETNS/NAME or number
        vnic: String,
        /// The name of the flow, then words and their values
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Change the limits of one; what it counted stays
    #[command(after_help = flow::SET_HELP)]
    Set {
        /// The VNIC, by name, NETNS/NAME or number
        vnic: String,
        /// The name of the flow
        name: String,
        /// Words and their values
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Delete some: all, or none
    Del {
        /// The VNIC, by name, NETNS/NAME or number
        vnic: String,
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// What is to be done with policies.
#[derive(Subcommand)]
pub enum PolicyWhat {
    /// Show them, in the order in which they decide
    Show {
        /// Only those of this VNIC
        vnic: Option<String>,
        /// Only those of this link
        #[arg(long, conflicts_with = "vnic")]
        link: Option<String>,
    },
    /// Add one
    #[command(after_help = policy::HELP)]
    Add {
        /// VNIC SUBJECT PARAM [VALUES]; with --link or --host without the VNIC
        #[arg(required = true)]
        words: Vec<String>,
        /// For this link
        #[arg(long)]
        link: Option<String>,
        /// For all on this host
        #[arg(long, conflicts_with = "link")]
        host: bool,
    },
    /// Delete some
    Del {
        /// Their numbers
        #[arg(required = true)]
        ids: Vec<u64>,
    },
}

/// What is to be done with pools.
#[derive(Subcommand)]
pub enum PoolWhat {
    /// Show them
    Show {
        /// Only this one; "host" is the host pool, of which all are a part
        name: Option<String>,
    },
    /// Make one
    #[command(after_help = pool::HELP)]
    Add {
        /// Its name
        name: String,
        /// A word and its value, several in a row
        #[arg(required = true)]
        settings: Vec<String>,
    },
    /// Change one
    #[command(after_help = pool::HELP)]
    Set {
        /// Its name; "host" is the host pool, which has a limit alone
        name: String,
        /// A word and its value, several in a row
        #[arg(required = true)]
        settings: Vec<String>,
    },
    /// Delete one that no VNIC is in
    Del {
        /// Its name
        name: String,
    },
}
