//! No rules: they need the kernel's BTF.

/// Nothing is an instance here.
#[inline(always)]
pub fn left(_slot: u32, _generation: u32) {}
