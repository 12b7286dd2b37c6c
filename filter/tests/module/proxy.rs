//! A proxy in the runtime: answers hostcalls as Envoy does, or refuses those that it is told to refuse.

use std::collections::BTreeSet;

use wasmi::{Caller, Error, Extern, Val};

use crate::life::Phase;

/// Of callbacks that say whether something went well.
pub(crate) const SUCCESS: i32 = 1;

const OK: i32 = 0;
const NOT_FOUND: i32 = 1;

/// Header maps of the ABI.
pub(crate) const REQUEST: i32 = 0;
pub(crate) const RESPONSE: i32 = 2;
pub(crate) const ANSWER: i32 = 6;

/// Which calls are refused, and how.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// None: in all.
    pub(crate) phase: Option<Phase>,
    /// None: every one.
    pub(crate) call: Option<String>,
    pub(crate) status: i32,
}

/// What the proxy knows.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) phase: Phase,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) configuration: String,
    /// Name and value, of the map with this number.
    pub(crate) headers: Vec<(i32, String, Vec<u8>)>,
    pub(crate) properties: Vec<(&'static str, Vec<u8>)>,
    pub(crate) now: u64,
    /// Posts without an answer.
    pub(crate) tokens: Vec<i32>,
    pub(crate) posts: i32,
    pub(crate) counters: i32,
    pub(crate) log: Vec<String>,
    pub(crate) called: BTreeSet<(Phase, String)>,
    /// Values of the route header that were set.
    pub(crate) routes: Vec<String>,
}

type In<'a> = Caller<'a, Proxy>;

/// Answers one call.
pub(crate) fn answer(mut caller: In<'_>, name: &str, arguments: &[Val]) -> Result<i32, Error> {
    let proxy = caller.data_mut();
    proxy.called.insert((proxy.phase, name.to_owned()));
    if let Some(Refusal { phase, call, status }) = &proxy.refusal
        && phase.is_none_or(|phase| phase == proxy.phase)
        && call.as_ref().is_none_or(|call| call == name)
    {
        return Ok(*status);
    }
    let number = |at: usize| arguments.get(at).and_then(|value| value.i32()).expect("an argument");
    match name {
        "proxy_log" => {
            let line = text(&caller, number(1), number(2));
            caller.data_mut().log.push(line);
        }
        "proxy_get_current_time_nanoseconds" => {
            let now = caller.data().now;
            write(&mut caller, number(0), &now.to_le_bytes());
        }
        "random_get" => {
            let size = usize::try_from(number(1)).expect("a size");
            write(&mut caller, number(0), &vec![0x5a; size]);
        }
        "proxy_get_buffer_bytes" => {
            let bytes = caller.data().configuration.clone().into_bytes();
            give(&mut caller, &bytes, number(3), number(4))?;
        }
        "proxy_get_header_map_pairs" => {
            let bytes = pairs(&caller.data().headers, number(0));
            give(&mut caller, &bytes, number(1), number(2))?;
        }
        "proxy_get_header_map_value" => {
            let (map, key) = (number(0), text(&caller, number(1), number(2)));
            let found = caller.data().headers.iter().find(|(of, name, _)| *of == map && *name == key).map(|(_, _, value)| value.clone());
            let Some(value) = found else { return Ok(NOT_FOUND) };
            give(&mut caller, &value, number(3), number(4))?;
        }
        "proxy_get_property" => {
            let path = text(&caller, number(0), number(1));
            let found = caller.data().properties.iter().find(|(known, _)| *known == path).map(|(_, value)| value.clone());
            let Some(value) = found else { return Ok(NOT_FOUND) };
            give(&mut caller, &value, number(2), number(3))?;
        }
        "proxy_add_header_map_value" | "proxy_replace_header_map_value" => {
            let (map, key, value) = (number(0), text(&caller, number(1), number(2)), text(&caller, number(3), number(4)));
            let proxy = caller.data_mut();
            if key == "x-shunt-route" {
                proxy.routes.push(value.clone());
            }
            proxy.headers.push((map, key, value.into_bytes()));
        }
        "proxy_remove_header_map_value" => {
            let (map, key) = (number(0), text(&caller, number(1), number(2)));
            caller.data_mut().headers.retain(|(of, name, _)| *of != map || *name != key);
        }
        "proxy_define_metric" => {
            caller.data_mut().counters += 4;
            let id = caller.data().counters;
            write(&mut caller, number(3), &id.to_le_bytes());
        }
        "proxy_http_call" => {
            let proxy = caller.data_mut();
            proxy.posts += 1;
            proxy.tokens.push(proxy.posts);
            let token = proxy.posts;
            write(&mut caller, number(9), &token.to_le_bytes());
        }
        "proxy_set_tick_period_milliseconds" | "proxy_set_effective_context" | "proxy_increment_metric" => {}
        other => panic!("the module calls {other}, which this proxy does not know"),
    }
    Ok(OK)
}

/// Puts bytes where the module allocates them, and says where that is.
fn give(caller: &mut In<'_>, bytes: &[u8], data: i32, size: i32) -> Result<(), Error> {
    let length = i32::try_from(bytes.len()).expect("a size");
    let mut place = 0;
    if length > 0 {
        let malloc = caller.get_export("malloc").and_then(Extern::into_func).expect("malloc");
        place = malloc.typed::<i32, i32>(&*caller)?.call(&mut *caller, length)?;
        write(caller, place, bytes);
    }
    write(caller, data, &place.to_le_bytes());
    write(caller, size, &length.to_le_bytes());
    Ok(())
}

fn memory(caller: &In<'_>) -> wasmi::Memory {
    caller.get_export("memory").and_then(Extern::into_memory).expect("memory")
}

fn write(caller: &mut In<'_>, at: i32, bytes: &[u8]) {
    memory(caller).write(&mut *caller, usize::try_from(at).expect("a place"), bytes).expect("within memory");
}

fn text(caller: &In<'_>, at: i32, size: i32) -> String {
    let mut bytes = vec![0; usize::try_from(size).expect("a size")];
    memory(caller).read(caller, usize::try_from(at).expect("a place"), &mut bytes).expect("within memory");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The ABI's form of a map: a count, then two sizes per pair, then the texts, each ended by NUL.
fn pairs(headers: &[(i32, String, Vec<u8>)], map: i32) -> Vec<u8> {
    let of: Vec<_> = headers.iter().filter(|(of, _, _)| *of == map).map(|(_, name, value)| [name.as_bytes(), value]).collect();
    let size = |length: usize| u32::try_from(length).expect("a size").to_le_bytes();
    let mut bytes = size(of.len()).to_vec();
    bytes.extend(of.iter().flatten().flat_map(|text| size(text.len())));
    for text in of.iter().flatten() {
        bytes.extend_from_slice(text);
        bytes.push(0);
    }
    bytes
}
