// SPDX-License-Identifier: GPL-2.0

//! Whether a request would be allowed, and what was denied.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    family::Family,
    link,
    netns::Names,
    policies::{
        Rule,
        Scopes, //
    },
    policy::{
        is_hidden,
        param_number,
        param_word,
        Files,
        Subject, //
    },
    print::Row,
    uapi::{
        cmd,
        request as attr, //
    },
    vnic::Vnic,
    words::{
        address,
        address_text,
        Words, //
    },
};
use serde::Serialize;

/// How a question is asked.
pub const HELP: &str = "Examples:
  vnic why web/eth0 mtu 1400             would I be allowed to
  vnic why web/eth0 mtu 1400 as owner    would the owner
  vnic why --link nic0 vnics as user alice
  vnic why --last web/eth0               what was denied last

Exit status 0: allowed; 1: denied.";

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    answer: &'static str,
    #[serde(flatten)]
    decider: Decider,
}

/// The policy that decides.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Decider {
    Shown(Rule),
    /// Policies are not shown to everyone.
    Hidden {
        id: u64,
    },
    None {},
}

impl Verdict {
    /// Whether it is yes.
    pub fn is_yes(&self) -> bool {
        self.answer == "allowed"
    }
}

impl Row for Verdict {
    const FIELDS: &'static [&'static str] = &[
        "answer", "id", "scope", "subject", "param", "permits", "quota",
    ];
}

/// The numbers of a request's attributes about who asks.
const SUBJECT: [u16; 5] = [
    attr::SUBJECT,
    attr::NETNS_FD,
    attr::NETNS_COOKIE,
    attr::USER,
    attr::NAME,
];

/// What the words ask, about what `request` names already: PARAM [VALUE] [as SUBJECT].
fn question(request: Request, words: &mut Words<'_>, files: &mut Files) -> Result<Request, Error> {
    let Some(param) = words.next() else {
        return Error::usage("may what be changed? vnic why --help shows examples");
    };
    let number = u32::from(param_number(param)?);
    let mut request = request.with(attr::PARAM, &number.to_ne_bytes());
    if let Some(value) = words.peek().filter(|word| *word != "as") {
        words.next();
        request = match value.parse::<u64>() {
            Ok(number) => request.with(attr::NUMBER, &number.to_ne_bytes()),
            Err(_) if value.contains([':', '.']) => request.with(attr::BYTES, &address(value)?),
            Err(_) => {
                return Error::usage(format!(
                    "the value of {param} is a number or an address, not \"{value}\""
                ))
            }
        };
    }
    if words.take("as") {
        request = Subject::parse(words)?.attrs(request, SUBJECT, files)?;
    }
    words.end()?;
    Ok(request)
}

/// Asks whether something would be allowed.
pub fn ask(family: &Family, link: Option<&str>, words: &[String]) -> Result<Verdict, Error> {
    let (mut words, mut files) = (Words::of(words), Files::default());
    let about = match link {
        Some(link) => Request::default().with(attr::LINK, &link::index_of(link)?.to_ne_bytes()),
        None => match words.next() {
            Some(name) => {
                Request::default().with(attr::VNIC, &Vnic::named(family, name)?.id.to_ne_bytes())
            }
            None => return Error::usage("which VNIC? vnic why --help shows examples"),
        },
    };
    let request = question(about, &mut words, &mut files)?;
    let answer = family
        .ask(cmd::WHY, &request)?
        .ok_or_else(|| Error::trouble("the module did not answer"))?;
    let decider = match answer.number(attr::POLICY) {
        None => Decider::None {},
        Some(id) => decider(family, id)?,
    };
    let answer = match answer.has(attr::ALLOWED) {
        true => "allowed",
        false => "denied",
    };
    Ok(Verdict { answer, decider })
}

/// The policy of that number, if policies are shown to us.
fn decider(family: &Family, id: u64) -> Result<Decider, Error> {
    let rules = match Rule::all(family, &Request::default()) {
        Err(error) if is_hidden(&error) => Vec::new(),
        other => other?,
    };
    let rule = rules.into_iter().find(|rule| rule.id == id);
    Ok(rule.map_or(Decider::Hidden { id }, Decider::Shown))
}

/// A request that was denied.
#[derive(Clone, Debug, Serialize)]
pub struct Denial {
    serial: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    vnic: Option<String>,
    #[serde(skip)]
    vnic_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    param: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// The namespace that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<String>,
    /// The number of the policy that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<u64>,
}

