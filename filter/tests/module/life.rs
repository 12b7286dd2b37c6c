//! A VM from its start to its end: two pushes, requests of every kind, reports and their answers.

use std::collections::BTreeSet;

use wasmi::{Error, FuncType, Instance, Linker, Module, Store, Val, WasmParams, WasmResults};

use crate::proxy::{ANSWER, Proxy, REQUEST, RESPONSE, Refusal, answer};

/// A policy with everything that one can have.
const POLICY: &str = include_str!("../../core/testdata/policy.json");

/// What the proxy is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Start,
    Configure,
    Tick,
    Create,
    Request,
    Response,
    Log,
    Answer,
    Delete,
}

/// Headers of a request.
type Headers = &'static [(&'static str, &'static str)];

/// One of every kind: by a rule, by the split, with a generated key, gRPC, CONNECT, a goal, a copy, one that brings a route header, another
/// host, and none at all.
const REQUESTS: [Headers; 11] = [
    &[
        (":method", "GET"),
        (":path", "/shop/cart?b=1"),
        (":authority", "shop.test:8080"),
        ("x-user", "ann"),
        ("x-beta", "1"),
        ("cookie", "a=b; beta=yes"),
    ],
    &[(":method", "GET"), (":path", "/?user=bob"), (":authority", "shop.test:8080"), ("cookie", "\u{fffd}=1"), ("cookie", "shunt-id=bad")],
    &[
        (":method", "GET"),
        (":path", "/"),
        (":authority", "Shop.Test:8080"),
        ("x-staff", "eve@shop.test"),
        ("x-shunt-flags", "other=1, many=2"),
    ],
    &[
        (":method", "POST"),
        (":path", "/pkg.Service/Call"),
        (":authority", "a.shop.test:8080"),
        ("content-type", "application/grpc"),
        ("x-user", "c"),
    ],
    &[(":method", "CONNECT"), (":authority", "shop.test:8080"), ("x-user", "d")],
    &[(":method", "POST"), (":path", "/order"), (":authority", "shop.test:8080"), ("x-user", "e"), ("content-length", "3")],
    &[(":method", "GET"), (":path", "/"), (":authority", "shop.test:8080"), ("x-shunt-shadow", "1")],
    &[(":method", "GET"), (":path", "/"), (":authority", "shop.test:8080"), ("x-user", "f"), ("x-shunt-route", "shop/checkout/v9")],
    &[(":method", "GET"), (":path", "/"), (":authority", "shop.test"), ("x-user", "g")],
    &[(":method", "GET"), (":path", "/"), (":authority", "other.test"), ("x-shunt-route", "shop/checkout/v9")],
    &[],
];

/// A VM and its proxy.
pub(crate) struct Life {
    store: Store<Proxy>,
    instance: Instance,
    /// The root context of the newest push.
    root: i32,
}

impl Life {
    /// The whole of it; an error is a trap.
    pub(crate) fn of(module: &Module, refusal: Option<Refusal>) -> Result<Self, Error> {
        let mut life = Self::begin(module, POLICY, refusal)?;
        life.configure(1)?;
        life.tick(1)?;
        life.requests(10)?;
        life.tick(1)?;
        life.answers(1)?;
        life.configure(2)?;
        life.delete(1)?;
        life.tick(2)?;
        life.requests(30)?;
        life.tick(2)?;
        life.delete(2)?;
        Ok(life)
    }

    /// A VM that was started.
    pub(crate) fn begin(module: &Module, policy: &str, refusal: Option<Refusal>) -> Result<Self, Error> {
        let configuration = policy.replacen("\"format\"", "\"somethingNew\": [1], \"format\"", 1);
        let proxy = Proxy {
            phase: Phase::Start,
            refusal,
            configuration,
            headers: Vec::new(),
            properties: Vec::new(),
            now: 1_700_000_000_000_000_000,
            tokens: Vec::new(),
            posts: 0,
            counters: 0,
            log: Vec::new(),
            called: BTreeSet::new(),
            routes: Vec::new(),
        };
        let mut store = Store::new(module.engine(), proxy);
        store.set_fuel(u64::MAX)?;
        let mut linker = Linker::new(module.engine());
        for import in module.imports() {
            let of: FuncType = import.ty().func().expect("a function").clone();
            let name = import.name().to_owned();
            linker.func_new(import.module(), import.name(), of, move |caller, arguments, results| {
                let status = answer(caller, &name, arguments)?;
                results.iter_mut().for_each(|result| *result = Val::I32(status));
                Ok(())
            })?;
        }
        let instance = linker.instantiate_and_start(&mut store, module)?;
        let mut life = Self { store, instance, root: 0 };
        life.call::<(), ()>(Phase::Start, "_initialize", ())?;
        Ok(life)
    }

    /// A push, by a root context of its own.
    pub(crate) fn configure(&mut self, root: i32) -> Result<i32, Error> {
        self.call::<_, ()>(Phase::Create, "proxy_on_context_create", (root, 0))?;
        self.root = root;
        let size = i32::try_from(self.store.data().configuration.len()).expect("a size");
        self.call(Phase::Configure, "proxy_on_configure", (root, size))
    }

