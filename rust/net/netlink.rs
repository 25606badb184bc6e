// SPDX-License-Identifier: GPL-2.0

//! Netlink: attributes in, attributes out, and the sentence that goes with an error.
//!
//! C headers: [`include/net/netlink.h`](srctree/include/net/netlink.h),
//! [`include/linux/netlink.h`](srctree/include/linux/netlink.h)

use core::{
    fmt,
    marker::PhantomData,
    mem,
    ptr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    str::as_char_ptr_in_const_context, //
};
use vnic_bindings as bindings;

/// Where the sentence of a refusal goes. May be nowhere: some callers have none.
pub(crate) struct Extack<'a>(*mut bindings::netlink_ext_ack, PhantomData<&'a mut ()>);

impl Extack<'_> {
    /// Nowhere.
    pub(crate) fn none() -> Self {
        Self(ptr::null_mut(), PhantomData)
    }

    /// Wraps the C pointer.
    ///
    /// # Safety
    ///
    /// `extack` must be null or valid, and nobody else's, for as long as the caller chooses.
    pub(crate) unsafe fn from_raw(extack: *mut bindings::netlink_ext_ack) -> Self {
        Self(extack, PhantomData)
    }

    /// The C pointer, perhaps null.
    pub(crate) fn as_ptr(&mut self) -> *mut bindings::netlink_ext_ack {
        self.0
    }

    /// Refuses: sets the sentence (at most 79 bytes are kept) and returns the error.
    pub(crate) fn refuse(&mut self, error: Error, sentence: fmt::Arguments<'_>) -> Error {
        self.say(sentence);
        error
    }

    /// Warns in the answer to a request that succeeds: `ip` prints that. What fails after all has the sentence,
    /// unless it has its own, so this comes last.
    pub(crate) fn warn(&mut self, sentence: fmt::Arguments<'_>) {
        self.say(sentence);
    }

    fn say(&mut self, sentence: fmt::Arguments<'_>) {
        let mut text = Sentence::new();
        // A sentence that is too long is cut, which is no error.
        let _ = fmt::Write::write_fmt(&mut text, sentence);
        // SAFETY: The pointer is null or valid; the text has that length.
        unsafe { bindings::vnic_extack_set(self.0, text.bytes.as_ptr().cast(), text.len) };
    }

    /// [`Extack::refuse`], and points at the attribute at fault.
    pub(crate) fn refuse_attr(
        &mut self,
        attr: &Attr<'_>,
        error: Error,
        sentence: fmt::Arguments<'_>,
    ) -> Error {
        // SAFETY: Null or valid; the attribute is part of the request.
        unsafe { bindings::vnic_extack_attr(self.0, attr.0) };
        self.refuse(error, sentence)
    }
}

/// What the core keeps of a sentence (`NETLINK_MAX_FMTMSG_LEN`, without the zero); it complains of more in the log.
const SENTENCE: usize = 79;

/// Room for one sentence.
struct Sentence {
    bytes: [u8; SENTENCE],
    len: usize,
}

impl Sentence {
    fn new() -> Self {
        Self {
            bytes: [0; SENTENCE],
            len: 0,
        }
    }
}

impl fmt::Write for Sentence {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or(&mut []);
        for (place, byte) in room.iter_mut().zip(text.bytes()) {
            *place = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// The longest text of an attribute that is put together here.
const TEXT_MAX: usize = crate::logic::cpus::MAX_TEXT;

struct Text {
    bytes: [u8; TEXT_MAX + 1],
    len: usize,
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        // A zero stays behind it.
        let room = self
            .bytes
            .get_mut(self.len..end)
            .filter(|_| end <= TEXT_MAX);
        room.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A received attribute, its length checked by the policy.
pub(crate) struct Attr<'a>(*const bindings::nlattr, PhantomData<&'a ()>);

impl<'a> Attr<'a> {
    /// Wraps the C attribute, if there is one.
    ///
    /// # Safety
    ///
    /// `attr` must be null or a validated attribute that lives for `'a`.
    pub(crate) unsafe fn from_raw(attr: *const bindings::nlattr) -> Option<Self> {
        (!attr.is_null()).then_some(Self(attr, PhantomData))
    }
}

impl Attr<'_> {
    fn payload(&self) -> &[u8] {
        const HEADER: usize = mem::size_of::<bindings::nlattr>();
        // SAFETY: A validated attribute: `nla_len` bytes, header included, are there.
        unsafe {
            let len = usize::from((*self.0).nla_len).saturating_sub(HEADER);
            core::slice::from_raw_parts(self.0.cast::<u8>().add(HEADER), len)
        }
    }

    fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.payload().get(..N)?.try_into().ok()
    }

