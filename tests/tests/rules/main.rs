//! Rules: files with mistakes, files that others can change, and services that get their names by them.

mod files;
mod named;
mod unnamed;
