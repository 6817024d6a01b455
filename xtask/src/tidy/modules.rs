//! The modules of one crate and what they name of each other, without what only its unit tests name.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use syn::visit::{self, Visit};

use super::Sources;

/// A path from the root of the crate.
type Path = Vec<String>;

/// One module: a file, or a part of one.
#[derive(Debug, Default)]
struct Module {
    /// Path of its file in the checkout.
    file: String,
    /// What it defines; other modules are not among it.
    defined: BTreeSet<String>,
    /// Names that it has from elsewhere in the crate.
    imported: BTreeMap<String, Path>,
    /// Modules of which it shows everything.
    globs: Vec<Path>,
    /// Everything of the crate that it names; what it only shows to others is not among it.
    named: Vec<Path>,
}

/// All modules of a crate.
#[derive(Debug, Default)]
pub struct Modules(BTreeMap<Path, Module>);

impl Modules {
    /// Those of the crate whose `lib.rs` lies in `place`.
    pub fn read(sources: &Sources, place: &str) -> Result<Modules> {
        let mut all = Modules::default();
        all.file(sources, place, "lib.rs", Vec::new())?;
        Ok(all)
    }

    fn file(&mut self, sources: &Sources, place: &str, file: &str, path: Path) -> Result<()> {
        let full = format!("{place}/{file}");
        let text = sources.text(&full).with_context(|| format!("{full} is missing"))?;
        let parsed = syn::parse_file(text).with_context(|| format!("{full} cannot be read as Rust"))?;
        let children = self.items(&parsed.items, &full, path);
        for child in children {
            let base = child.join("/");
            let in_folder = format!("{base}/mod.rs");
            let beside = format!("{base}.rs");
            let there = sources.text(&format!("{place}/{beside}")).is_some();
            self.file(sources, place, if there { &beside } else { &in_folder }, child)?;
        }
        Ok(())
    }

    /// Reads the items of one module; the modules in files of their own are returned.
    fn items(&mut self, items: &[syn::Item], file: &str, path: Path) -> Vec<Path> {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let (mut children, mut within) = (Vec::new(), Vec::new());
        let items = items.iter().filter(|i| !only_for_tests(attributes(i)));
        let (modules, others): (Vec<_>, Vec<_>) = items.partition(|i| matches!(i, syn::Item::Mod(_)));
        for item in modules {
            let syn::Item::Mod(m) = item else { continue };
            let mut child = path.clone();
            child.push(m.ident.to_string());
            match &m.content {
                Some((_, items)) => within.push((items, child)),
                None => children.push(child),
            }
        }
        let submodules: BTreeSet<_> =
            children.iter().chain(within.iter().map(|(_, c)| c)).filter_map(|c| c.last().cloned()).collect();
        for item in &others {
            if let syn::Item::Use(u) = item {
                let scope = Scope { path: &path, submodules: &submodules, imported: &BTreeMap::new() };
                import(u, &scope, &mut module);
            } else if let Some(name) = defined(item) {
                module.defined.insert(name);
            }
        }
        let imported = module.imported.clone();
        let scope = Scope { path: &path, submodules: &submodules, imported: &imported };
        let mut names = Names { scope, named: Vec::new() };
        for item in others.iter().filter(|i| !matches!(i, syn::Item::Use(_))) {
            names.visit_item(item);
        }
        module.named.append(&mut names.named);
        self.0.insert(path, module);
        for (items, child) in within {
            children.append(&mut self.items(items, file, child));
        }
        children
    }

    /// Which file needs which, for something that is defined there.
    pub fn edges(&self) -> BTreeSet<(&str, &str)> {
        let needs = self.0.values().flat_map(|m| m.named.iter().map(|n| (&*m.file, n)));
        let edges = needs.filter_map(|(file, named)| Some((file, self.home(named, 0)?)));
        edges.filter(|(from, to)| from != to).collect()
    }

    /// The file that defines what `named` leads to; `None` for a module as a whole.
    fn home(&self, named: &[String], depth: usize) -> Option<&str> {
        let mut at = self.0.get(&[] as &[String])?;
        for (n, name) in named.iter().enumerate() {
            if let Some(child) = self.0.get(&named[..=n]) {
                at = child;
                continue;
            }
            // Circles of imports that no compiler would take end here.
            if depth < 16 && !at.defined.contains(name) {
                let rest = &named[n + 1..];
                if let Some(target) = at.imported.get(name) {
                    return self.home(&[target, rest].concat(), depth + 1);
                }
                let shown = at.globs.iter().filter_map(|g| self.0.get(g).map(|m| (g, m)));
                let mut shown = shown.filter(|(_, m)| m.defined.contains(name));
                if let Some((glob, _)) = shown.next() {
                    return self.home(&[glob, &named[n..]].concat(), depth + 1);
                }
            }
            return Some(&at.file);
        }
        None
    }
}

/// What a path in a module is looked up with.
struct Scope<'a> {
    path: &'a [String],
    submodules: &'a BTreeSet<String>,
    imported: &'a BTreeMap<String, Path>,
}