    /// As `u8`; 0 if it is too short, which a policy excludes.
    pub(crate) fn u8(&self) -> u8 {
        self.array().map_or(0, u8::from_ne_bytes)
    }

    /// As `u16`.
    pub(crate) fn u16(&self) -> u16 {
        self.array().map_or(0, u16::from_ne_bytes)
    }

    /// As `u32`.
    pub(crate) fn u32(&self) -> u32 {
        self.array().map_or(0, u32::from_ne_bytes)
    }

    /// As `uint`: four or eight bytes.
    pub(crate) fn uint(&self) -> u64 {
        self.array()
            .map_or_else(|| self.u32().into(), u64::from_ne_bytes)
    }

    /// As a number of one, two, four or eight bytes; 0 if it has another length, which a policy excludes.
    pub(crate) fn number(&self) -> u64 {
        match self.payload().len() {
            1 => self.u8().into(),
            2 => self.u16().into(),
            _ => self.uint(),
        }
    }

    /// As bytes, of any number that the policy allows.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.payload()
    }

    /// As a string, which the policy limits: without the zero at its end.
    pub(crate) fn text(&self) -> &[u8] {
        let bytes = self.payload();
        let end = bytes.iter().position(|byte| *byte == 0);
        bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(&[])
    }

    /// As an Ethernet address: exactly six bytes.
    pub(crate) fn mac(&self) -> Option<crate::logic::addr::MacAddr> {
        let bytes: [u8; 6] = self.payload().try_into().ok()?;
        Some(crate::logic::addr::MacAddr::new(bytes))
    }
}

/// The attributes of a request, by type; there may be none.
#[derive(Clone, Copy)]
pub(crate) struct Attrs<'a> {
    table: *mut *mut bindings::nlattr,
    max: u32,
    _request: PhantomData<&'a ()>,
}

impl<'a> Attrs<'a> {
    /// Wraps the C table.
    ///
    /// # Safety
    ///
    /// `table` must be null or have `max + 1` entries, each null or a validated attribute that
    /// lives for `'a`.
    pub(crate) unsafe fn from_raw(table: *mut *mut bindings::nlattr, max: u32) -> Self {
        Self {
            table,
            max,
            _request: PhantomData,
        }
    }

    /// Whether the request has an attribute of a type.
    pub(crate) fn has(&self, kind: u32) -> bool {
        self.get(kind).is_some()
    }

    /// The attribute of a type, if the request has it.
    pub(crate) fn get(&self, kind: u32) -> Option<Attr<'a>> {
        if self.table.is_null() || kind > self.max {
            return None;
        }
        // SAFETY: Within the table.
        let attr = unsafe { *self.table.add(kind as usize) };
        (!attr.is_null()).then_some(Attr(attr, PhantomData))
    }
}

/// A message that is being written.
pub(crate) struct Message<'a>(*mut bindings::sk_buff, PhantomData<&'a mut ()>);

impl Message<'_> {
    /// Wraps the C message.
    ///
    /// # Safety
    ///
    /// `skb` must be a netlink message under construction, nobody else's for as long as the
    /// caller chooses.
    pub(crate) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        Self(skb, PhantomData)
    }

    fn put(&mut self, kind: u32, bytes: &[u8]) -> Result {
        let kind = c_int::try_from(kind).map_err(|_| EINVAL)?;
        let len = c_int::try_from(bytes.len()).map_err(|_| EMSGSIZE)?;
        // SAFETY: A message under construction; the bytes are there.
        to_result(unsafe { bindings::vnic_nla_put(self.0, kind, len, bytes.as_ptr().cast()) })
    }

    /// Appends a `u8`. `EMSGSIZE` if it does not fit.
    pub(crate) fn put_u8(&mut self, kind: u32, value: u8) -> Result {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Appends a `u16`.
    pub(crate) fn put_u16(&mut self, kind: u32, value: u16) -> Result {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Appends a `u32`.
    pub(crate) fn put_u32(&mut self, kind: u32, value: u32) -> Result {
        self.put(kind, &value.to_ne_bytes())
    }
}

impl Message<'_> {
    /// Appends a `s32`.
    pub(crate) fn put_i32(&mut self, kind: u32, value: i32) -> Result {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Appends a `uint`, in four bytes if it fits (nla_put_uint()).
    pub(crate) fn put_uint(&mut self, kind: u32, value: u64) -> Result {
        match u32::try_from(value) {
            Ok(value) => self.put_u32(kind, value),
            Err(_) => self.put(kind, &value.to_ne_bytes()),
        }
    }

    /// Appends an Ethernet address.
    pub(crate) fn put_mac(&mut self, kind: u32, addr: crate::logic::addr::MacAddr) -> Result {
        self.put(kind, addr.bytes())
    }

    /// Appends the name of a device, with the zero at its end.
    pub(crate) fn put_name(&mut self, kind: u32, name: crate::net::netdev::Name) -> Result {
        self.put(kind, name.with_nul())
    }
}

impl Message<'_> {
    /// Appends bytes.
    pub(crate) fn put_bytes(&mut self, kind: u32, bytes: &[u8]) -> Result {
        self.put(kind, bytes)
    }

    /// Appends what `text` is written as, at most [`TEXT_MAX`] bytes, with a zero at its end.
    pub(crate) fn put_text(&mut self, kind: u32, text: impl core::fmt::Display) -> Result {
        let mut written = Text {
            bytes: [0; TEXT_MAX + 1],
            len: 0,
        };
        fmt::Write::write_fmt(&mut written, format_args!("{text}")).map_err(|_| EMSGSIZE)?;
        self.put(kind, written.bytes.get(..=written.len).ok_or(EMSGSIZE)?)
    }

    /// Appends an attribute that just is there.
    pub(crate) fn put_flag(&mut self, kind: u32) -> Result {
        self.put(kind, &[])
    }
}

