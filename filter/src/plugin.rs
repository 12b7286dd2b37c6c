//! What the proxy calls, by the SDK's contexts. The build keeps only the exports that stand behind these callbacks.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, LogLevel};

use crate::http::Stream;
use crate::proxy::Proxy;
use crate::root;
use crate::vm::Vm;

proxy_wasm::main! {{
    // The SDK's logger also says in the proxy's log why a module panicked.
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|id| Box::new(Root { id }));
    proxy_wasm::set_http_context(|id, _root| Box::new(Request { id, stream: Stream::default() }));
}}

thread_local! {
    static VM: Vm = Vm::new(Box::new(Proxy));
}

/// One push, until the next one has replaced it and no request of it is left.
struct Root {
    id: u32,
}

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, _body: usize, _trailers: usize) {
        VM.with(|vm| root::answered(vm, self.id, headers));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        VM.with(|vm| root::configure(vm, self.id))
    }

    fn on_tick(&mut self) {
        VM.with(|vm| root::tick(vm, self.id));
    }
}

/// The proxy drops a context when it is done with it. That is a root's last moment to say something, and costs requests no call, as
/// the callback for it would.
impl Drop for Root {
    fn drop(&mut self) {
        VM.with(|vm| root::done(vm, self.id));
    }
}

/// One request.
struct Request {
    id: u32,
    stream: Stream,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        VM.with(|vm| self.stream.request(vm, self.id, end_of_stream));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        VM.with(|vm| self.stream.response(vm, self.id, end_of_stream));
        Action::Continue
    }

    fn on_log(&mut self) {
        VM.with(|vm| self.stream.log(vm, self.id));
    }
}