    /// The beginning of a request of the newest push.
    pub(crate) fn request(&mut self, context: i32, headers: &[(&str, &str)], end_of_stream: bool) -> Result<i32, Error> {
        self.headers(REQUEST, headers);
        self.call::<_, ()>(Phase::Create, "proxy_on_context_create", (context, self.root))?;
        let count = i32::try_from(headers.len()).expect("a count");
        self.call(Phase::Request, "proxy_on_request_headers", (context, count, i32::from(end_of_stream)))
    }

    fn tick(&mut self, root: i32) -> Result<(), Error> {
        // Two seconds: a heartbeat, and whatever has no answer hangs.
        self.store.data_mut().now += 5_000_000_000;
        self.call(Phase::Tick, "proxy_on_tick", root)
    }

    fn requests(&mut self, first: i32) -> Result<(), Error> {
        for (context, headers) in (first..).zip(REQUESTS) {
            self.request(context, headers, context % 2 == 0)?;
            let (status, cluster): (&str, &[u8]) = match context % 4 {
                0 => ("200", b"shunt/shop/checkout/v1"),
                1 => ("503", b""),
                2 => ("302", b"shunt/shop/checkout/v3"),
                _ => ("0", b"shunt/shop/checkout/v2"),
            };
            let code: u64 = status.parse().expect("a number");
            self.headers(RESPONSE, &[(":status", status), ("content-type", "application/grpc"), ("x-ordered", "1"), ("x-shunt-held", "1")]);
            self.store.data_mut().now += 120_000_000;
            if code > 0 {
                self.call::<_, i32>(Phase::Response, "proxy_on_response_headers", (context, 4, i32::from(context % 3 == 0)))?;
            } else {
                self.tick(self.root)?;
            }
            self.store.data_mut().properties = vec![
                ("response\0code", code.to_le_bytes().to_vec()),
                ("response\0flags", 0_u64.to_le_bytes().to_vec()),
                ("response\0grpc_status", 5_u64.to_le_bytes().to_vec()),
                ("response\0size", 0_u64.to_le_bytes().to_vec()),
                ("response\0code_details", b"via_upstream".to_vec()),
                ("xds\0cluster_name", cluster.to_vec()),
                ("xds\0node\0id", b"node".to_vec()),
            ];
            self.call::<_, ()>(Phase::Log, "proxy_on_log", context)?;
            self.delete(context)?;
        }
        Ok(())
    }

    /// A request as browsers send it, answered well; how many instructions it took.
    pub(crate) fn browser(&mut self, context: i32, authority: &str) -> Result<u64, Error> {
        let fuel = self.store.get_fuel()?;
        let cookie = format!("theme=dark; shunt-id=user-{context}");
        let headers = [
            (":authority", authority),
            (":path", "/reply?size=200"),
            (":method", "GET"),
            (":scheme", "http"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("accept-language", "en-US,en;q=0.5"),
            ("accept-encoding", "gzip, deflate, br"),
            ("referer", "http://shop.test/cart"),
            ("cookie", &cookie),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "3a0e4c5e-98a1-4d25-8d0c-1b9b7b8d4a11"),
        ];
        self.request(context, &headers, true)?;
        self.call::<_, i32>(Phase::Response, "proxy_on_response_headers", (context, 4, 0))?;
        self.store.data_mut().properties =
            vec![("response\0code", 200_u64.to_le_bytes().to_vec()), ("response\0flags", 0_u64.to_le_bytes().to_vec())];
        self.call::<_, ()>(Phase::Log, "proxy_on_log", context)?;
        self.delete(context)?;
        Ok(fuel.saturating_sub(self.store.get_fuel()?))
    }

    /// Answers what was posted: one with success, the others as failures of both kinds.
    fn answers(&mut self, root: i32) -> Result<(), Error> {
        for (token, status) in std::mem::take(&mut self.store.data_mut().tokens).into_iter().zip(["", "200", "503"].iter().cycle()) {
            let count = i32::from(!status.is_empty());
            self.headers(ANSWER, &[(":status", status)]);
            self.call::<_, ()>(Phase::Answer, "proxy_on_http_call_response", (root, token, count, 0, 0))?;
        }
        Ok(())
    }

    fn delete(&mut self, context: i32) -> Result<(), Error> {
        self.call(Phase::Delete, "proxy_on_delete", context)
    }

    fn headers(&mut self, map: i32, headers: &[(&str, &str)]) {
        let known = &mut self.store.data_mut().headers;
        known.retain(|(of, _, _)| *of != map);
        // Names are ASCII in Envoy; values are any bytes.
        known.extend(headers.iter().map(|(name, value)| (map, (*name).to_owned(), value.replace('\u{fffd}', "\u{7f}").into_bytes())));
        for (_, _, value) in known.iter_mut() {
            value.iter_mut().filter(|byte| **byte == 0x7f).for_each(|byte| *byte = 0xff);
        }
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, phase: Phase, name: &str, arguments: P) -> Result<R, Error> {
        self.store.data_mut().phase = phase;
        let function = self.instance.get_typed_func::<P, R>(&self.store, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        function.call(&mut self.store, arguments)
    }

    /// What was called, and when.
    pub(crate) fn called(&self) -> BTreeSet<(Phase, String)> {
        self.store.data().called.clone()
    }

    /// Values of the route header that were set, each once.
    pub(crate) fn routes(&self) -> Vec<String> {
        self.store.data().routes.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(crate) fn posts(&self) -> i32 {
        self.store.data().posts
    }

    pub(crate) fn log(&self) -> &[String] {
        &self.store.data().log
    }
}