/// A table of nested attributes, up to the type `N - 1`.
pub(crate) struct Nested<'a, const N: usize>([*mut bindings::nlattr; N], PhantomData<&'a ()>);

impl<'a, const N: usize> Nested<'a, N> {
    /// What is in `attr`, whose attributes `policy` describes.
    ///
    /// # Safety
    ///
    /// `policy` must have an entry for each type below `N`.
    pub(crate) unsafe fn parse(
        attr: &Attr<'a>,
        policy: *const bindings::nla_policy,
        extack: &mut Extack<'_>,
    ) -> Result<Self> {
        let mut table = [ptr::null_mut(); N];
        let max = c_int::try_from(N.saturating_sub(1)).map_err(|_| EINVAL)?;
        // SAFETY: An attribute of a request; the table and, by the safety requirements, the policy
        // have an entry for each type up to `max`.
        to_result(unsafe {
            bindings::vnic_nla_parse(table.as_mut_ptr(), max, attr.0, policy, extack.0)
        })?;
        Ok(Self(table, PhantomData))
    }

    /// The attributes.
    pub(crate) fn attrs(&mut self) -> Attrs<'_> {
        // SAFETY: `N` entries, null or validated attributes of a request that outlives us.
        unsafe { Attrs::from_raw(self.0.as_mut_ptr(), N.saturating_sub(1) as u32) }
    }
}

/// Room that an attribute of `len` bytes takes in a message.
pub(crate) const fn attr_size(len: usize) -> usize {
    (mem::size_of::<bindings::nlattr>() + len).next_multiple_of(4)
}

/// What a kind's attributes must look like.
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

// SAFETY: Constant data.
unsafe impl Sync for Policy {}

impl Policy {
    const fn new(kind: u32) -> Self {
        Self(bindings::nla_policy {
            type_: kind as u8,
            validation_type: bindings::nla_policy_validation_NLA_VALIDATE_NONE as u8,
            len: 0,
            __bindgen_anon_1: bindings::nla_policy__bindgen_ty_1 {
                reject_message: ptr::null(),
            },
        })
    }

    /// No such attribute.
    pub(crate) const NONE: Self = Self::reject(c"no such attribute");

    /// A `u8`.
    pub(crate) const U8: Self = Self::new(bindings::NLA_U8);

    /// A `u16`.
    pub(crate) const U16: Self = Self::new(bindings::NLA_U16);

    /// A `u32`.
    pub(crate) const U32: Self = Self::new(bindings::NLA_U32);

    /// A `uint`: four or eight bytes.
    pub(crate) const UINT: Self = Self::new(bindings::NLA_UINT);

    /// The name of a device or the like, maybe empty.
    pub(crate) const NAME: Self = Self::text(crate::net::netdev::Name::MAX_LEN as u16);

    /// Text of at most `len` bytes, without the zero at its end.
    pub(crate) const fn text(len: u16) -> Self {
        let mut policy = Self::new(bindings::NLA_NUL_STRING);
        policy.0.len = len;
        policy
    }

    /// One that a request must not have, and the sentence that says so.
    pub(crate) const fn reject(sentence: &'static core::ffi::CStr) -> Self {
        let mut policy = Self::new(bindings::NLA_REJECT);
        policy.0.__bindgen_anon_1.reject_message = as_char_ptr_in_const_context(sentence);
        policy
    }
}
