//! What is wanted and what is known -> the next recorded instances of one version.

use std::collections::BTreeSet;

use shunt_spec::plan::Backend;
use shunt_spec::time::{Span, Time};

use super::event::expired;
use super::{Instance, Kind, Stage, template};

/// What one version should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How many; what registers itself is neither started nor stopped by it.
    pub instances: u32,
    /// Where they come from.
    pub source: Source,
    /// How long an instance must be ready before it counts.
    pub min_ready: Span,
    /// Between SIGTERM and SIGKILL.
    pub termination_grace: Span,
    /// How long requests in flight may take to end.
    pub drain_deadline: Span,
}

/// Where instances come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// We start them; those of another [`super::template`] are replaced.
    Command {
        /// Of what is to be started.
        template: String,
    },
    /// They register themselves.
    Registered,
}

/// Between SIGTERM and SIGKILL where nothing else is known.
const GRACE: Span = Span::seconds(30);

impl Wanted {
    /// What the plan says of this backend; none: its instances are not ours to know.
    pub fn of(backend: &Backend, instances: u32, drain_deadline: Span) -> Option<Self> {
        match backend {
            Backend::Command(command) => Some(Self {
                instances,
                source: Source::Command { template: template(command) },
                min_ready: command.min_ready,
                termination_grace: command.termination_grace,
                drain_deadline,
            }),
            Backend::Registered(registered) => Some(Self {
                instances,
                source: Source::Registered,
                min_ready: registered.min_ready,
                termination_grace: GRACE,
                drain_deadline,
            }),
            Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Value(_) => None,
        }
    }

    /// Nothing any more: whatever is there goes.
    pub fn nothing(drain_deadline: Span) -> Self {
        let source = Source::Command { template: String::new() };
        Self { instances: 0, source, min_ready: Span::default(), termination_grace: GRACE, drain_deadline }
    }
}

/// What is known beside the record.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Every proxy has a discovery without the instances recorded as leaving.
    pub proved: bool,
    /// Instances without anything in flight.
    pub quiet: BTreeSet<u64>,
    /// The id of the next instance.
    pub next: u64,
}

/// One transition of each instance at most; called again at once while something changes. Instances that are absent in the
/// result are gone; those that are new are to be launched.
pub fn steer(now_there: &[Instance], wanted: &Wanted, known: &Known, now: Time) -> Vec<Instance> {
    let mut next: Vec<Instance> = now_there.iter().filter_map(|instance| onward(instance, wanted, known, now)).collect();
    match &wanted.source {
        Source::Command { template } => {
            shrink(&mut next, wanted, now);
            replace(&mut next, wanted, now);
            grow(&mut next, wanted, template, known.next, now);
        }
        // Processes of a time when the version was a command.
        Source::Registered => let_go(&mut next, usize::MAX, wanted, now, |one| one.is_old(&wanted.source)),
    }
    next
}

/// The way out, one stage at a time.
fn onward(instance: &Instance, wanted: &Wanted, known: &Known, now: Time) -> Option<Instance> {
    let over = |span: Span| now.since(instance.since) >= span;
    Some(match instance.stage {
        Stage::Probing | Stage::Ready if expired(instance, now) => {
            Instance { trouble: "its registration was not renewed".to_owned(), ..instance.at(Stage::Leaving, now) }
        }
        Stage::Leaving if known.proved => instance.at(Stage::Draining, now),
        Stage::Draining if known.quiet.contains(&instance.id) || over(wanted.drain_deadline) => match instance.kind {
            Kind::Command { .. } => instance.at(Stage::Terminating, now),
            Kind::Registered { .. } => return None,
        },
        Stage::Terminating if over(wanted.termination_grace) => instance.at(Stage::Killing, now),
        Stage::Starting { .. } | Stage::Probing | Stage::Ready | Stage::Leaving | Stage::Draining | Stage::Terminating | Stage::Killing => {
            instance.clone()
        }
    })
}

