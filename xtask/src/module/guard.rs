//! What the SDK leaves to be done to the filter's module, between its compiler and its optimiser.
//!
//! **Guards.** The SDK panics on a status that it does not expect of a hostcall, and has undefined behaviour on one that its enum does not
//! name. A panic costs every request in flight in the worker. So each call goes through a function of its own, which turns a refusal into
//! the status that says it best among those that the SDK expects of that call.
//!
//! **All headers as bytes.** The SDK takes all headers apart into two allocations for each, which costs more than all else that the filter does
//! with a request. Its call for one header by name hands on the proxy's bytes as they are, so the guard of that call makes all headers of
//! an empty name, which no header has.
//!
//! **Exports.** The SDK exports every callback there is, and Envoy enters the VM for each of them: for every piece of a body, for trailers,
//! and more. Only those stay in which the filter does something, or the SDK needs to; the optimiser then drops what stood behind the rest.
//!
//! **Imports.** The SDK's traits bring a method for each hostcall there is, and tables of methods keep them all. Hostcalls that the filter
//! never makes are not imported; their methods end in a trap, and so in nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{BlockType, CodeSection, ExportSection, Function, FunctionSection, ImportSection, Instruction, Module};
use wasmparser::{CodeSectionReader, CompositeInnerType, Export, FunctionSectionReader, Imports, Parser, Payload, TypeRef, ValType};

/// What the filter's module exports: memory and allocator, the ABI's version, and callbacks.
pub(crate) const EXPORTS: [&str; 12] = [
    "memory",
    "malloc",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_http_call_response",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_log",
    "proxy_on_delete",
];

/// Statuses of the ABI.
const OK: i32 = 0;
const NOT_FOUND: i32 = 1;
const INTERNAL_FAILURE: i32 = 10;

/// The call for one header by its name, and its parameters.
const VALUE_CALL: &str = "proxy_get_header_map_value";
const MAP: u32 = 0;
const NAME_SIZE: u32 = 2;
const VALUE: u32 = 3;
const VALUE_SIZE: u32 = 4;
/// The call for all headers; it takes the map, and where the bytes and their number go.
const PAIRS_CALL: &str = "proxy_get_header_map_pairs";

/// By hostcall, what the SDK gets to see of a refusal. What it finds instead of a result is then what it put there before the call:
/// no data, the number 0, the time 0.
const GUARDS: [(&str, i32); 15] = [
    ("proxy_log", OK),
    ("proxy_get_current_time_nanoseconds", OK),
    ("proxy_set_tick_period_milliseconds", OK),
    ("proxy_set_effective_context", OK),
    ("proxy_get_buffer_bytes", NOT_FOUND),
    (PAIRS_CALL, OK),
    (VALUE_CALL, NOT_FOUND),
    ("proxy_add_header_map_value", OK),
    ("proxy_replace_header_map_value", OK),
    ("proxy_remove_header_map_value", OK),
    ("proxy_get_property", NOT_FOUND),
    ("proxy_define_metric", OK),
    ("proxy_increment_metric", NOT_FOUND),
    ("proxy_http_call", INTERNAL_FAILURE),
    // Not of the SDK: whoever calls it takes any status.
    ("random_get", NOT_FOUND),
];

/// Hostcalls that only methods of the SDK's traits make, which the filter never calls.
const UNUSED: [&str; 20] = [
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_register_shared_queue",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
];

/// The module with guards, and without the exports and imports that nothing needs.
pub(crate) fn guarded(bytes: &[u8]) -> Result<Vec<u8>> {
    let found = Found::read(bytes)?;
    let imports = found.imports()?;
    let dropped = imports.iter().filter(|import| import.kept.is_none()).count().try_into()?;
    let pairs = found.imported.iter().position(|(name, _)| name == PAIRS_CALL);
    let pairs = pairs.and_then(|at| imports.get(at)?.kept).map(|kept| kept.number);
    let mut guard = Guard { imports, dropped, first: found.functions, pairs };
    let mut module = Module::new();
    guard.parse_core_module(&mut module, Parser::new(0), bytes).context("the module cannot be written anew")?;
    Ok(module.finish())
}

/// What there is in a module.
#[derive(Default)]
struct Found {
    /// Number of parameters by type; none: it is no hostcall's.
    types: Vec<Option<u32>>,
    /// Name and type of each imported function.
    imported: Vec<(String, u32)>,
    /// Number of functions, imported ones first.
    functions: u32,
    exported: Vec<String>,
}

