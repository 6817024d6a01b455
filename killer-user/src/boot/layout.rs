//! What each init needs, as the hosts that use it are laid out. Paths are below a root, without a slash in front.

use super::init::Init;
use super::tree::Tree;

/// The LSB script, which Debian's sysv-rc, OpenRC and runit-init all run, and busybox's rcS.
const LSB: &str = include_str!("files/killer.lsb");
/// OpenRC elsewhere, where LSB scripts have no dependencies.
const OPENRC: &str = include_str!("files/killer.openrc");
/// Void's stage 1 sources it.
const CORE_SERVICE: &str = include_str!("files/killer.core-services");
/// dinit.
const DINIT: &str = include_str!("files/killer.dinit");
/// finit.
const FINIT: &str = include_str!("files/killer.finit");
/// systemd.
const UNIT: &str = include_str!("files/killer.service");
/// Where the kernel has no rules: Debian's LSB scripts source it.
const FALLBACK: &str = include_str!("files/50-killer");

/// The line for an init, in a file of somebody else's.
const BOOTWAIT: &str = "kl::bootwait:{} up --rules";
const SYSINIT: &str = "::sysinit:{} up --rules";
const SHELL: &str = "{} up --rules || :";
const EXECLINE: &str = "foreground { {} up --rules }";
/// What all of them do.
const UP: &str = "up --rules";
/// The same with the recorder.
const UP_RECORDED: &str = "up --rules --lineage=all";

/// A text of ours, with what it says that the program does. `records`: the recorder begins, too.
pub fn filled(text: &str, program: &str, records: bool) -> String {
    let text = text.replace("@KILLER@", program).replace("{}", program);
    if records { text.replace(UP, UP_RECORDED) } else { text }
}

/// The line of somebody's file as it would be without the recorder.
pub fn plain(line: &str) -> String {
    line.replace(UP_RECORDED, UP)
}

/// All of them: a line of any of these forms is killer's.
pub const LINES: [&str; 4] = [BOOTWAIT, SYSINIT, SHELL, EXECLINE];

/// A place in a file of somebody else's, where lines of ours go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// Behind the first line, which names the interpreter.
    BehindInterpreter,
    /// At the end.
    End,
    /// Before the last line of busybox's inittab for `sysinit`, when one before that mounts /proc; else behind it.
    Sysinit,
}

/// One thing that an init needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A file of ours.
    File {
        /// Where.
        at: String,
        /// What is in it; `@KILLER@` stands for the program.
        text: &'static str,
        /// Its permissions.
        mode: u32,
    },
    /// A link.
    Link {
        /// Directory that it is in.
        dir: String,
        /// Its name, where `??` stands for a number that the order of others decides.
        name: String,
        /// Where it points to.
        to: &'static str,
    },
    /// Lines in a file of somebody else's.
    Line {
        /// Which file.
        at: String,
        /// The line for the init; `{}` stands for the program.
        pattern: &'static str,
        /// Where in it.
        spot: Spot,
    },
}

/// One way in which hosts with an init are laid out.
#[derive(Debug)]
pub struct Layout {
    /// The init.
    pub init: Init,
    /// Is this host laid out so?
    fits: fn(&Tree) -> bool,
    /// What it needs.
    pub items: fn(&Tree) -> Vec<Item>,
}

/// The layouts; of an init the first one that fits, else its first one.
const LAYOUTS: [Layout; 12] = [
    Layout { init: Init::Sysv, fits: |t| t.has_dir("etc/rcS.d"), items: debian },
    Layout { init: Init::Sysv, fits: |t| t.has("etc/inittab"), items: inittab },
    Layout { init: Init::Openrc, fits: |t| !is_debian(t), items: openrc },
    Layout { init: Init::Openrc, fits: is_debian, items: debian_openrc },
    Layout { init: Init::Runit, fits: |t| t.has_dir("etc/runit/core-services"), items: void },
    Layout { init: Init::Runit, fits: |t| t.has_dir("etc/rcS.d"), items: debian },
    Layout { init: Init::Runit, fits: |t| t.has("etc/runit/2"), items: runit },
    Layout { init: Init::S6, fits: |_| true, items: s6 },
    Layout { init: Init::Dinit, fits: |_| true, items: dinit },
    Layout { init: Init::Finit, fits: |_| true, items: finit },
    Layout { init: Init::Busybox, fits: |_| true, items: busybox },
    Layout { init: Init::Systemd, fits: |_| true, items: systemd },
];

/// How a host with this init is laid out.
pub fn fitting(init: Init, tree: &Tree) -> &'static Layout {
    let mut of_init = LAYOUTS.iter().filter(|l| l.init == init);
    let first = of_init.clone().next().expect("each init has a layout");
    of_init.find(|l| (l.fits)(tree)).unwrap_or(first)
}

