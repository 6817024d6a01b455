//! What a command line asks for: which kernels in which variants, which tests, and which programs these need.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use super::Options;
use super::kernel::{self, Series};
use super::variant::{self, Variant};

/// What CI boots: a real init, which takes longest and is begun first; the oldest, a fully preemptible one, the newest fully
/// preemptible, `killer` all alone, and servers of files that never answer.
const CI: [(&str, &str); 6] = [
    ("7.x", "sysv"),
    ("5.10", "plain"),
    ("6.12-rt", "plain"),
    ("7.x", "preempt-full"),
    ("7.x", "alone"),
    ("7.x", "modules"),
];
/// Kernels that stand for the rest in variants other than the plain one.
const FOR_VARIANTS: [&str; 3] = ["5.10", "6.12", "7.x"];

/// Which kernel in which variant.
pub fn wanted(options: &Options) -> Result<Vec<(Series, &'static Variant)>> {
    let plain = &variant::ALL[..1];
    if !options.boot.is_empty() {
        let kernel = Series::parse(&options.kernel)?;
        return Ok(options.boot.iter().map(|init| (kernel.clone(), Variant::booting(*init))).collect());
    }
    if options.ci {
        let named = |(series, name): (&str, &str)| {
            let variant = Variant::named(name).with_context(|| format!("no variant {name}"))?;
            Ok((Series::parse(series)?, variant))
        };
        return CI.into_iter().map(named).collect();
    }
    let mut wanted = Vec::new();
    let mut add = |series: &[&str], variants: &mut dyn Iterator<Item = &'static Variant>| -> Result<()> {
        for variant in variants {
            for series in series {
                wanted.push((Series::parse(series)?, variant));
            }
        }
        Ok(())
    };
    let series: Vec<&str> = match options.series.is_empty() {
        true => kernel::MATRIX.to_vec(),
        false => options.series.iter().map(String::as_str).collect(),
    };
    if options.full {
        add(&kernel::MATRIX, &mut plain.iter())?;
        add(&FOR_VARIANTS, &mut variant::ALL.iter().skip(1))?;
    } else if options.variant.is_empty() {
        add(&series, &mut plain.iter())?;
    } else {
        add(&series, &mut variants(&options.variant)?.into_iter())?;
    }
    Ok(wanted)
}

/// The lines of the plan that say which tests.
pub fn tests(options: &Options, variant: &Variant) -> Vec<String> {
    let own: Vec<&str> = match options.filter.is_empty() {
        false => options.filter.iter().map(String::as_str).collect(),
        true if options.ci && variant.init.is_some() => variant::BOOT_CI.to_vec(),
        true if options.once && variant.tests.contains(&"boot::") => variant::BOOT_CORE.to_vec(),
        true if options.ci && variant.tests == variant::KERNEL => variant::CORE.to_vec(),
        true => variant.tests.to_vec(),
    };
    let mut lines: Vec<String> = own.iter().map(|f| format!("filter={f}")).collect();
    lines.extend(options.skip.iter().map(|s| format!("skip={s}")));
    if variant.init.is_some() && (options.once || options.ci) {
        lines.push("boots=once".into());
    }
    lines
}

/// The test binaries that have what is wanted; none: all of them.
pub fn binaries(options: &Options, wanted: &[(Series, &'static Variant)]) -> Vec<String> {
    let lines = wanted.iter().flat_map(|(_, variant)| match tests(options, variant) {
        lines if lines.is_empty() => vec![String::new()],
        lines => lines,
    });
    let filters = lines.filter(|l| !l.starts_with("skip=") && !l.starts_with("boots="));
    let names: Option<BTreeSet<String>> =
        filters.map(|l| Some(l.strip_prefix("filter=")?.split_once("::")?.0.to_owned())).collect();
    names.unwrap_or_default().into_iter().collect()
}

fn variants(names: &[String]) -> Result<Vec<&'static Variant>> {
    let mut found = Vec::new();
    for name in names.iter().flat_map(|n| n.split(',')) {
        match Variant::named(name) {
            _ if name == "all" => found.extend(variant::ALL.iter()),
            Some(variant) => found.push(variant),
            None => {
                let all: Vec<_> =
                    variant::ALL.iter().map(|v| format!("  {:24} {}", v.name, v.what)).collect();
                bail!("no variant '{name}'; there are:\n{}", all.join("\n"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::vm::Options;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn only_test_binaries_that_are_wanted_are_built() {
        let built = |words: &str| {
            let options = Line::parse_from(format!("vm {words}").split_whitespace()).options;
            binaries(&options, &wanted(&options).expect("series and variants"))
        };
        assert_eq!(built("7.x --variant no-bpffs,clocks"), ["chaos", "guest"]);
        assert_eq!(built("7.x --filter adopt:: --skip cron"), ["adopt"]);
        assert_eq!(built("--boot runit"), ["boot"]);
        assert_eq!(built("--ci"), ["adversaries", "boot", "tiers", "unstick", "unstick_nfs"]);
        assert!(built("7.x --filter cron").is_empty(), "it may be in any of them");
    }
}
