//! Events as others name them: the Elastic Common Schema, and OCSF's process activity (class 1007).

use serde_json::{Map, Value, json};

use super::model::Happened;

/// What stands for a process for as long as the host is up.
fn entity(pid: u32, start: u64) -> String {
    format!("{pid}-{start}")
}

fn put(to: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        to.insert(key.into(), value);
    }
}

/// A line in the names of ECS 8 (`process.*`, `event.*`, `user.id`, `service.name`).
pub fn ecs(h: &Happened) -> Value {
    let kind = match h.event {
        "fork" | "exec" => "start",
        "exit" => "end",
        _ => "info",
    };
    let mut process = Map::new();
    put(&mut process, "pid", h.pid.map(Value::from));
    put(&mut process, "entity_id", h.pid.zip(h.start).map(|(p, s)| entity(p, s).into()));
    put(&mut process, "name", h.comm.clone().map(Value::from));
    put(&mut process, "executable", h.file.as_ref().and_then(|f| f.path.clone()).map(Value::from));
    put(&mut process, "args", h.args.clone().map(Value::from));
    put(&mut process, "command_line", h.args.as_ref().map(|a| a.join(" ").into()));
    put(&mut process, "parent", h.creator.map(|pid| json!({ "pid": pid })));
    put(&mut process, "exit_code", exit_status(h).map(Value::from));
    let mut event = json!({
        "kind": "event", "category": ["process"], "type": [kind], "action": h.event, "module": "killer",
        "created": h.at,
    });
    put(as_map(&mut event), "reason", h.text.clone().map(Value::from));
    let mut out = json!({
        "@timestamp": h.at, "ecs": { "version": "8.11.0" }, "event": event, "service": { "name": h.service },
    });
    let all = as_map(&mut out);
    if !process.is_empty() {
        all.insert("process".into(), process.into());
    }
    put(all, "user", h.uid.map(|uid| json!({ "id": uid.to_string() })));
    put(all, "killer", own(h));
    out
}

/// A line as OCSF's process activity.
pub fn ocsf(h: &Happened) -> Value {
    let (activity, name) = match h.event {
        "fork" | "exec" => (1, "Launch"),
        "exit" => (2, "Terminate"),
        other => (99, other),
    };
    let mut process = Map::new();
    put(&mut process, "pid", h.pid.map(Value::from));
    put(&mut process, "uid", h.pid.zip(h.start).map(|(p, s)| entity(p, s).into()));
    put(&mut process, "name", h.comm.clone().map(Value::from));
    put(&mut process, "cmd_line", h.args.as_ref().map(|a| a.join(" ").into()));
    let path = h.file.as_ref().and_then(|f| f.path.clone());
    put(&mut process, "file", path.map(|p| json!({ "path": p, "name": p.rsplit('/').next(), "type_id": 1 })));
    put(&mut process, "parent_process", h.creator.map(|pid| json!({ "pid": pid })));
    put(&mut process, "user", h.uid.map(|uid| json!({ "uid": uid.to_string() })));
    let actor = match &h.sender {
        Some(s) => {
            json!({ "process": { "pid": s.pid, "name": s.comm, "user": { "uid": s.uid.to_string() } } })
        }
        None => json!({ "process": { "pid": h.creator.or(h.pid) } }),
    };
    let mut out = json!({
        "class_uid": 1007, "class_name": "Process Activity", "category_uid": 1, "category_name": "System Activity",
        "activity_id": activity, "activity_name": name, "type_uid": 1007 * 100 + activity, "severity_id": 1,
        "time": h.unix_ns / 1_000_000,
        "metadata": {
            "version": "1.3.0",
            "product": { "name": "killer", "vendor_name": "killer", "version": env!("CARGO_PKG_VERSION") },
        },
        "device": { "type_id": 0 }, "actor": actor, "process": process,
    });
    let all = as_map(&mut out);
    put(all, "exit_code", exit_status(h).map(Value::from));
    put(all, "message", h.text.clone().map(Value::from));
    put(all, "unmapped", own(h));
    out
}

/// As a shell has it.
fn exit_status(h: &Happened) -> Option<u32> {
    let by_signal = || crate::ask::signal::parse(h.signal.as_deref()?).ok().map(|n| 128 + n as u32);
    (h.event == "exit").then(|| h.exit_code.or_else(by_signal)).flatten()
}

/// What the other names have no place for.
fn own(h: &Happened) -> Option<Value> {
    let mut own = Map::new();
    put(&mut own, "service", (!h.service.is_empty()).then(|| h.service.clone().into()));
    put(&mut own, "inside", (!h.inside.is_empty()).then(|| h.inside.clone().into()));
    put(&mut own, "signal", h.signal.clone().map(Value::from));
    put(&mut own, "result", h.result.map(Value::from));
    put(&mut own, "core_dumped", h.core_dumped.then(|| true.into()));
    put(&mut own, "sender", h.sender.as_ref().and_then(|s| serde_json::to_value(s).ok()));
    put(&mut own, "file", h.file.as_ref().and_then(|f| serde_json::to_value(f).ok()));
    put(&mut own, "lost", h.lost.map(Value::from));
    (!own.is_empty()).then(|| own.into())
}

fn as_map(v: &mut Value) -> &mut Map<String, Value> {
    if !v.is_object() {
        *v = Value::Object(Map::new());
    }
    match v {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}