/// All that may have been installed for this init, or for any, in whatever layout: what makes things run first, so that
/// nothing is started of which a part is missing.
pub fn every(init: Option<Init>, tree: &Tree) -> Vec<Item> {
    let of_init = LAYOUTS.iter().filter(|l| init.is_none_or(|i| l.init == i));
    let mut all: Vec<Item> = Vec::new();
    for item in of_init.flat_map(|l| (l.items)(tree)).chain(busybox_always()).chain([openrc_started()]) {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all.sort_by_key(|i| matches!(i, Item::File { .. }));
    all
}

fn is_debian(tree: &Tree) -> bool {
    tree.has("etc/debian_version") || tree.has("lib/lsb/init-functions")
}

fn file(at: &str, text: &'static str, mode: u32) -> Item {
    Item::File { at: at.into(), text, mode }
}

fn link(dir: &str, name: &str, to: &'static str) -> Item {
    Item::Link { dir: dir.into(), name: name.into(), to }
}

/// Scripts of Debian's source the fallback, whatever runs them.
fn lsb(tree: &Tree) -> Vec<Item> {
    let mut items = vec![file("etc/init.d/killer", LSB, 0o755)];
    if tree.has("lib/lsb/init-functions") || tree.has_dir("lib/lsb/init-functions.d") {
        items.push(file("lib/lsb/init-functions.d/50-killer", FALLBACK, 0o644));
    }
    items
}

fn debian(tree: &Tree) -> Vec<Item> {
    let mut items = lsb(tree);
    items.push(link("etc/rcS.d", "S??killer", "../init.d/killer"));
    items
}

fn debian_openrc(tree: &Tree) -> Vec<Item> {
    let mut items = lsb(tree);
    items.push(link("etc/runlevels/sysinit", "killer", "/etc/init.d/killer"));
    // Whoever goes back to sysv-rc finds it there.
    if tree.has_dir("etc/rcS.d") {
        items.push(link("etc/rcS.d", "S??killer", "../init.d/killer"));
    }
    items
}

fn openrc(_: &Tree) -> Vec<Item> {
    vec![
        file("etc/init.d/killer", OPENRC, 0o755),
        link("etc/runlevels/sysinit", "killer", "/etc/init.d/killer"),
    ]
}

/// Slackware and hand-made hosts: `bootwait` entries run when those for `sysinit` have ended, and before any for a runlevel
/// (init(8), inittab(5)).
fn inittab(_: &Tree) -> Vec<Item> {
    vec![Item::Line { at: "etc/inittab".into(), pattern: BOOTWAIT, spot: Spot::End }]
}

/// Stage 1 sources these in the order of their names; `00-pseudofs.sh` mounts /proc, /sys and /run.
fn void(_: &Tree) -> Vec<Item> {
    vec![file("etc/runit/core-services/01-killer.sh", CORE_SERVICE, 0o644)]
}

/// Stage 2 ends with an exec of runsvdir, which starts the services.
fn runit(_: &Tree) -> Vec<Item> {
    vec![Item::Line { at: "etc/runit/2".into(), pattern: SHELL, spot: Spot::BehindInterpreter }]
}

/// rc.init runs when /proc, /sys and /run are mounted, and starts the services.
fn s6(tree: &Tree) -> Vec<Item> {
    const PLACES: [&str; 3] = [
        "etc/s6-linux-init/current/scripts/rc.init",
        "etc/s6/current/scripts/rc.init",
        "etc/s6-linux-init/skel/rc.init",
    ];
    let there: Vec<&str> = PLACES.into_iter().filter(|p| tree.has(p)).collect();
    let places = if there.is_empty() { vec![PLACES[0]] } else { there };
    let of = |at: &str| {
        let text = tree.read(at).ok().flatten().unwrap_or_default();
        let execline = text.lines().next().unwrap_or_default().contains("execlineb");
        let pattern = if execline { EXECLINE } else { SHELL };
        Item::Line { at: at.to_owned(), pattern, spot: Spot::BehindInterpreter }
    };
    places.into_iter().map(of).collect()
}

fn dinit(_: &Tree) -> Vec<Item> {
    vec![file("etc/dinit.d/killer", DINIT, 0o644), link("etc/dinit.d/boot.d", "killer", "../killer")]
}

fn finit(_: &Tree) -> Vec<Item> {
    vec![file("etc/finit.d/killer.conf", FINIT, 0o644)]
}

/// Buildroot's rcS runs `/etc/init.d/S??*` in the order of their names.
const BUSYBOX_SCRIPT: &str = "etc/init.d/S00killer";

fn busybox(tree: &Tree) -> Vec<Item> {
    let rcs = tree.read("etc/init.d/rcS").ok().flatten().unwrap_or_default();
    match rcs.contains("/S??*") || rcs.contains("/S[0-9][0-9]") || !tree.has("etc/inittab") {
        true => vec![file(BUSYBOX_SCRIPT, LSB, 0o755)],
        false => vec![busybox_line()],
    }
}

fn busybox_line() -> Item {
    Item::Line { at: "etc/inittab".into(), pattern: SYSINIT, spot: Spot::Sysinit }
}

/// What OpenRC has noted of a script that it started, until the host goes down.
fn openrc_started() -> Item {
    link("run/openrc/started", "killer", "/etc/init.d/killer")
}

/// Both of its forms, to be removed when the other one fits by now.
fn busybox_always() -> Vec<Item> {
    vec![file(BUSYBOX_SCRIPT, LSB, 0o755), busybox_line()]
}

fn systemd(_: &Tree) -> Vec<Item> {
    vec![
        file("etc/systemd/system/killer.service", UNIT, 0o644),
        link("etc/systemd/system/sysinit.target.wants", "killer.service", "../killer.service"),
    ]
}