/// Too many: those that are not ready first, then those that do not count yet, then those of an old template, then the youngest. One more than wanted may be there
/// while old ones are replaced.
fn shrink(instances: &mut Vec<Instance>, wanted: &Wanted, now: Time) {
    let surge = u32::from(wanted.instances > 0 && staying(instances).any(|one| one.is_old(&wanted.source)));
    let surplus = count(staying(instances)).saturating_sub(wanted.instances.saturating_add(surge));
    let_go(instances, usize::try_from(surplus).unwrap_or(usize::MAX), wanted, now, |_| true);
}

/// Old ones go as new ones come: one that is ready only when another one has taken its place.
fn replace(instances: &mut Vec<Instance>, wanted: &Wanted, now: Time) {
    let old = |one: &Instance| one.is_old(&wanted.source);
    let idle = staying(instances).filter(|one| old(one) && one.stage != Stage::Ready).count();
    let_go(instances, idle, wanted, now, |one| old(one) && one.stage != Stage::Ready);
    let fresh = count(staying(instances).filter(|one| !old(one) && one.is_available(wanted.min_ready, now)));
    let kept = count(staying(instances).filter(|one| old(one)));
    let spare = fresh.saturating_add(kept).saturating_sub(wanted.instances).min(kept);
    let_go(instances, usize::try_from(spare).unwrap_or(usize::MAX), wanted, now, old);
}

/// Too few: all that are missing; beyond that one at a time while old ones are replaced.
fn grow(instances: &mut Vec<Instance>, wanted: &Wanted, template: &str, next: u64, now: Time) {
    let target = wanted.instances;
    let old = |one: &Instance| one.is_old(&wanted.source);
    let missing = target.saturating_sub(count(staying(instances)));
    let replaces = staying(instances).any(old);
    let pending = staying(instances).any(|one| !old(one) && !one.is_available(wanted.min_ready, now));
    let fresh = count(staying(instances).filter(|one| !old(one)));
    let surge = u32::from(missing == 0 && replaces && !pending && fresh < target);
    let ids = (next..).take(usize::try_from(missing.saturating_add(surge)).unwrap_or(usize::MAX));
    instances.extend(ids.map(|id| Instance::command(id, template, now)));
}

/// Lets so many go of those that `may`, the least useful first. What was never launched is gone at once.
fn let_go(instances: &mut Vec<Instance>, number: usize, wanted: &Wanted, now: Time, may: impl Fn(&Instance) -> bool) {
    let use_of = |one: &Instance| (one.stage != Stage::Ready, !one.is_available(wanted.min_ready, now), one.is_old(&wanted.source), one.id);
    let mut candidates: Vec<_> = staying(instances).filter(|one| may(one)).map(use_of).collect();
    candidates.sort_unstable_by(|one, other| other.cmp(one));
    let leaving: BTreeSet<u64> = candidates.into_iter().take(number).map(|(_, _, _, id)| id).collect();
    instances.retain(|one| !leaving.contains(&one.id) || !matches!(one.stage, Stage::Starting { .. }));
    for one in instances.iter_mut().filter(|one| leaving.contains(&one.id)) {
        *one = one.at(Stage::Leaving, now);
    }
}

fn staying(instances: &[Instance]) -> impl Iterator<Item = &Instance> {
    instances.iter().filter(|one| !one.is_leaving())
}

fn count<'i>(instances: impl Iterator<Item = &'i Instance>) -> u32 {
    u32::try_from(instances.count()).unwrap_or(u32::MAX)
}

/// When time alone changes something next; none: only events do.
pub fn due(instances: &[Instance], wanted: &Wanted, now: Time) -> Option<Time> {
    instances.iter().filter_map(|one| due_one(one, wanted, now)).min()
}

fn due_one(instance: &Instance, wanted: &Wanted, now: Time) -> Option<Time> {
    let expires = match instance.kind {
        Kind::Registered { expires } => Some(expires),
        Kind::Command { .. } => None,
    };
    match instance.stage {
        Stage::Starting { not_before } => Some(not_before),
        Stage::Probing => expires,
        Stage::Ready => {
            let counts = Some(instance.since.after(wanted.min_ready)).filter(|at| *at > now);
            counts.into_iter().chain(expires).min()
        }
        Stage::Leaving | Stage::Killing => None,
        Stage::Draining => Some(instance.since.after(wanted.drain_deadline)),
        Stage::Terminating => Some(instance.since.after(wanted.termination_grace)),
    }
}
