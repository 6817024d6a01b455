//! The object of the rules: services get their names at exec, where the kernel has BTF. Loaded when somebody asks for rules;
//! its refusal costs nothing else.
//!
//! In these hooks the process has one thread, is its own leader and cannot fork (`fs/exec.c:begin_new_exec`), so that nothing of it is
//! born while it moves. The only writer of membership is the modern object's.
#![no_std]
#![no_main]
#![allow(internal_features, dead_code)]
#![feature(core_intrinsics)]

mod gate;
mod instance;
mod knobs;
mod lineage;
mod maps;
mod member;
mod object;
mod process;
mod rule_maps;
mod slot;
mod task;
mod tries;

#[path = "rules/asked.rs"]
mod asked;
#[path = "rules/bytes.rs"]
mod bytes;
#[path = "rules/element.rs"]
mod element;
#[path = "rules/file.rs"]
mod file;
#[path = "rules/find.rs"]
mod find;
#[path = "rules/hooks.rs"]
mod hooks;
#[path = "rules/open.rs"]
mod open;
#[path = "rules/typed.rs"]
mod typed;
#[path = "rules/words.rs"]
mod words;
