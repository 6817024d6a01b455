//! KTAP version 1, the kernel's Test Anything Protocol (Documentation/dev-tools/ktap.rst), which kselftest, KUnit's parser
//! and LAVA read: version, plan, a result line for each test, `#` before everything else.

use super::escape::text;
use super::human;
use super::model::{Selftest, Trial};

/// Version and plan.
pub fn begins(m: &Selftest) -> String {
    let gate = m.gate.unwrap_or("none");
    format!("KTAP version 1\n1..{}\n# kernel {}, tier {}, gate {gate}\n", m.planned, text(&m.kernel), m.tier)
}

/// The result line of the n-th trial, from 1, with its diagnostic line before it.
pub fn trial(n: usize, t: &Trial) -> String {
    // A name must not hold a `#`, and a reason is one line.
    let (name, what) = (text(&t.name).replace('#', "_"), text(&t.what));
    let why = t.why.as_deref().map(text).unwrap_or_default();
    match t.result.as_str() {
        "pass" => format!("# {name}: {what}: {}\nok {n} {name}\n", human::measure(t)),
        "skip" => format!("# {name}: {what}\nok {n} {name} # SKIP {why}\n"),
        _ => format!("# {name}: {what}\nnot ok {n} {name} # {why}\n"),
    }
}

/// kselftest's totals (tools/testing/selftests/kselftest.h: ksft_print_cnts) and the verdict; after an interrupt TAP's word
/// for a plan that is not kept.
pub fn ends(m: &Selftest) -> String {
    let mut out = String::new();
    if let Some(signal) = &m.interrupted {
        out += &format!("Bail out! interrupted by {}\n", text(signal));
    }
    out += &format!("# {}\n", text(&m.verdict));
    out + &format!(
        "# Totals: pass:{} fail:{} xfail:0 xpass:0 skip:{} error:0\n",
        m.passed, m.failed, m.skipped
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{selftest, selftest_ktap};

    #[test]
    fn word_for_word() {
        assert_eq!(
            selftest_ktap(&selftest("no ring")),
            "KTAP version 1\n\
             1..3\n\
             # kernel 6.18, tier typed, gate D\n\
             # plain: no ring: 20 processes in 10 rounds, 1.2 ms; no ring, not exact: no ring\n\
             ok 1 plain\n\
             # io_uring: no ring\n\
             ok 2 io_uring # SKIP no ring\n\
             # bomb: no ring\n\
             not ok 3 bomb # no ring\n\
             # NOT safe on this kernel (6.18, tier typed, gate D): 1 of 2 trials failed: bomb; not tried: io_uring; \
             sets were not exact: no ring\n\
             # Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0\n"
        );
    }

    #[test]
    fn an_interrupt_bails_out() {
        let m = Selftest { interrupted: Some("SIGINT".into()), ..selftest("x") };
        assert!(ends(&m).starts_with("Bail out! interrupted by SIGINT\n# "));
    }

    #[test]
    fn no_word_breaks_the_grammar() {
        let m = selftest("a\nok 9 b # SKIP #");
        for line in selftest_ktap(&m).lines() {
            let known = ["KTAP version 1", "1..3"].contains(&line)
                || ["# ", "ok 1 plain", "ok 2 io_uring # SKIP ", "not ok 3 bomb # "]
                    .iter()
                    .any(|s| line.starts_with(s));
            assert!(known, "{line}");
        }
    }
}
