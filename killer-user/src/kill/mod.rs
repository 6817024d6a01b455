//! The engine: guard → gate → sweep → settle → proof. One path for every signal and set; it sees members, the
//! kernel's count, a gate and a clock through the traits of a family, and does not know which tier keeps them.

mod broadcast;
mod freeze;
mod gate;
mod guard;
mod line;
mod order;
mod parents;
mod proof;
mod settle;
mod sweep;
mod wanted;

pub use crate::keep::Fate;
pub use freeze::{FreezeError, SIGCONT, freeze, thaw};
pub use gate::Gates;
pub use guard::Refusal;
pub use order::{Order, Outcome, SIGKILL, SIGSTOP, Survivor, Target};
pub use proof::empty;
pub use settle::{Awaited, Waited, unreaped, until};

use crate::lineage::{Broadcasting, Clock, Gated, Members, Repairs, Signals, Sweeping};

/// Does what the order says.
///
/// # Errors
/// [`Refusal`] when the set holds what must not be signalled; nothing has been touched then.
pub fn execute<F>(family: &mut F, order: &Order) -> Result<Outcome, Refusal>
where
    F: Members + Signals + Sweeping + Clock + Gated + Broadcasting + Repairs,
{
    let began = family.monotonic();
    let before = family.census();
    guard::check(family, order)?;

    let mut run = sweep::Sweep::new(order);
    let mut gate = None;
    if order.dry_run {
        run.dry_run(family);
    } else if order.ends_all() {
        run.until_empty(family, gate.insert(gate::Lease::close(family)));
    } else {
        run.once_each(family);
    }

    let empty = proof::empty(family);
    // While it is closed, the slot of an instance is no other service's: the proof is about the one that was meant.
    if let Some(mut gate) = gate {
        gate.open(family);
    }
    let survivors =
        if order.ends_all() && !order.dry_run && !empty { proof::survivors(family) } else { Vec::new() };
    let after = family.census();
    Ok(run.outcome(family, began, before.tasks, after.tasks, empty, survivors))
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod properties;
