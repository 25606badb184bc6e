// SPDX-License-Identifier: GPL-2.0

//! `vnic`: looks at virtual NICs wherever they are, configures them, and watches what happens.
//!
//! It speaks the netlink family "vnic" (Documentation/netlink.md), and rtnetlink where devices are made.

mod apply;
mod attrs;
mod cli;
mod create;
mod diff;
mod doctor;
mod document;
mod error;
mod event;
mod family;
mod flow;
mod limits;
mod link;
mod message;
mod netns;
mod pages;
mod policies;
mod policy;
mod pool;
mod print;
mod rtnl;
mod settings;
mod socket;
mod state;
mod stats;
mod uapi;
mod vnic;
mod why;
mod words;

use clap::Parser;
use cli::{
    Cli,
    FlowWhat,
    LinkWhat,
    PolicyWhat,
    PoolWhat,
    What, //
};
use error::Error;
use family::Family;
use link::Link;
use pool::{
    HostPool,
    Pool, //
};
use print::{
    Format,
    Printer, //
};
use settings::Settings;
use stats::Stats;
use vnic::Vnic;
use why::Denial;

fn show(printer: &Printer, names: &[String], link: Option<&str>) -> Result<(), Error> {
    let family = Family::connect()?;
    let mut vnics = Vnic::selected(&family, names)?;
    if let Some(link) = link {
        let link = Link::named(&family, link)?;
        vnics.retain(|vnic| vnic.link.as_deref() == Some(&link.name));
    }
    printer.all(&vnics)
}

fn set(name: &str, settings: &[String], behalf: Option<&str>) -> Result<(), Error> {
    let request = Settings::of_vnic(settings)?.attrs(attrs::Request::default());
    let request = match behalf {
        Some(subject) => request.text(uapi::vnic::SUBJECT_NAME, subject),
        None => request,
    };
    let family = Family::connect()?;
    Vnic::named(&family, name)?.set(&family, request)
}

fn link(printer: &Printer, what: LinkWhat) -> Result<(), Error> {
    match what {
        LinkWhat::Show { names } => {
            let family = Family::connect()?;
            printer.all(&Link::selected(&family, &names)?)
        }
        LinkWhat::Set { name, settings } => {
            let settings = settings::of_link(&settings)?;
            let family = Family::connect()?;
            Link::named(&family, &name)?.set(&family, settings)
        }
        // The kernel may load the module for it.
        LinkWhat::Add { name } => create::add_etherstub(&name),
        LinkWhat::Del { name } => create::delete_etherstub(&Family::connect()?, &name),
    }
}

fn flow(printer: &Printer, what: FlowWhat) -> Result<(), Error> {
    let family = Family::connect()?;
    match what {
        FlowWhat::Show { vnic, statistics } => {
            let flows = flow::show(&family, vnic.as_deref())?;
            match statistics {
                true => {
                    let counted: Vec<_> = flows.into_iter().map(flow::Counted).collect();
                    printer.all(&counted)
                }
                false => printer.all(&flows),
            }
        }
        FlowWhat::Add { vnic, words } => flow::add(&family, &vnic, &words),
        FlowWhat::Set { vnic, name, words } => flow::set(&family, &vnic, &name, &words),
        FlowWhat::Del { vnic, names } => flow::delete(&family, &vnic, &names),
    }
}

fn policy(printer: &Printer, what: PolicyWhat) -> Result<(), Error> {
    let family = Family::connect()?;
    match what {
        PolicyWhat::Show { vnic, link } => {
            printer.all(&policies::show(&family, link.as_deref(), vnic.as_deref())?)
        }
        PolicyWhat::Add { words, link, host } => {
            printer.all(&policies::add(&family, link.as_deref(), host, &words)?)
        }
        PolicyWhat::Del { ids } => policies::delete(&family, &ids),
    }
}

fn pool(printer: &Printer, what: PoolWhat) -> Result<(), Error> {
    match what {
        PoolWhat::Show { name } => {
            let family = Family::connect()?;
            match name.as_deref() {
                Some(pool::HOST) => printer.all(&[HostPool::read(&family)?]),
                Some(name) => printer.all(&[Pool::named(&family, name)?]),
                None => printer.all(&Pool::all(&family)?),
            }
        }
        PoolWhat::Add { name, settings } => {
            let settings = pool::Settings::parse(&settings)?;
            pool::add(&Family::connect()?, &name, &settings)
        }
        PoolWhat::Set { name, settings } => {
            let settings = pool::Settings::parse(&settings)?;
            pool::set(&Family::connect()?, &name, &settings)
        }
        PoolWhat::Del { name } => pool::delete(&Family::connect()?, &name),
    }
}

fn why(printer: &Printer, words: &[String], link: Option<&str>, last: bool) -> Result<(), Error> {
    let family = Family::connect()?;
    if last {
        if let Some(word) = words.get(1) {
            return Error::usage(format!("\"{word}\" is one word too many after --last VNIC"));
        }
        let vnic = words.first().map(String::as_str);
        return printer.all(&[Denial::last(&family, vnic)?]);
    }
    let verdict = why::ask(&family, link, words)?;
    let yes = verdict.is_yes();
    printer.all(&[verdict])?;
    if yes {
        Ok(())
    } else {
        Err(Error::No)
    }
}

fn run(cli: Cli) -> Result<(), Error> {
    let printer = Printer::new(Format::from(cli.output));
    match cli.what {
        What::Show { names, link } => show(&printer, &names, link.as_deref()),
        What::Add {
            link,
            name,
            settings,
        } => create::add(&link, &name, &settings),
        What::Del { names } => create::delete(&Family::connect()?, &names),
        What::Set {
            name,
            settings,
            behalf,
        } => set(&name, &settings, behalf.as_deref()),
        What::Link { what } => {
            let all = || LinkWhat::Show { names: Vec::new() };
            link(&printer, what.unwrap_or_else(all))
        }
        What::Stats { names } => {
            let family = Family::connect()?;
            let vnics = Vnic::selected(&family, &names)?;
            printer.all(&Stats::of(&family, &vnics)?)
        }
        What::Monitor { count, quiet } => {
            event::monitor(&Family::connect()?, &printer, count, quiet)
        }
        What::Policy { what } => policy(
            &printer,
            what.unwrap_or(PolicyWhat::Show {
                vnic: None,
                link: None,
            }),
        ),
        What::Flow { what } => flow(
            &printer,
            what.unwrap_or(FlowWhat::Show {
                vnic: None,
                statistics: false,
            }),
        ),
        What::Pool { what } => pool(&printer, what.unwrap_or(PoolWhat::Show { name: None })),
        What::Why { words, link, last } => why(&printer, &words, link.as_deref(), last),
        What::Denied => printer.all(&Denial::all(&Family::connect()?)?),
        What::Export { file } => state::export(&Family::connect()?, file.as_deref()),
        What::Apply {
            file,
            dry_run,
            prune,
        } => apply::run(&printer, &file, dry_run, prune),
        What::Doctor => doctor::run(&printer),
        What::Completions { shell } => pages::completions(shell),
        What::Man { dir } => pages::manual(&dir),
    }
}

fn main() -> std::process::ExitCode {
    match run(Cli::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        // What there was to say was said, or nobody reads it.
        Err(error @ (Error::Closed | Error::No)) => error.status(),
        Err(error) => {
            eprintln!("vnic: {error}");
            error.status()
        }
    }
}
