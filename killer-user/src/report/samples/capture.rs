//! Models of captures, with a word where members could write one.

use super::models::exactness;
use crate::report::model::*;

pub fn captured(word: &str) -> Captured {
    let left_out = LeftOut { what: word.into(), why: word.into() };
    let manifest = Manifest {
        version: SCHEMA_VERSION,
        kind: "capture",
        service: word.into(),
        exactness: exactness(word),
        doubts: vec![word.into()],
        members: 2,
        parts: 40,
        bytes: 5 << 20,
        left_out: vec![left_out; 12],
        left_out_more: 1,
        cut_short: Some(word.into()),
        host: CaptureHost { name: word.into(), command_line: word.into(), ..CaptureHost::default() },
        tool: CaptureTool { program: Some("00ff".into()), ..CaptureTool::default() },
        asked: CaptureAsked { ranges: vec!["1:2-3".into()], ..CaptureAsked::default() },
        ..Manifest::default()
    };
    Captured { sha256: "00ff".into(), then: "kept".into(), ..Captured::new(word.into(), manifest) }
}

pub fn capture_check(word: &str, state: CaptureState) -> CaptureCheck {
    CaptureCheck {
        version: SCHEMA_VERSION,
        kind: "verify-capture",
        file: word.into(),
        state,
        why: Some(word.into()),
        service: Some(word.into()),
        parts: 3,
        bytes: 1536,
        last: Some(word.into()),
        unvouched: 1,
        left_out: 4,
        file_bytes: 9000,
        sha256: Some("00ff".into()),
    }
}

pub fn capture_export(word: &str) -> CaptureExport {
    CaptureExport::new(word.into(), word.into(), word.into(), 1, 2)
}
