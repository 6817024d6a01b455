//! Bytes of a terminal → keys.

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character that can be read.
    Char(char),
    /// Enter.
    Enter,
    /// Escape, ^C or ^G: what is asked is not wanted.
    Escape,
    /// ^C, which also ends.
    Interrupt,
    /// ^Z
    Suspend,
    /// ^L
    Redraw,
    /// Backspace.
    Erase,
    /// ^U
    EraseAll,
    /// Up, or down, so many lines.
    Move(i32),
    /// A page up (-1), or down.
    Page(i32),
    /// To the first line (-1), or to the last.
    Edge(i32),
}

/// The keys that these bytes are; what is none is passed over.
pub fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let [first, more @ ..] = rest {
        rest = more;
        let key = match first {
            b'\r' | b'\n' => Key::Enter,
            0x03 => Key::Interrupt,
            0x07 => Key::Escape,
            0x0c => Key::Redraw,
            0x15 => Key::EraseAll,
            0x1a => Key::Suspend,
            0x08 | 0x7f => Key::Erase,
            0x1b => {
                let (key, left) = escaped(more);
                rest = left;
                match key {
                    Some(key) => key,
                    None => continue,
                }
            }
            b' '..=b'~' => Key::Char(char::from(*first)),
            _ => continue,
        };
        found.push(key);
    }
    found
}

/// What stands behind an escape, and the rest. Alone it is the key of that name.
fn escaped(bytes: &[u8]) -> (Option<Key>, &[u8]) {
    let (body, rest) = match bytes {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|b| (0x40..=0x7e).contains(b)) else { return (None, &[]) };
            rest.split_at(end + 1)
        }
        [b'O', letter, rest @ ..] => (std::slice::from_ref(letter), rest),
        // The same key once more, or one with Alt, which stands for itself.
        _ => return (Some(Key::Escape), bytes),
    };
    let key = match body {
        [.., b'A'] => Some(Key::Move(-1)),
        [.., b'B'] => Some(Key::Move(1)),
        [.., b'H'] | b"1~" | b"7~" => Some(Key::Edge(-1)),
        [.., b'F'] | b"4~" | b"8~" => Some(Key::Edge(1)),
        b"5~" => Some(Key::Page(-1)),
        b"6~" => Some(Key::Page(1)),
        b"M" => Some(Key::Enter),
        _ => None,
    };
    (key, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_of_terminals() {
        for (bytes, is) in [
            (&b"q"[..], &[Key::Char('q')][..]),
            (b"\x1b", &[Key::Escape]),
            (b"\x1b\x1b[A", &[Key::Escape, Key::Move(-1)]),
            (b"\x1b[A\x1bOB", &[Key::Move(-1), Key::Move(1)]),
            (b"\x1b[1;5B", &[Key::Move(1)]),
            (b"\x1b[5~\x1b[6~", &[Key::Page(-1), Key::Page(1)]),
            (b"\x1b[H\x1b[4~", &[Key::Edge(-1), Key::Edge(1)]),
            (b"\x1b[200~y\x1b[201~", &[Key::Char('y')]),
            (b"\r\x03\x1a\x7f", &[Key::Enter, Key::Interrupt, Key::Suspend, Key::Erase]),
            ("\x1b[é".as_bytes(), &[]),
        ] {
            assert_eq!(keys(bytes), is, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_keys(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(keys(&bytes).len() <= bytes.len());
        }
    }
}
