//! The filter and its configuration (ECDS).

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::{AsyncDataSource, DataSource, TypedExtensionConfig, async_data_source, data_source};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use envoy_types::pb::envoy::extensions::wasm::v3::{FailurePolicy, PluginConfig, VmConfig};

use super::SHUNT;
use crate::proxy_config::{NodeInfo, ProxyConfig};
use crate::resource::{Resource, any};

/// Only `configuration` differs between two pushes, so Envoy keeps the VM: its key is made of everything else.
pub(super) fn extension(config: &ProxyConfig, node: &NodeInfo) -> Arc<Resource> {
    let plugin = PluginConfig {
        name: SHUNT.to_owned(),
        root_id: SHUNT.to_owned(),
        // A dead VM lets requests pass, to the default route.
        failure_policy: FailurePolicy::FailOpen.into(),
        // A string: a Struct would arrive as raw protobuf.
        configuration: Some(any(&config.policy)),
        vm: Some(Vm::VmConfig(VmConfig {
            vm_id: SHUNT.to_owned(),
            runtime: "envoy.wasm.runtime.v8".to_owned(),
            code: Some(AsyncDataSource { specifier: Some(async_data_source::Specifier::Local(code(config, node))) }),
            ..VmConfig::default()
        })),
        ..PluginConfig::default()
    };
    let wasm = Wasm { config: Some(plugin) };
    Resource::new(SHUNT, &TypedExtensionConfig { name: SHUNT.to_owned(), typed_config: Some(any(&wasm)) })
}

fn code(config: &ProxyConfig, node: &NodeInfo) -> DataSource {
    let specifier = match &node.module {
        Some(path) => data_source::Specifier::Filename(path.clone()),
        None => data_source::Specifier::InlineBytes(config.module.to_vec()),
    };
    DataSource { specifier: Some(specifier), ..DataSource::default() }
}