impl Scope<'_> {
    /// The path from the root of the crate, `None` for what is not of it or of this very module.
    fn absolute(&self, path: &[String]) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let from = |base: &[String], rest: &[String]| Some([base, rest].concat());
        match &**first {
            "crate" => from(&[], rest),
            "self" => from(self.path, rest),
            "super" => {
                let ups = path.iter().take_while(|p| *p == "super").count();
                from(self.path.get(..self.path.len().checked_sub(ups)?)?, &path[ups..])
            }
            name if self.submodules.contains(name) => from(self.path, path),
            name => from(self.imported.get(name)?, rest),
        }
    }
}

fn import(u: &syn::ItemUse, scope: &Scope<'_>, module: &mut Module) {
    let private = matches!(u.vis, syn::Visibility::Inherited);
    leaves(&u.tree, &mut Vec::new(), &mut |path, name| {
        let Some(target) = scope.absolute(path) else { return };
        match name {
            Some(name) => drop(module.imported.insert(name, target.clone())),
            None => module.globs.push(target.clone()),
        }
        if private {
            module.named.push(target);
        }
    });
}

/// Each path of a tree of imports with the name that it gets, `None` for `*`.
fn leaves(tree: &syn::UseTree, before: &mut Path, found: &mut impl FnMut(&[String], Option<String>)) {
    let mut leaf = |before: &mut Path, name: &syn::Ident, as_name: &syn::Ident| {
        if name == "self" {
            let as_name = if as_name == "self" { before.last().cloned() } else { Some(as_name.to_string()) };
            return found(before, as_name);
        }
        before.push(name.to_string());
        found(before, Some(as_name.to_string()));
        before.pop();
    };
    match tree {
        syn::UseTree::Path(p) => {
            before.push(p.ident.to_string());
            leaves(&p.tree, before, found);
            before.pop();
        }
        syn::UseTree::Name(n) => leaf(before, &n.ident, &n.ident),
        syn::UseTree::Rename(r) => leaf(before, &r.ident, &r.rename),
        syn::UseTree::Glob(_) => found(before, None),
        syn::UseTree::Group(g) => g.items.iter().for_each(|t| leaves(t, before, found)),
    }
}

/// Collects the paths in code.
struct Names<'a> {
    scope: Scope<'a>,
    named: Vec<Path>,
}

impl Names<'_> {
    fn add(&mut self, path: &[String]) {
        if path.len() > 1 {
            self.named.extend(self.scope.absolute(path));
        }
    }

    /// Macros are no syntax yet: what looks like a path is taken for one.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(i) => {
                    if colons != 2 {
                        self.add(&std::mem::take(&mut path));
                    }
                    path.push(i.to_string());
                    colons = 0;
                }
                proc_macro2::TokenTree::Punct(p) if p.as_char() == ':' && !path.is_empty() => colons += 1,
                other => {
                    self.add(&std::mem::take(&mut path));
                    colons = 0;
                    if let proc_macro2::TokenTree::Group(g) = other {
                        self.tokens(g.stream());
                    }
                }
            }
        }
        self.add(&path);
    }
}

impl<'a> Visit<'a> for Names<'_> {
    fn visit_path(&mut self, p: &'a syn::Path) {
        let segments: Path = p.segments.iter().map(|s| s.ident.to_string()).collect();
        self.add(&segments);
        visit::visit_path(self, p);
    }

    fn visit_item_use(&mut self, u: &'a syn::ItemUse) {
        leaves(&u.tree, &mut Vec::new(), &mut |path, _| self.named.extend(self.scope.absolute(path)));
    }

    fn visit_macro(&mut self, m: &'a syn::Macro) {
        self.tokens(m.tokens.clone());
    }

    fn visit_impl_item_fn(&mut self, f: &'a syn::ImplItemFn) {
        if !only_for_tests(&f.attrs) {
            visit::visit_impl_item_fn(self, f);
        }
    }

    fn visit_vis_restricted(&mut self, _: &'a syn::VisRestricted) {}

    fn visit_attribute(&mut self, _: &'a syn::Attribute) {}
}

fn only_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        a.path().is_ident("cfg") && a.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(i) => &i.attrs,
        syn::Item::Enum(i) => &i.attrs,
        syn::Item::Fn(i) => &i.attrs,
        syn::Item::Impl(i) => &i.attrs,
        syn::Item::Macro(i) => &i.attrs,
        syn::Item::Mod(i) => &i.attrs,
        syn::Item::Static(i) => &i.attrs,
        syn::Item::Struct(i) => &i.attrs,
        syn::Item::Trait(i) => &i.attrs,
        syn::Item::Type(i) => &i.attrs,
        syn::Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

fn defined(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(i) => &i.ident,
        syn::Item::Enum(i) => &i.ident,
        syn::Item::Fn(i) => &i.sig.ident,
        syn::Item::Static(i) => &i.ident,
        syn::Item::Struct(i) => &i.ident,
        syn::Item::Trait(i) => &i.ident,
        syn::Item::Type(i) => &i.ident,
        syn::Item::Union(i) => &i.ident,
        syn::Item::Macro(i) => i.ident.as_ref()?,
        _ => return None,
    };
    Some(name.to_string())
}
