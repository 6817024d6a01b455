//! A lineage can be ten thousand deep, and neither stacks nor readers of JSON (serde_json: 128 levels, jq: 256) are.

use serde::{Serialize, Serializer};

use super::model::{Node, Process};

/// So many levels are shown as such; below, descendants stand side by side.
pub const DEEP: usize = 40;

/// A node as JSON has it.
#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    process: &'a Process,
    alive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<i64>,
    escaped: &'a [String],
    other_namespaces: &'a [String],
    age_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_ancestors: Option<u32>,
    children: Vec<View<'a>>,
}

impl<'a> View<'a> {
    fn alone(node: &'a Node) -> Self {
        let Node {
            process,
            alive,
            tasks,
            escaped,
            other_namespaces,
            age_s,
            unknown_ancestors,
            more: _,
            children: _,
        } = node;
        Self {
            process,
            alive: *alive,
            tasks: *tasks,
            escaped,
            other_namespaces,
            age_s: *age_s,
            unknown_ancestors: *unknown_ancestors,
            children: Vec::new(),
        }
    }

    fn new(node: &'a Node, depth: usize) -> Self {
        let mut view = Self::alone(node);
        if depth < DEEP {
            view.children = node.children.iter().map(|c| Self::new(c, depth + 1)).collect();
            return view;
        }
        let mut below: Vec<&Node> = node.children.iter().rev().collect();
        while let Some(n) = below.pop() {
            view.children.push(Self::alone(n));
            below.extend(n.children.iter().rev());
        }
        view
    }
}

impl Node {
    /// What stands in the place of ancestors that are no longer known.
    pub(super) fn unknown_words(&self) -> Option<String> {
        Some(match self.unknown_ancestors? {
            0 => "[ancestors no longer known]".into(),
            n => format!("[ancestors no longer known: {n}]"),
        })
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        View::new(self, 0).serialize(to)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut below = std::mem::take(&mut self.children);
        while let Some(mut n) = below.pop() {
            below.append(&mut n.children);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn chain(length: u32) -> Node {
        let node = |pid, children| Node {
            process: Process { pid, creator: pid.saturating_sub(1), ..Process::default() },
            alive: true,
            tasks: None,
            escaped: vec![],
            other_namespaces: vec![],
            age_s: 0,
            unknown_ancestors: None,
            more: 0,
            children,
        };
        (1..length).rev().fold(node(length, vec![]), |below, pid| node(pid, vec![below]))
    }

    fn count(v: &Value) -> usize {
        1 + v["children"].as_array().unwrap().iter().map(count).sum::<usize>()
    }

    #[test]
    fn deep_lineages_are_readable_and_complete() {
        for length in [1, 39, 40, 41, 42, 43, 100, 30_000] {
            let node = chain(length);
            for pretty in [false, true] {
                let text = crate::report::json(&node, pretty);
                let back: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(count(&back), length as usize);
                assert!(text.len() < 4000 * length as usize, "{length}: {}", text.len());
            }
        }
    }

    #[test]
    fn shallow_ones_are_as_they_are() {
        let v = serde_json::to_value(chain(3)).unwrap();
        assert_eq!(v["children"][0]["children"][0]["pid"], 3);
        assert_eq!(v["children"][0]["children"][0]["creator"], 2);
    }
}
