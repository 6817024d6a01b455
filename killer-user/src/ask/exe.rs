//! A glob over paths of programs.

use killer_common::watch::{Glob, MOST};

/// Reads one: `*` any bytes, `?` any one, `[a-z]` and `[!a-z]` one of these or none of them. One without `/` is compared with the file's
/// name, one with it with the path in whole. The error is text.
pub fn parse(text: &str) -> Result<Box<Glob>, String> {
    let bytes = text.as_bytes();
    let slash = u64::from(!bytes.contains(&b'/'));
    let mut glob = Box::new(Glob { takes: [[0; 2]; 256], stays: [0; 2], end: [0; 2], slash });
    let (mut n, mut i) = (0, 0);
    while let Some(&b) = bytes.get(i) {
        i += 1;
        if b == b'*' {
            glob.stays[n / 64] |= 1 << (n % 64);
            continue;
        }
        if n == MOST {
            return Err(format!("the glob has more than {MOST} characters"));
        }
        let class = if b == b'[' { class(bytes, i) } else { None };
        let is = |c: u8| match &class {
            Some((members, _)) => members[usize::from(c)],
            None => b == b'?' || b == c,
        };
        for c in (0..=u8::MAX).filter(|c| is(*c)) {
            glob.takes[usize::from(c)][n / 64] |= 1 << (n % 64);
        }
        i = class.map_or(i, |(_, next)| next);
        n += 1;
    }
    glob.end[n / 64] = 1 << (n % 64);
    match text.is_empty() || text.contains('\0') {
        true => Err("a glob for programs is not empty, and has no NUL".to_owned()),
        false => Ok(glob),
    }
}

/// The bytes of the class whose first one is at `i`, and where the glob goes on; `None`: no class.
fn class(glob: &[u8], i: usize) -> Option<([bool; 256], usize)> {
    let not = matches!(glob.get(i), Some(b'!' | b'^'));
    let first = i + usize::from(not);
    let mut k = first;
    let mut members = [not; 256];
    loop {
        let from = *glob.get(k)?;
        if from == b']' && k > first {
            return Some((members, k + 1));
        }
        let to = glob.get(k + 2).copied().filter(|to| glob[k + 1] == b'-' && *to != b']');
        for c in from..=to.unwrap_or(from) {
            members[usize::from(c)] = !not;
        }
        k += if to.is_some() { 3 } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::ask::name;

    #[test]
    fn globs() {
        let yes = [
            ("sh", "/bin/sh"),
            ("sh", "sh"),
            ("s*", "/usr/bin/sleep"),
            ("/usr/*/sh", "/usr/a/b/sh"),
            ("*", "./x"),
            ("[a-c]?", "/x/bz"),
            ("[!a-c]z", "zz"),
            ("*/[]]", "/]"),
            ("[", "/x/["),
            ("/tmp/*x*y", "/tmp/xxyxy"),
            ("**a**", "a"),
            ("./a", "./a"),
        ];
        let no = [
            ("sh", "/bin/dash"),
            ("sh", "/sh/x"),
            ("/bin/sh", "/usr/bin/sh"),
            ("?", "/x/yz"),
            ("[!a]", "a"),
            ("*/sh", "sh"),
            ("sh", ""),
            ("a*b", "/a/b"),
            ("", "a"),
        ];
        for (glob, path) in yes {
            assert!(parse(glob).expect("a glob").matches(path.as_bytes()), "{glob} {path}");
        }
        for (glob, path) in no {
            assert!(!parse(glob).is_ok_and(|g| g.matches(path.as_bytes())), "{glob} {path}");
        }
        let long = "ab".repeat(63) + "c";
        assert!(parse(&long).expect("127").matches(long.as_bytes()));
        assert!(
            parse(&(long.clone() + "*"))
                .expect("127")
                .matches((long.clone() + "/z").replace('/', "").as_bytes())
        );
        assert!(parse(&(long + "d")).is_err());
    }

    /// It is the same as what names are compared by, as far as both can.
    #[test]
    fn as_names_are() {
        let letters = ['/', 'a', 'b', '*', '?'];
        let words = |n: u32| {
            (0..5usize.pow(n))
                .map(move |k| (0..n).map(|i| letters[k / 5usize.pow(i) % 5]).collect::<String>())
        };
        let texts: Vec<String> = (0..5).flat_map(words).filter(|t| !t.contains(['*', '?'])).collect();
        for glob in (1..5).flat_map(words).filter(|g| g.contains('/')) {
            let ours = parse(&glob).expect("a glob");
            for t in &texts {
                assert_eq!(ours.matches(t.as_bytes()), name::matches(&glob, t), "{glob} {t}");
            }
        }
    }
}