/// Who asked, in the words of policies.
fn asker(answer: &Answer, names: &Names) -> Option<String> {
    if answer.has(attr::KERNEL) {
        return Some("kernel".to_owned());
    }
    let kind = answer.number(attr::SUBJECT)?;
    let netns = (
        answer.signed(attr::NETNS_ID),
        answer.number(attr::NETNS_COOKIE),
    );
    let (user, name) = (answer.index(attr::USER), answer.text(attr::NAME));
    Some(Subject::of(Some(kind), netns, user, name, names).to_string())
}

impl Denial {
    /// Of an answer or an event.
    pub fn of(answer: &Answer, names: &Names, scopes: &Scopes<'_>) -> Self {
        let vnic_id = answer.number(attr::VNIC);
        let number = answer.number(attr::NUMBER).map(|number| number.to_string());
        let netns = answer.signed(attr::NETNS_ID).map(|id| names.of(id));
        let cookie = answer.number(attr::NETNS_COOKIE);
        Self {
            serial: answer.number(attr::SERIAL).unwrap_or(0),
            vnic: vnic_id
                .map(|id| scopes.vnic(id))
                .or_else(|| answer.text(attr::IFNAME)),
            vnic_id,
            link: answer.index(attr::LINK).map(link::name_of),
            param: param_word(answer.number(attr::PARAM)),
            value: number.or_else(|| answer.bytes(attr::BYTES).map(address_text)),
            subject: asker(answer, names),
            netns: netns.or_else(|| cookie.map(|cookie| format!("cookie {cookie}"))),
            policy: answer.number(attr::POLICY),
        }
    }

    /// All that are kept, the oldest first.
    pub fn all(family: &Family) -> Result<Vec<Self>, Error> {
        let answers = family.dump(cmd::DENIED_GET, &Request::default())?;
        let (names, scopes) = (Names::new(), Scopes::new(family));
        let denial = |answer| Self::of(answer, &names, &scopes);
        let mut all: Vec<Self> = answers.iter().map(denial).collect();
        all.sort_by_key(|denial| denial.serial);
        Ok(all)
    }

    /// The last one, of all or of a VNIC.
    pub fn last(family: &Family, vnic: Option<&str>) -> Result<Self, Error> {
        let id = match vnic {
            Some(name) => Some(Vnic::named(family, name)?.id),
            None => None,
        };
        let mut all = Self::all(family)?.into_iter();
        let last = all.rfind(|denial| id.is_none() || denial.vnic_id == id);
        last.ok_or_else(|| {
            Error::Usage(match vnic {
                Some(name) => format!("no request for {name} is known that was denied"),
                None => "no request is known that was denied".to_owned(),
            })
        })
    }

    /// In one line.
    pub fn line(&self) -> String {
        let part = |word: &str, value: Option<String>| {
            value.map_or_else(String::new, |value| format!(" {word}{value}"))
        };
        format!(
            "{}{}{} {}{}{}{}{}",
            self.serial,
            part("vnic ", self.vnic.clone()),
            part("link ", self.link.clone()),
            self.param,
            part("", self.value.clone()),
            part("as ", self.subject.clone()),
            part("from ", self.netns.clone()),
            part("policy ", self.policy.map(|id| id.to_string())),
        )
    }
}

impl Row for Denial {
    const FIELDS: &'static [&'static str] = &[
        "serial", "vnic", "link", "param", "value", "subject", "netns", "policy",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<Request, Error> {
        question(
            Request::default(),
            &mut Words::split(text),
            &mut Files::default(),
        )
    }

    #[test]
    fn questions_become_attributes() {
        let request = asked("mtu 1400 as name vm1").expect("a question");
        let answer = Answer::of(request.bytes());
        assert_eq!(Some(2), answer.number(attr::PARAM));
        assert_eq!(Some(1400), answer.number(attr::NUMBER));
        assert_eq!(Some(3), answer.number(attr::SUBJECT));
        assert_eq!(Some("vm1".to_owned()), answer.text(attr::NAME));
        let request = asked("ip 192.0.2.1").expect("a question");
        let answer = Answer::of(request.bytes());
        assert_eq!(Some(&[192, 0, 2, 1][..]), answer.bytes(attr::BYTES));
        assert!(!answer.has(attr::SUBJECT));
        let request = asked("rings 1 as owner").expect("a question");
        let answer = Answer::of(request.bytes());
        assert_eq!(Some(18), answer.number(attr::PARAM));
        assert_eq!(Some(1), answer.number(attr::NUMBER));
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for (text, name) in [
            ("", "what"),
            ("colour", "colour"),
            ("mtu many", "many"),
            ("mtu 1400 as", "who"),
            ("mtu as someone", "someone"),
            ("mtu 1400 owner", "owner"),
        ] {
            let said = asked(text).map_err(|error| error.to_string());
            assert!(said.is_err_and(|said| said.contains(name)), "{text}");
        }
    }
}
