//! Arrays that cannot be mapped (before 5.5): one call a look.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::{ElemAttr, MAP_LOOKUP, MAP_UPDATE, MMAPABLE, MapType, call, map_create, map_freeze, map_info};

/// Reads an element of an array into `value`, which is as long as the map's values are:
/// the layout of the map was checked when it was opened.
pub fn lookup(array: impl AsFd, index: u32, value: &mut [u8]) -> io::Result<()> {
    let mut a = ElemAttr {
        map_fd: array.as_fd().as_raw_fd() as u32,
        key: &raw const index as u64,
        value: value.as_mut_ptr() as u64,
        ..ElemAttr::default()
    };
    call(MAP_LOOKUP, &mut a).map(drop)
}

/// Writes an element of an array.
pub fn update(array: impl AsFd, index: u32, value: &[u8]) -> io::Result<()> {
    let mut a = ElemAttr {
        map_fd: array.as_fd().as_raw_fd() as u32,
        key: &raw const index as u64,
        value: value.as_ptr() as u64,
        ..ElemAttr::default()
    };
    call(MAP_UPDATE, &mut a).map(drop)
}

/// True when a map can be frozen (5.2+).
pub fn can_freeze() -> bool {
    map_create(MapType::Array, 4, 8, 1, 0, "try").and_then(map_freeze).is_ok()
}

/// True when a map can be mapped (5.5+).
pub fn can_map(map: impl AsFd) -> io::Result<bool> {
    match map_info(map) {
        // Before 4.13 no descriptor says what it is of.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        i => Ok(i?.flags & MMAPABLE != 0),
    }
}
