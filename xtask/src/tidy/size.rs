//! Functions and files that are too long to be read in one go.

use anyhow::{Context, Result};
use syn::visit::{self, Visit};

use super::{Check, Finding, Sources};

/// Lines of a function, from `fn` to its last brace, in what is shipped.
const FUNCTION: usize = 70;
/// The same in tests, models and tools, where a function is often one long story or table.
const FUNCTION_ASIDE: usize = 100;
/// Lines of a file.
const FILE: usize = 400;
/// Lines of a verb's file: it asks, and shows; what is done is done below.
const VERB: usize = 60;
/// Where the verbs are, and what is there beside them.
const VERBS: (&str, [&str; 5]) =
    ("killer-user/src/verbs/", ["mod.rs", "screen.rs", "several.rs", "tests.rs", "verb.rs"]);
/// Crates that are shipped.
const SHIPPED: [&str; 3] = ["killer-common/", "killer-ebpf/", "killer-user/"];

/// Everything above the limits.
pub fn check(sources: &Sources) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (path, text) in sources.rust() {
        let lines = text.lines().count();
        let is_verb = path.strip_prefix(VERBS.0).is_some_and(|name| !VERBS.1.contains(&name));
        let most = if is_verb { VERB } else { FILE };
        if lines > most {
            let text = format!("{path} has {lines} lines, {most} are allowed");
            found.push(Finding { check: Check::LongFile, key: path.into(), text });
        }
        let limit = if SHIPPED.iter().any(|c| path.starts_with(c)) { FUNCTION } else { FUNCTION_ASIDE };
        let file = syn::parse_file(text).with_context(|| format!("{path} cannot be read as Rust"))?;
        let mut functions = Functions::default();
        functions.visit_file(&file);
        for (name, line, lines) in functions.found.into_iter().filter(|f| f.2 > limit) {
            let text = format!("{path}:{line}: {name} has {lines} lines, {limit} are allowed");
            found.push(Finding { check: Check::LongFunction, key: format!("{path}:{name}"), text });
        }
    }
    Ok(found)
}

/// Name, line and number of lines of each function.
#[derive(Default)]
struct Functions {
    found: Vec<(String, usize, usize)>,
}

impl Functions {
    fn add(&mut self, name: &syn::Ident, block: &syn::Block, word: &syn::token::Fn) {
        let (first, last) = (word.span.start().line, block.brace_token.span.close().end().line);
        self.found.push((name.to_string(), first, last + 1 - first));
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, f: &'a syn::ItemFn) {
        self.add(&f.sig.ident, &f.block, &f.sig.fn_token);
        visit::visit_item_fn(self, f);
    }

    fn visit_impl_item_fn(&mut self, f: &'a syn::ImplItemFn) {
        self.add(&f.sig.ident, &f.block, &f.sig.fn_token);
        visit::visit_impl_item_fn(self, f);
    }

    fn visit_trait_item_fn(&mut self, f: &'a syn::TraitItemFn) {
        if let Some(block) = &f.default {
            self.add(&f.sig.ident, block, &f.sig.fn_token);
        }
        visit::visit_trait_item_fn(self, f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(path: &str, text: &str) -> Vec<String> {
        check(&Sources::of(&[(path, text)])).unwrap().into_iter().map(|f| f.key).collect()
    }

    #[test]
    fn long_functions_are_found() {
        let body = "    f();\n".repeat(69);
        let long = format!("impl X {{\n    /// Says.\n    pub fn long() {{\n{body}    }}\n}}\n");
        assert_eq!(keys("killer-user/src/a.rs", &long), ["killer-user/src/a.rs:long"]);
        assert!(keys("tests/src/a.rs", &long).is_empty(), "tests may be longer");
        assert!(keys("killer-user/src/a.rs", &long.replacen("    f();\n", "", 1)).is_empty());
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(keys("tests/src/a.rs", &"// x\n".repeat(401)), ["tests/src/a.rs"]);
        assert!(keys("tests/src/a.rs", &"// x\n".repeat(400)).is_empty());
    }
}
