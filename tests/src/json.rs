//! Reading receipts without knowing more of their shape than the contract says.

use serde_json::Value;
use std::collections::BTreeSet;

/// The first value, depth first, under one of `keys`.
pub fn find<'a>(value: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    if let Some(map) = value.as_object()
        && let Some(found) = keys.iter().find_map(|k| map.get(*k))
    {
        return Some(found);
    }
    children(value).find_map(|v| find(v, keys))
}

/// Every number under `pid`, at any depth.
pub fn pids(value: &Value) -> BTreeSet<i32> {
    let own = value.get("pid").and_then(Value::as_i64).map(|p| p as i32);
    own.into_iter().chain(children(value).flat_map(pids)).collect()
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter()),
        Value::Object(map) => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Whether `text` has the number `pid` as a word of its own.
pub fn names_pid(text: &str, pid: i32) -> bool {
    let pid = pid.to_string();
    text.split(|c: char| !c.is_ascii_digit()).any(|word| word == pid)
}
