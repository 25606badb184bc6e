// SPDX-License-Identifier: GPL-2.0

//! Attributes of messages, by their numbers.

use crate::error::Error;
use neli::{
    genl::{
        AttrTypeBuilder,
        NlattrBuilder, //
    },
    types::{
        Buffer,
        GenlBuffer, //
    },
};

/// The attributes of a request that is being made.
#[derive(Default)]
pub struct Request(Vec<(u16, Vec<u8>)>);

impl Request {
    /// Adds one.
    pub fn with(mut self, kind: u16, payload: &[u8]) -> Self {
        self.0.push((kind, payload.to_vec()));
        self
    }

    /// In the form in which they are sent.
    pub fn into_buffer(self) -> Result<GenlBuffer<u16, Buffer>, Error> {
        let mut buffer = GenlBuffer::new();
        for (kind, payload) in self.0 {
            let kind = AttrTypeBuilder::default().nla_type(kind).build();
            let attr = NlattrBuilder::default()
                .nla_type(kind.map_err(Error::trouble)?)
                .nla_payload(payload)
                .build();
            buffer.push(attr.map_err(Error::trouble)?);
        }
        Ok(buffer)
    }
}

/// The attributes of an answer.
pub struct Answer(Vec<(u16, Vec<u8>)>);

impl Answer {
    /// Those of a message.
    pub fn of(buffer: &GenlBuffer<u16, Buffer>) -> Self {
        let attrs = buffer.iter();
        Self(
            attrs
                .map(|attr| {
                    (
                        *attr.nla_type().nla_type(),
                        attr.nla_payload().as_ref().to_vec(),
                    )
                })
                .collect(),
        )
    }

    /// The bytes of one.
    pub fn bytes(&self, kind: u16) -> Option<&[u8]> {
        let found = self.0.iter().find(|(number, _)| *number == kind);
        found.map(|(_, payload)| payload.as_slice())
    }

    /// An unsigned number of any size.
    pub fn number(&self, kind: u16) -> Option<u64> {
        let bytes = self.bytes(kind)?;
        let mut wide = [0; 8];
        match cfg!(target_endian = "little") {
            true => wide.get_mut(..bytes.len())?.copy_from_slice(bytes),
            false => wide.get_mut(8 - bytes.len()..)?.copy_from_slice(bytes),
        }
        Some(u64::from_ne_bytes(wide))
    }

    /// A number that fits an index.
    pub fn index(&self, kind: u16) -> Option<u32> {
        u32::try_from(self.number(kind)?).ok()
    }

    /// 0 or 1.
    pub fn truth(&self, kind: u16) -> Option<bool> {
        Some(self.number(kind)? != 0)
    }

    /// Text, without the zero at its end.
    pub fn text(&self, kind: u16) -> Option<String> {
        let bytes = self.bytes(kind)?;
        let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// An Ethernet address, as people write it.
    pub fn mac(&self, kind: u16) -> Option<String> {
        let bytes = self.bytes(kind)?;
        let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(parts.join(":"))
    }
}
