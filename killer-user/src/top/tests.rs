//! Keys and what is drawn for them, without a terminal.
