//! A key, looked at once: checked, hashed, and its beginning in the words in which nodes hold it.

use crate::error::StoreError;
use crate::layout::{HEAD_TEXT, MAX_KEY};
use twox_hash::XxHash3_64;

/// The first bytes of a key, zero-padded, as they lie in a node.
pub(crate) type Head = [u64; HEAD_TEXT / 8];

/// A key that was checked.
pub(crate) struct Key<'a> {
    pub text: &'a str,
    pub hash: u64,
    pub head: Head,
}

impl<'a> Key<'a> {
    /// Refuses what is no key.
    #[inline(always)]
    pub(crate) fn new(text: &'a str) -> Result<Key<'a>, StoreError> {
        Key::checked(text).ok_or_else(|| refusal(text))
    }

    /// `None` for what is no key.
    #[inline(always)]
    pub(crate) fn checked(text: &'a str) -> Option<Key<'a>> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_KEY {
            return None;
        }
        let (mut head, mut zero) = (Head::default(), false);
        for (word, part) in head.iter_mut().zip(bytes.chunks(8)) {
            *word = word_of(part);
            zero |= has_zero(*word | (!0u64).checked_shl(8 * part.len() as u32).unwrap_or(0));
        }
        if zero || bytes.iter().skip(HEAD_TEXT).any(|b| *b == 0) {
            return None;
        }
        Some(Key { text, hash: XxHash3_64::oneshot(bytes), head })
    }

    /// Bytes of the key.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// What does not lie in the node, in words.
    pub(crate) fn tail(&self) -> impl Iterator<Item = u64> + '_ {
        let tail = self.text.as_bytes().get(HEAD_TEXT..).unwrap_or_default();
        tail.chunks(8).map(word_of)
    }
}

/// 1 to 8 bytes, zero-padded. In registers: bytes that are written one by one and read as a word come late.
#[inline(always)]
fn word_of(bytes: &[u8]) -> u64 {
    let half = |b: &[u8]| b.first_chunk::<4>().map_or(0, |b| u64::from(u32::from_le_bytes(*b)));
    match *bytes {
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        [_, _, _, _, ..] => half(bytes) | half(&bytes[bytes.len() - 4..]) << (8 * (bytes.len() - 4)),
        [a, b, c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a] => u64::from(a),
        [] => 0,
    }
}

fn has_zero(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    word.wrapping_sub(ONES) & !word & ONES << 7 != 0
}

#[cold]
pub(crate) fn refusal(key: &str) -> StoreError {
    let why = match key {
        "" => "it is empty; a key has 1 to 255 bytes",
        k if k.len() > MAX_KEY => "it is longer than 255 bytes of UTF-8",
        _ => "it contains a NUL",
    };
    let shown: String = key.chars().take(80).collect();
    StoreError::InvalidName { what: "key", name: shown, why }
}

/// A key that is kept, without an allocation of its own if it is short.
#[derive(Clone)]
pub(crate) enum Kept {
    None,
    Short(u8, Head),
    Long(Box<str>),
}

impl From<Option<&Key<'_>>> for Kept {
    #[inline(always)]
    fn from(key: Option<&Key<'_>>) -> Kept {
        match key {
            None => Kept::None,
            Some(key) if key.len() <= HEAD_TEXT => Kept::Short(key.len() as u8, key.head),
            Some(key) => Kept::Long(key.text.into()),
        }
    }
}

impl Kept {
    /// Of a key that was checked before.
    #[inline(always)]
    pub(crate) fn of_checked(key: Option<&str>) -> Kept {
        match key {
            None => Kept::None,
            Some(text) if text.len() <= HEAD_TEXT => {
                let mut head = Head::default();
                head.iter_mut().zip(text.as_bytes().chunks(8)).for_each(|(word, part)| *word = word_of(part));
                Kept::Short(text.len() as u8, head)
            }
            Some(text) => Kept::Long(text.into()),
        }
    }

    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Kept::None => None,
            Kept::Short(n, head) => {
                let bytes = head.map(u64::to_le_bytes).concat();
                String::from_utf8(bytes[..usize::from(*n)].to_vec()).ok()
            }
            Kept::Long(key) => Some(key.to_string()),
        }
    }
}
