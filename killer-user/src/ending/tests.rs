use super::*;

fn page(name: &str) -> String {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[track_caller]
fn assert_has(name: &str, head: &str, rows: impl Iterator<Item = String>) {
    let table = format!("{head}\n{}\n", rows.collect::<Vec<_>>().join("\n"));
    assert!(page(name).contains(&table), "{name} has another table than this one:\n\n{table}");
}

#[test]
fn the_tables_of_the_documentation() {
    let rows = codes().map(|(code, means)| format!("| {code} | {means} |"));
    assert_has("README.md", "| exit code | meaning |\n|---|---|", rows);
    let rows = endings().map(|(word, code, means)| format!("| `{word}` | {code} | {means} |"));
    assert_has("docs/ENDINGS.md", "| outcome | exit code | meaning |\n|---|---|---|", rows);
}

#[test]
fn every_ending_has_its_code_in_the_table() {
    let known: Vec<u8> = tables::CODES.iter().flat_map(|(of, ..)| of.iter().map(|e| e.code())).collect();
    for e in Ending::ALL {
        assert!(known.contains(&e.code()), "{e:?}");
    }
}

#[test]
fn partly_and_not_surely_are_two() {
    let case = Case { aimed: true, alive: true, hit: true, ..Case::default() };
    let (partly, unsure) =
        (Case { refused: Some(libc::EPERM), ..case }.judge(), Case { unsure: true, ..case }.judge());
    assert_eq!((partly, unsure), (Ending::Partial, Ending::Unsure));
    assert!(partly.word() != unsure.word() && partly.code() == unsure.code());
}

/// Every case that there is: nobody is told of a success that is none.
#[test]
fn no_case_is_called_better_than_it_is() {
    const WAITS: [Option<Wait>; 5] =
        [None, Some(Wait::Over), Some(Wait::TimedOut), Some(Wait::Unreaped), Some(Wait::Interrupted(2))];
    for bits in 0..1 << 11 {
        let bit = |n: u32| bits & 1 << n != 0;
        for wait in WAITS {
            for refused in [None, Some(libc::EPERM), Some(libc::EAGAIN)] {
                let c = Case {
                    dry_run: bit(0),
                    probe: bit(1),
                    fail: bit(2),
                    ends_all: bit(3),
                    alive: bit(4),
                    aimed: bit(5),
                    hit: bit(6),
                    refused,
                    empty: bit(7),
                    unsure: bit(8),
                    interrupted: None,
                    wait,
                    withheld: bit(10),
                    doubtful: bit(9),
                };
                let e = c.judge();
                let over = wait == Some(Wait::Over);
                let wrong = c.doubtful
                    || wait.is_some() && !over
                    || !c.dry_run && (c.ends_all && !c.empty && !over)
                    || !c.dry_run && refused.is_some() && !c.ends_all
                    || c.fail && !c.hit && !c.ends_all;
                assert!(!(wrong && e.is_good()), "{c:?}: {e:?}");
                let stopped = Case { interrupted: Some(15), ..c }.judge();
                assert_eq!(stopped, Ending::Interrupted(15));
                assert!(!Case { interrupted: Some(15), ..c }.may_wait());
            }
        }
    }
}

#[test]
fn the_worse_of_two() {
    for a in Ending::ALL {
        for b in Ending::ALL {
            let worse = a.worse(*b);
            assert!(worse == *a || worse == *b, "{a:?}, {b:?}: {worse:?}");
            assert_eq!(worse, b.worse(*a));
            assert_eq!(worse.is_good(), a.is_good() && b.is_good(), "{a:?}, {b:?}: {worse:?}");
        }
    }
    assert_eq!(Ending::Survivors.worse(Ending::Partial), Ending::Survivors);
    assert_eq!(Ending::Unsure.worse(Ending::Doubtful), Ending::Doubtful);
}

#[test]
fn statuses_of_commands() {
    assert_eq!(Ending::of_command(7 << 8).code(), 7);
    assert_eq!(Ending::of_command(9).code(), 137);
    assert!(Ending::of_command(0).is_good());
}