impl Found {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        found.types.extend(group?.types().map(|of| parameters(&of.composite_type.inner)));
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        let TypeRef::Func(of) = import.ty else { bail!("it imports {}, which is no function", import.name) };
                        found.imported.push((import.name.to_owned(), of));
                    }
                    found.functions += u32::try_from(found.imported.len())?;
                }
                Payload::FunctionSection(functions) => found.functions += functions.count(),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        found.exported.push(export?.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        let missing: Vec<_> = EXPORTS.into_iter().filter(|name| !found.exported.iter().any(|export| export == name)).collect();
        ensure!(missing.is_empty(), "it does not export {}", missing.join(", "));
        Ok(found)
    }

    /// In the order of their numbers.
    fn imports(&self) -> Result<Vec<Import>> {
        let known = BTreeMap::from(GUARDS);
        let mut numbers = 0..;
        let import = |(name, of): &(String, u32)| {
            let refused = known.get(name.as_str()).copied();
            if refused.is_none() && !UNUSED.contains(&name.as_str()) {
                bail!("it imports {name}: say in xtask/src/module/guard.rs what the SDK gets to see when the proxy refuses that call");
            }
            let parameters = self.types.get(*of as usize).copied().flatten();
            let parameters = parameters.with_context(|| format!("{name} does not return a status"))?;
            let is_value = name == VALUE_CALL;
            Ok(Import { parameters, of: *of, is_value, kept: refused.and_then(|refused| Some(Kept { number: numbers.next()?, refused })) })
        };
        self.imported.iter().map(import).collect()
    }
}

/// How many parameters a hostcall of this type has; none: it returns no status.
fn parameters(of: &CompositeInnerType) -> Option<u32> {
    match of {
        CompositeInnerType::Func(of) if of.results() == [ValType::I32] => u32::try_from(of.params().len()).ok(),
        _ => None,
    }
}

/// A hostcall.
struct Import {
    parameters: u32,
    /// The number of its type.
    of: u32,
    /// It is [`VALUE_CALL`].
    is_value: bool,
    /// None: it is dropped.
    kept: Option<Kept>,
}

#[derive(Clone, Copy)]
struct Kept {
    /// Its own number from now on.
    number: u32,
    refused: i32,
}

impl Import {
    /// Calls it, and turns any status but 0 into the one that is expected. `pairs` is the number of the call for all headers, if this is the
    /// one for a header by name.
    fn guard(&self, pairs: Option<u32>) -> Function {
        let mut function = Function::new([]);
        let Some(Kept { number, refused }) = self.kept else {
            function.instruction(&Instruction::Unreachable).instruction(&Instruction::End);
            return function;
        };
        function.instruction(&Instruction::I32Const(OK)).instruction(&Instruction::I32Const(refused));
        if let Some(pairs) = pairs {
            function.instruction(&Instruction::LocalGet(NAME_SIZE)).instruction(&Instruction::I32Eqz);
            function.instruction(&Instruction::If(BlockType::Result(wasm_encoder::ValType::I32)));
            call(&mut function, [MAP, VALUE, VALUE_SIZE], pairs);
            function.instruction(&Instruction::Else);
        }
        call(&mut function, 0..self.parameters, number);
        if pairs.is_some() {
            function.instruction(&Instruction::End);
        }
        function.instruction(&Instruction::I32Eqz).instruction(&Instruction::Select).instruction(&Instruction::End);
        function
    }
}

/// Calls a function with these of the guard's own parameters.
fn call(function: &mut Function, parameters: impl IntoIterator<Item = u32>, number: u32) {
    for parameter in parameters {
        function.instruction(&Instruction::LocalGet(parameter));
    }
    function.instruction(&Instruction::Call(number));
}

/// Copies a module. Guards stand behind its own functions, and whoever called a hostcall calls its guard.
struct Guard {
    imports: Vec<Import>,
    /// How many imports are dropped: all functions behind them are counted from so much earlier.
    dropped: u32,
    /// How many functions there were.
    first: u32,
    /// The number of the call for all headers.
    pairs: Option<u32>,
}

impl Reencode for Guard {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        let imported = (function as usize) < self.imports.len();
        Ok(if imported { self.first + function } else { function } - self.dropped)
    }

    fn parse_imports(&mut self, imports: &mut ImportSection, group: Imports<'_>) -> Result<(), Error> {
        match group {
            Imports::Single(_, import) if UNUSED.contains(&import.name) => Ok(()),
            group => utils::parse_imports(self, imports, group),
        }
    }

    fn parse_function_section(&mut self, functions: &mut FunctionSection, section: FunctionSectionReader<'_>) -> Result<(), Error> {
        utils::parse_function_section(self, functions, section)?;
        for import in &self.imports {
            functions.function(import.of);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        utils::parse_code_section(self, code, section)?;
        for import in &self.imports {
            code.function(&import.guard(self.pairs.filter(|_| import.is_value)));
        }
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export<'_>) -> Result<(), Error> {
        if EXPORTS.contains(&export.name) { utils::parse_export(self, exports, export) } else { Ok(()) }
    }
}
