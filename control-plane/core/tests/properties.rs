//! Thousands of random histories: whatever happens, in any order, every transition keeps its promises and nothing gets stuck.
//!
//! A failure prints the shortest history that still fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[path = "properties/event.rs"]
mod event;
#[path = "properties/invariants.rs"]
mod invariants;
// Each test binary uses its own part of the model.
#[allow(dead_code)]
#[path = "model/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use event::{Dice, Event, key};
use shunt_core::advance::{Next, Recurrence};
use shunt_core::call::CallSeen;
use shunt_core::command::Verb;
use shunt_core::observation::Freeze;
use shunt_core::state::{Installation, Phase, Retiring};
use shunt_spec::time::Span;
use world::{Edge, Judge, World, plan};

const HISTORIES: u64 = 10_000;
const LONGEST: usize = 20;

/// Reconciles until nothing happens any more, checking every transition.
fn settle(world: &mut World) -> Result<(), String> {
    world.register();
    invariants::state(&world.plan, &world.state)?;
    let mut recurrence = Recurrence::default();
    for _ in 0..60 {
        let pending = world.pending.len();
        match world.reconcile() {
            Some((before, entry)) => {
                let next = Next { state: entry.next.clone(), entry: Some(entry.clone()), answered: Vec::new() };
                if let (_, Some(recurs)) = recurrence.check(&world.plan, &before, next) {
                    return Err(recurs.to_string());
                }
                invariants::transition(world, &before, &entry).map_err(|wrong| format!("r{} {}: {wrong}", entry.revision, entry.reason))?;
            }
            None if pending == 0 => return Ok(()),
            None => {}
        }
    }
    Err(format!("it does not come to rest: {:?}", world.journal.iter().rev().take(5).map(|entry| &entry.reason).collect::<Vec<_>>()))
}

/// With proxies that do what they are told and an analysis that passes, it ends where it should.
fn comes_to_rest(world: &mut World) -> Result<(), String> {
    world.judge = Judge::Pass;
    world.misrouting_since = None;
    world.open = 0;
    if world.edges.is_empty() {
        world.edges.push(Edge::new("edge-9".to_owned()));
    }
    world.edges.iter_mut().for_each(|edge| (edge.takes_policy, edge.takes_routes, edge.silent) = (true, true, false));
    world.broken.clear();
    world.crashing.clear();
    world.freeze = Freeze::Off;
    world.calls.insert("ask".to_owned(), CallSeen::Yes { by: "cab".to_owned(), note: String::new() });
    for _ in 0..60 {
        settle(world)?;
        let phase = world.state.phase(&world.plan);
        let done = match &world.state.retiring {
            Some(retiring) => *retiring == Retiring::Gone,
            None => world.state.run.is_none() && matches!(phase, Phase::Healthy | Phase::Degraded),
        };
        if done {
            return at_rest(world, phase);
        }
        if phase == Phase::Paused {
            world.confirmed(Verb::Promote);
        }
        world.now = world.now.after(Span::seconds(90));
    }
    Err(format!("stuck in {:?}", world.state))
}

fn at_rest(world: &World, phase: Phase) -> Result<(), String> {
    let (plan, state) = (&world.plan, &world.state);
    if state.retiring.is_some() {
        return if state.run.is_none() { Ok(()) } else { Err("gone with a run".to_owned()) };
    }
    let refused = state.refused.as_ref().is_some_and(|refused| refused.version == plan.release)
        || state.concluded.as_ref().is_some_and(|concluded| concluded.version == plan.release);
    if state.stable != plan.release && !refused {
        return Err(format!("{phase:?}, but stable is {} and release {}", state.stable, plan.release));
    }
    let serving = |version: &shunt_spec::plan::Version| state.serving(&version.name);
    if !plan.versions.iter().all(serving) || state.installed.values().any(|version| version.stage != Installation::Serving) {
        return Err(format!("versions are neither in place nor gone: {:?}", state.installed));
    }
    Ok(())
}

fn play(events: &[Event]) -> Result<(), String> {
    let mut first = plan(Vec::new());
    first.key = key();
    let mut world = World::new(first);
    settle(&mut world)?;
    for event in events {
        if world.state.retiring == Some(Retiring::Gone) && world.plan.gone {
            // The platform forgets it.
            return Ok(());
        }
        event.act(&mut world);
        settle(&mut world)?;
    }
    comes_to_rest(&mut world)
}

fn outcome(events: &[Event]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| play(events))).unwrap_or_else(|_| Err("panicked".to_owned()))
}

/// Leaves out events one by one while it still fails.
fn shrink(mut events: Vec<Event>) -> Vec<Event> {
    let mut index = 0;
    while index < events.len() {
        let mut shorter = events.clone();
        shorter.remove(index);
        if outcome(&shorter).is_err() {
            events = shorter;
            index = 0;
        } else {
            index += 1;
        }
    }
    events
}

fn histories(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let mut dice = Dice(seed);
        let length = 1 + dice.roll(LONGEST);
        let events: Vec<Event> = (0..length).map(|_| Event::random(&mut dice)).collect();
        if outcome(&events).is_err() {
            let shortest = shrink(events);
            let wrong = outcome(&shortest).expect_err("it fails");
            let told: Vec<String> = shortest.iter().map(|event| format!("  {event:?}")).collect();
            panic!("history {seed} fails: {wrong}\n{}", told.join("\n"));
        }
    }
}

// Two halves, so that they run side by side.
#[test]
fn whatever_happens() {
    histories((0..HISTORIES).filter(|seed| seed % 2 == 0));
}

#[test]
fn whatever_else_happens() {
    histories((0..HISTORIES).filter(|seed| seed % 2 == 1));
}
