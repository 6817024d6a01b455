//! Documents against the published schema (`killer generate schema`): the few keywords of JSON Schema that it uses, and a failure
//! for any other, so that none is passed over. Stricter in one thing: what a document has must be in the schema, too.

use serde_json::Value;
use std::sync::OnceLock;

/// Annotations, which do not limit what a document may be.
const SAID: &[&str] = &["$schema", "$defs", "title", "description", "format", "default"];

/// The schema of the `killer` under test.
fn published() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let out = std::process::Command::new(crate::killer()).args(["generate", "schema"]).output();
        serde_json::from_slice(&out.expect("generate schema").stdout).expect("the schema is JSON")
    })
}

/// Asserts that a document is one that the schema allows.
#[track_caller]
pub fn assert_valid(document: &Value) {
    if let Err(e) = check(published(), published(), document, "") {
        panic!("against the published schema: {e}\n{document:#}");
    }
}

fn check(all: &Value, schema: &Value, v: &Value, at: &str) -> Result<(), String> {
    let Some(words) = schema.as_object() else {
        return if schema == &Value::Bool(true) { Ok(()) } else { Err(format!("{at}: nothing may be here")) };
    };
    for (word, arg) in words {
        match word.as_str() {
            w if SAID.contains(&w) => {}
            "$ref" => check(all, named(all, arg), v, at)?,
            "type" if !is_type(arg, v) => return Err(format!("{at}: {v} is no {arg}")),
            "const" if arg != v => return Err(format!("{at}: {v} is not {arg}")),
            "enum" if !list(arg).contains(v) => return Err(format!("{at}: {v} is none of {arg}")),
            "minimum" if v.is_number() && v.as_f64() < arg.as_f64() => {
                return Err(format!("{at}: {v} is below {arg}"));
            }
            "maximum" if v.is_number() && v.as_f64() > arg.as_f64() => {
                return Err(format!("{at}: {v} is above {arg}"));
            }
            "required" => {
                if let Some(name) = list(arg).iter().find(|n| n.as_str().is_some_and(|n| v.get(n).is_none()))
                {
                    return Err(format!("{at}: {name} is missing"));
                }
            }
            "properties" => {
                for (name, value) in v.as_object().into_iter().flatten() {
                    let known =
                        arg.get(name).ok_or_else(|| format!("{at}: '{name}' is not in the schema"))?;
                    check(all, known, value, &format!("{at}/{name}"))?;
                }
            }
            "items" => {
                for (i, value) in v.as_array().into_iter().flatten().enumerate() {
                    check(all, arg, value, &format!("{at}/{i}"))?;
                }
            }
            "anyOf" | "oneOf" => any_of(all, list(arg), v, at)?,
            "type" | "const" | "enum" | "minimum" | "maximum" => {}
            other => return Err(format!("{at}: the keyword '{other}' is not known here")),
        }
    }
    Ok(())
}

fn any_of(all: &Value, ways: &[Value], v: &Value, at: &str) -> Result<(), String> {
    let errors: Vec<String> = ways.iter().filter_map(|w| check(all, w, v, at).err()).collect();
    if errors.len() < ways.len() {
        return Ok(());
    }
    // The longest way down is the one that was meant, not a way that has another type or kind.
    let here = format!("{at}: ");
    let depth = |e: &String| e.split(':').next().map_or(0, str::len);
    let other_type = |e: &String| e.starts_with(&here) && e.contains(" is no ");
    let meant = errors.iter().max_by_key(|e| (!other_type(e), !e.contains("/kind: "), depth(e)));
    Err(meant.cloned().unwrap_or_else(|| format!("{at}: nothing is allowed")))
}

fn named<'a>(all: &'a Value, reference: &Value) -> &'a Value {
    let path = reference.as_str().and_then(|r| r.strip_prefix('#')).expect("a reference within the schema");
    all.pointer(path).unwrap_or_else(|| panic!("the schema has no {path}"))
}

fn list(v: &Value) -> &[Value] {
    v.as_array().map_or(&[], Vec::as_slice)
}

fn is_type(types: &Value, v: &Value) -> bool {
    let one = |t: &Value| match t.as_str() {
        Some("object") => v.is_object(),
        Some("array") => v.is_array(),
        Some("string") => v.is_string(),
        Some("boolean") => v.is_boolean(),
        Some("null") => v.is_null(),
        Some("integer") => v.is_i64() || v.is_u64(),
        Some("number") => v.is_number(),
        _ => false,
    };
    if types.is_array() { list(types).iter().any(one) } else { one(types) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_found() {
        let schema = json!({
            "anyOf": [{"$ref": "#/$defs/A"}, {"type": "array", "items": {"$ref": "#/$defs/A"}}],
            "$defs": {"A": {
                "type": "object",
                "properties": {
                    "kind": {"const": "a"},
                    "n": {"type": ["integer", "null"], "minimum": 0, "maximum": 9},
                    "w": {"enum": ["x", "y"]},
                },
                "required": ["kind"],
            }},
        });
        let valid = |v: Value| check(&schema, &schema, &v, "");
        for good in
            [json!({"kind": "a"}), json!({"kind": "a", "n": null, "w": "y"}), json!([{"kind": "a", "n": 3}])]
        {
            assert_eq!(valid(good), Ok(()));
        }
        for (bad, word) in [
            (json!({}), "missing"),
            (json!({"kind": "b"}), "is not"),
            (json!({"kind": "a", "n": -1}), "below"),
            (json!({"kind": "a", "n": 10}), "above"),
            (json!({"kind": "a", "n": "1"}), "is no"),
            (json!({"kind": "a", "w": "z"}), "none of"),
            (json!({"kind": "a", "more": 1}), "not in the schema"),
            (json!([{"kind": "a"}, {"kind": "a", "n": 1.5}]), "is no"),
        ] {
            let e = valid(bad.clone()).expect_err(word);
            assert!(e.contains(word), "{bad}: {e}");
        }
        let odd = json!({"pattern": "a"});
        assert!(check(&odd, &odd, &json!("a"), "").is_err());
    }
}
