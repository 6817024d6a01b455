//! Eight bytes at once.

/// A word of eight such bytes.
#[inline(always)]
pub const fn all(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// The top bit of each byte that is 0.
#[inline(always)]
pub const fn zeros(w: u64) -> u64 {
    !(((w & all(0x7f)) + all(0x7f)) | w | all(0x7f))
}

/// All bits of the bytes whose top bit is set in `tops`, which has no other bits.
#[inline(always)]
pub const fn whole(tops: u64) -> u64 {
    (tops >> 7) * 255
}

/// How many top bits are set.
#[inline(always)]
pub const fn count(tops: u64) -> u64 {
    (tops >> 7).wrapping_mul(all(1)) >> 56
}

/// Not 0 when some byte is below `n`, which is at most 128; what it says of single bytes is not exact.
#[inline(always)]
pub const fn below(w: u64, n: u8) -> u64 {
    w.wrapping_sub(all(n)) & !w & all(0x80)
}

/// Not 0 when some byte is this one.
#[inline(always)]
pub fn has<const N: usize>(words: &[u64; N], byte: u8) -> bool {
    let mut found = 0;
    let mut i = 0;
    while i < N {
        found |= zeros(words[i] ^ all(byte));
        i += 1;
    }
    found != 0
}
