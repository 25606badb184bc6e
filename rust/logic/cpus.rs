// SPDX-License-Identifier: GPL-2.0

//! Lists of CPUs, in the form of `cpulist_parse()`: `0-3,8`.

/// How many ranges a list can have.
pub(crate) const MAX_RANGES: usize = 8;

/// The longest text of a list, without the zero at its end.
pub(crate) const MAX_TEXT: usize = MAX_RANGES * "65535-65535,".len() - 1;

/// The first and the last CPU of a range.
type Range = (u16, u16);

/// Some CPUs, or none. In order, and ranges that touch are one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct CpuList {
    ranges: [Range; MAX_RANGES],
    len: u8,
}

/// Why a text is no list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wrong {
    /// It has another form.
    Form,
    /// There are more than [`MAX_RANGES`] ranges.
    Ranges,
}

fn number(text: &[u8]) -> Option<u16> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u16, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

fn range(text: &[u8]) -> Option<Range> {
    let mut parts = text.splitn(2, |byte| *byte == b'-');
    let first = number(parts.next()?)?;
    let last = parts.next().map_or(Some(first), number)?;
    (first <= last).then_some((first, last))
}

impl CpuList {
    /// No CPUs.
    pub(crate) const NONE: Self = Self {
        ranges: [(0, 0); MAX_RANGES],
        len: 0,
    };

    /// What a text says; an empty one is no CPUs.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Wrong> {
        let mut list = Self::NONE;
        if !text.is_empty() {
            for part in text.split(|byte| *byte == b',') {
                list = list.with(range(part).ok_or(Wrong::Form)?)?;
            }
        }
        Ok(list)
    }

    /// With one more range.
    fn with(self, range: Range) -> Result<Self, Wrong> {
        let (mut new, mut list, mut placed) = (range, Self::NONE, false);
        for old in self.iter() {
            if old.1.saturating_add(1) < new.0 {
                list = list.push(old)?;
            } else if new.1.saturating_add(1) < old.0 {
                if !placed {
                    list = list.push(new)?;
                    placed = true;
                }
                list = list.push(old)?;
            } else {
                new = (new.0.min(old.0), new.1.max(old.1));
            }
        }
        match placed {
            true => Ok(list),
            false => list.push(new),
        }
    }

    fn push(mut self, range: Range) -> Result<Self, Wrong> {
        let place = self.ranges.get_mut(usize::from(self.len));
        *place.ok_or(Wrong::Ranges)? = range;
        self.len = self.len.saturating_add(1);
        Ok(self)
    }

    fn iter(&self) -> impl Iterator<Item = Range> + '_ {
        self.ranges.iter().take(self.len.into()).copied()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<u16> {
        self.iter().last().map(|(_, last)| last)
    }

    /// The one for whoever is the `index`th: they take turns. None if the list is empty.
    pub(crate) fn nth(&self, index: u32) -> Option<u16> {
        let size = |(first, last): Range| u32::from(last.saturating_sub(first)).saturating_add(1);
        let count = self
            .iter()
            .fold(0u32, |sum, range| sum.saturating_add(size(range)));
        let mut left = index.checked_rem(count)?;
        for range in self.iter() {
            match left.checked_sub(size(range)) {
                Some(less) => left = less,
                None => return range.0.checked_add(u16::try_from(left).ok()?),
            }
        }
        None
    }
}

impl core::fmt::Display for CpuList {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, (first, last)) in self.iter().enumerate() {
            if index != 0 {
                f.write_str(",")?;
            }
            match first == last {
                true => write!(f, "{first}")?,
                false => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}
