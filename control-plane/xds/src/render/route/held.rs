//! The route of a service whose requests are held: no version answers, and the reply says when to come back.

use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{DataSource, HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{DirectResponseAction, Route, RouteMatch};
use shunt_core::desired::Routes;
use shunt_filter_core::names::HELD_HEADER;

use super::{authority, matcher};

/// Seconds after which a client may try again (RFC 9110, 10.2.3): about as long as a small service takes to start.
const RETRY_AFTER: &str = "2";

/// Every request, whatever version was decided. Envoy makes UNAVAILABLE of it for gRPC.
pub(super) fn route(routes: &Routes, port: Option<u16>) -> Route {
    let headers = port.map(|port| matcher(":authority", authority(port))).into_iter().collect();
    Route {
        name: format!("shunt-{}-{}-held", routes.id.namespace(), routes.id.name()),
        r#match: Some(RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), headers, ..RouteMatch::default() }),
        action: Some(Action::DirectResponse(DirectResponseAction {
            status: 503,
            body: Some(DataSource {
                specifier: Some(Specifier::InlineString(format!("{} is being replaced, try again in a moment\n", routes.id.name()))),
                ..DataSource::default()
            }),
            ..DirectResponseAction::default()
        })),
        response_headers_to_add: vec![header("retry-after", RETRY_AFTER), header(HELD_HEADER, "1")],
        ..Route::default()
    }
}

fn header(key: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: key.to_owned(), value: value.to_owned(), ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
