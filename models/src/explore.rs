//! Running a model: every state, the shortest way to a failure, or seeded random walks.

use std::fmt::{self, Debug};
use std::hash::Hash;
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path, UniformChooser};

/// A property that does not hold, with the shortest way there.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The property.
    pub property: &'static str,
    /// The actions that lead to it.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "'{}' does not hold after", self.property)?;
        for (n, step) in self.trace.iter().enumerate() {
            writeln!(f, "  {:2} {step}", n + 1)?;
        }
        Ok(())
    }
}

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Longest way.
    pub depth: usize,
    /// How long it took.
    pub time: Duration,
    /// What does not hold.
    pub failures: Vec<Failure>,
    /// What should be possible and was never seen: the model would prove nothing.
    pub unseen: Vec<&'static str>,
}

/// [`Explored`] in a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every property holds, and everything that should be possible was seen.
    Holds,
    /// Some properties do not.
    Fails(Vec<&'static str>),
    /// The model cannot do what it should.
    Vacuous(Vec<&'static str>),
}

impl Explored {
    /// In a word.
    pub fn verdict(&self) -> Verdict {
        if !self.failures.is_empty() {
            return Verdict::Fails(self.failures.iter().map(|f| f.property).collect());
        }
        if self.unseen.is_empty() { Verdict::Holds } else { Verdict::Vacuous(self.unseen.clone()) }
    }
}

fn steps<M>(path: Path<M::State, M::Action>) -> Vec<String>
where
    M: Model,
    M::Action: Debug,
{
    path.into_actions().into_iter().map(|a| format!("{a:?}")).collect()
}

fn told<M>(model: &M, checker: impl Checker<M>, states: usize, began: Instant) -> Explored
where
    M: Model,
    M::State: Clone + PartialEq,
    M::Action: Clone + PartialEq + Debug,
{
    let mut found = checker.discoveries();
    let mut failures = Vec::new();
    let mut unseen = Vec::new();
    for p in model.properties() {
        match (p.expectation, found.remove(p.name)) {
            (Expectation::Sometimes, None) => unseen.push(p.name),
            (Expectation::Always | Expectation::Eventually, Some(path)) => {
                failures.push(Failure { property: p.name, trace: steps::<M>(path) });
            }
            _ => {}
        }
    }
    Explored { states, depth: checker.max_depth(), time: began.elapsed(), failures, unseen }
}

/// Explores every state that can be reached.
pub fn every_state<M>(model: M) -> Explored
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + 'static,
    M::Action: Clone + PartialEq + Debug,
{
    let began = Instant::now();
    let checker = model.clone().checker().spawn_bfs().join();
    let states = checker.unique_state_count();
    told(&model, checker, states, began)
}

/// Explores breadth first until some property fails: the trace is a shortest one.
pub fn first_failure<M>(model: M) -> Explored
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + 'static,
    M::Action: Clone + PartialEq + Debug,
{
    let began = Instant::now();
    let checker = model.clone().checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let states = checker.unique_state_count();
    told(&model, checker, states, began)
}

/// Random walks from a seed, until so many states were seen or some property failed.
pub fn random_walks<M>(model: M, seed: u64, states: usize) -> Explored
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + 'static,
    M::Action: Clone + PartialEq + Debug,
{
    let began = Instant::now();
    let checker = model
        .clone()
        .checker()
        .target_state_count(states)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_simulation(seed, UniformChooser)
        .join();
    let seen = checker.state_count();
    told(&model, checker, seen, began)
}

/// True when nothing that has to happen can happen any more. For "in the end": the models are free of cycles, so what holds
/// in every last state comes about on every way. `free` are actions that nobody can count on: crashes, forks, exits.
pub fn over<M: Model>(model: &M, state: &M::State, free: fn(&M::Action) -> bool) -> bool {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    !actions.into_iter().any(|a| !free(&a) && model.next_state(state, a).is_some())
}
