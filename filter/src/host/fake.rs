//! A proxy for tests: says what it was told to say, and remembers what it was asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use shunt_filter_core::Headers;
use shunt_filter_core::report::Report;

use super::{Host, Map};
use crate::vm::Vm;

/// Names and values of headers.
type Lines = Vec<(String, Vec<u8>)>;

/// The proxy.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    /// Nanoseconds since 1970.
    pub(crate) now: Cell<u64>,
    pub(crate) configuration: RefCell<String>,
    pub(crate) maps: RefCell<BTreeMap<Map, Lines>>,
    pub(crate) properties: RefCell<BTreeMap<&'static str, Vec<u8>>>,
    /// What was posted.
    pub(crate) posts: RefCell<Vec<Report>>,
    /// Counters by name.
    pub(crate) counters: RefCell<Vec<(String, u64)>>,
    /// Milliseconds.
    pub(crate) tick: Cell<u32>,
    /// What was asked since [`Fake::take_asked`].
    asked: RefCell<Vec<String>>,
    /// True: it refuses everything.
    pub(crate) deaf: Cell<bool>,
}

impl Fake {
    /// A proxy, and a VM in it.
    pub(crate) fn vm() -> (Rc<Self>, Vm) {
        let fake = Rc::new(Self { now: Cell::new(1_000_000_000), ..Self::default() });
        let vm = Vm::new(Box::new(Rc::clone(&fake)));
        (fake, vm)
    }

    /// These are the headers now.
    pub(crate) fn set(&self, map: Map, headers: &[(&str, &str)]) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        self.maps.borrow_mut().insert(map, headers.collect());
    }

    /// This property has a number.
    pub(crate) fn number(&self, path: &'static str, number: u64) {
        self.properties.borrow_mut().insert(path, number.to_le_bytes().to_vec());
    }

    /// All values of a header, as text.
    pub(crate) fn values(&self, map: Map, name: &str) -> Vec<String> {
        let headers = Headers::of(&self.maps.borrow().get(&map).cloned().unwrap_or_default());
        headers.all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// What was asked since the last time.
    pub(crate) fn take_asked(&self) -> Vec<String> {
        self.asked.take()
    }

    /// Notes what is asked; none when nothing is answered.
    fn hear(&self, what: String) -> Option<()> {
        self.asked.borrow_mut().push(what);
        (!self.deaf.get()).then_some(())
    }

    fn change(&self, map: Map, what: &str, name: &str, change: impl FnOnce(&mut Lines)) {
        if self.hear(format!("{what} {name}")).is_some() {
            change(self.maps.borrow_mut().entry(map).or_default());
        }
    }
}

impl Host for Rc<Fake> {
    fn now(&self) -> u64 {
        self.hear("now".to_owned()).map(|()| self.now.get()).unwrap_or_default()
    }

    fn random(&self) -> [u8; 16] {
        self.hear("random".to_owned()).map(|()| [7; 16]).unwrap_or_default()
    }

    fn configuration(&self) -> Vec<u8> {
        self.hear("configuration".to_owned()).map(|()| self.configuration.borrow().clone().into_bytes()).unwrap_or_default()
    }

    fn set_tick_period(&self, milliseconds: u32) {
        self.tick.set(milliseconds);
    }

    fn header(&self, map: Map, name: &str) -> Option<Vec<u8>> {
        self.hear(format!("header {name}"))?;
        let headers = Headers::of(self.maps.borrow().get(&map)?);
        headers.first(name).map(<[u8]>::to_vec)
    }

    fn headers(&self, map: Map) -> Headers {
        let known = self.hear("headers".to_owned()).and_then(|()| self.maps.borrow().get(&map).cloned());
        Headers::of(&known.unwrap_or_default())
    }

    fn set_header(&self, map: Map, name: &str, value: &[u8]) {
        self.change(map, "set", name, |headers| {
            headers.retain(|(known, _)| known != name);
            headers.push((name.to_owned(), value.to_vec()));
        });
    }

    fn add_header(&self, map: Map, name: &str, value: &[u8]) {
        self.change(map, "add", name, |headers| headers.push((name.to_owned(), value.to_vec())));
    }

    fn remove_header(&self, map: Map, name: &str) {
        self.change(map, "remove", name, |headers| headers.retain(|(known, _)| known != name));
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        self.hear(path.replace('\0', "."))?;
        self.properties.borrow().get(path).cloned()
    }

    fn define_counter(&self, name: &str) -> Option<u32> {
        self.hear(format!("counter {name}"))?;
        let mut counters = self.counters.borrow_mut();
        counters.push((name.to_owned(), 0));
        u32::try_from(counters.len()).ok()
    }

    fn increment(&self, counter: u32, by: u64) -> bool {
        let mut counters = self.counters.borrow_mut();
        let known = usize::try_from(counter).ok().and_then(|counter| counters.get_mut(counter.checked_sub(1)?));
        known.is_some_and(|(_, count)| {
            *count = count.saturating_add(by);
            !self.deaf.get()
        })
    }

    fn post(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], _timeout_ms: u32) -> bool {
        if self.hear(format!("post {cluster} {}", headers.len())).is_none() {
            return false;
        }
        self.posts.borrow_mut().extend(serde_json::from_slice::<Report>(body));
        true
    }
}
