// SPDX-License-Identifier: GPL-2.0

//! Attributes of messages, by their numbers.

/// Attributes, like messages, start at multiples of this.
const ALIGN: usize = 4;
/// Of an attribute: its length and its number.
const HEAD: usize = 4;
/// Bits of the number that say something else.
const NESTED: u16 = 0x8000;
const FLAGS: u16 = 0xc000;

/// The next multiple of the alignment.
pub fn aligned(length: usize) -> usize {
    length.next_multiple_of(ALIGN)
}

/// The attributes of a request that is being made, in the form in which they are sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request(Vec<u8>);

impl Request {
    /// Adds one. The kernel refuses what is longer than the length can say; nothing here is.
    pub fn with(mut self, kind: u16, payload: &[u8]) -> Self {
        let length = u16::try_from(HEAD + payload.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(payload);
        self.0.resize(aligned(self.0.len()), 0);
        self
    }

    /// Adds one if there is something to say.
    pub fn maybe(self, kind: u16, payload: Option<impl AsRef<[u8]>>) -> Self {
        match payload {
            Some(payload) => self.with(kind, payload.as_ref()),
            None => self,
        }
    }

    /// Adds a flag.
    pub fn flag(self, kind: u16) -> Self {
        self.with(kind, &[])
    }

    /// Adds text, with the zero at its end that the kernel wants.
    pub fn text(self, kind: u16, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    /// Adds attributes inside one.
    pub fn nest(self, kind: u16, inner: &Self) -> Self {
        self.with(kind | NESTED, &inner.0)
    }

    /// As they are sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(two.try_into().ok()?))
}

/// The attributes of an answer.
#[derive(Debug)]
pub struct Answer(Vec<(u16, Vec<u8>)>);

impl Answer {
    /// Those that are there, up to the first that is cut off.
    pub fn of(mut bytes: &[u8]) -> Self {
        let mut found = Vec::new();
        while let (Some(length), Some(kind)) = (number_at(bytes, 0), number_at(bytes, 2)) {
            let Some(payload) = bytes.get(HEAD..usize::from(length)) else {
                break;
            };
            found.push((kind & !FLAGS, payload.to_vec()));
            bytes = bytes
                .get(aligned(usize::from(length))..)
                .unwrap_or_default();
        }
        Self(found)
    }

    /// The bytes of one.
    pub fn bytes(&self, kind: u16) -> Option<&[u8]> {
        let found = self.0.iter().find(|(number, _)| *number == kind);
        found.map(|(_, payload)| payload.as_slice())
    }

    /// The attributes inside one.
    pub fn inside(&self, kind: u16) -> Option<Self> {
        self.bytes(kind).map(Self::of)
    }

    /// The attributes inside each of those that are a list.
    pub fn entries(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.iter().map(|(_, payload)| Self::of(payload))
    }

    /// An unsigned number of any size.
    pub fn number(&self, kind: u16) -> Option<u64> {
        let bytes = self.bytes(kind)?;
        let mut wide = [0; 8];
        match cfg!(target_endian = "little") {
            true => wide.get_mut(..bytes.len())?.copy_from_slice(bytes),
            false => wide
                .get_mut(8_usize.checked_sub(bytes.len())?..)?
                .copy_from_slice(bytes),
        }
        Some(u64::from_ne_bytes(wide))
    }

    /// A number that fits an index.
    pub fn index(&self, kind: u16) -> Option<u32> {
        u32::try_from(self.number(kind)?).ok()
    }

    /// A signed number of four bytes, as namespaces have.
    pub fn signed(&self, kind: u16) -> Option<i32> {
        self.index(kind).map(|number| number as i32)
    }

    /// 0 or 1.
    pub fn truth(&self, kind: u16) -> Option<bool> {
        Some(self.number(kind)? != 0)
    }

    /// Whether a flag is there.
    pub fn has(&self, kind: u16) -> bool {
        self.bytes(kind).is_some()
    }

    /// Text, without the zero at its end.
    pub fn text(&self, kind: u16) -> Option<String> {
        let bytes = self.bytes(kind)?;
        let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// An Ethernet address, as people write it.
    pub fn mac(&self, kind: u16) -> Option<String> {
        self.bytes(kind).map(mac)
    }
}

/// An Ethernet address, as people write it.
pub fn mac(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_can_be_read() {
        let inner = Request::default().text(3, "web").flag(4);
        let sent = Request::default()
            .with(1, &7_u32.to_ne_bytes())
            .maybe(9, None::<[u8; 1]>)
            .nest(2, &inner)
            .with(5, &[2, 0, 0, 0, 0, 1]);
        let read = Answer::of(sent.bytes());
        assert_eq!(Some(7), read.number(1));
        assert_eq!(Some("02:00:00:00:00:01".to_owned()), read.mac(5));
        assert!(!read.has(9));
        let inside = read.inside(2).map(|inside| (inside.text(3), inside.has(4)));
        assert_eq!(Some((Some("web".to_owned()), true)), inside);
    }

    #[test]
    fn what_is_cut_off_ends_the_list() {
        let sent = Request::default().with(1, &[1]).with(2, &[1, 2, 3, 4]);
        for length in 0..sent.bytes().len() {
            let read = Answer::of(sent.bytes().get(..length).unwrap_or_default());
            assert!(!read.has(2), "{length}");
        }
        assert!(!Answer::of(&[3, 0, 1, 0]).has(1));
        assert_eq!(
            None,
            Answer::of(Request::default().with(1, &[0; 9]).bytes()).number(1)
        );
    }
}
