//! Where one command in a process that stays ends, and another begins.

use crate::sys::{alive, clock};

/// Another begins: what an earlier one could not see is not its matter, and neither is what was started before it.
pub fn begin() {
    alive::look_anew();
    clock::begin_anew();
}
