//! Long runs against `killer`: `ordeal exactness` (does the tracker's count agree with the forkers' own?) and `ordeal
//! soak` (round after round of everything at once). Either runs as it is inside a guest; its last line is
//! `FIGURES NAME JSON`.

mod dice;
mod exactness;
mod hammer;
mod load;
mod options;
mod soak;
mod tally;

use options::Options;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let result = match args.get(1).map(String::as_str) {
        Some("exactness") => Options::parse(&args[2..]).and_then(|o| exactness::main(&o)),
        Some("soak") => Options::parse(&args[2..]).and_then(|o| soak::main(&o)),
        Some("load") => load::main(&args),
        // What the load executes.
        Some("nothing") => return,
        _ => Err("usage: ordeal exactness [--forks N] [--seconds S] [--kills K] | soak [--rounds N] [--only KIND] [--seed S]".into()),
    };
    if let Err(why) = result {
        eprintln!("ordeal: {why}");
        std::process::exit(1);
    }
}
