//! End-to-end tests on real Envoy.

mod shipped;

#[path = "envoy/canary_steps.rs"]
mod canary_steps;
#[path = "envoy/cases.rs"]
mod cases;
#[path = "envoy/control_api.rs"]
mod control_api;
#[path = "envoy/control_calls.rs"]
mod control_calls;
#[path = "envoy/control_canary.rs"]
mod control_canary;
#[path = "envoy/control_commands.rs"]
mod control_commands;
#[path = "envoy/control_compared.rs"]
mod control_compared;
#[path = "envoy/control_disk.rs"]
mod control_disk;
#[path = "envoy/control_edge.rs"]
mod control_edge;
#[path = "envoy/control_endings.rs"]
mod control_endings;
#[path = "envoy/control_gates.rs"]
mod control_gates;
#[path = "envoy/control_heal.rs"]
mod control_heal;
#[path = "envoy/control_hooks.rs"]
mod control_hooks;
#[path = "envoy/control_instances.rs"]
mod control_instances;
#[path = "envoy/control_instances_rig.rs"]
mod control_instances_rig;
#[path = "envoy/control_lost.rs"]
mod control_lost;
#[path = "envoy/control_manifests.rs"]
mod control_manifests;
#[path = "envoy/control_metrics.rs"]
mod control_metrics;
#[path = "envoy/control_preview.rs"]
mod control_preview;
#[path = "envoy/control_promoted.rs"]
mod control_promoted;
#[path = "envoy/control_proxies.rs"]
mod control_proxies;
#[path = "envoy/control_registrations.rs"]
mod control_registrations;
#[path = "envoy/control_rejected.rs"]
mod control_rejected;
#[path = "envoy/control_restart.rs"]
mod control_restart;
#[path = "envoy/control_rig.rs"]
mod control_rig;
#[path = "envoy/control_shadow.rs"]
mod control_shadow;
#[path = "envoy/control_static.rs"]
mod control_static;
#[path = "envoy/control_tls.rs"]
mod control_tls;
#[path = "envoy/filter_classes.rs"]
mod filter_classes;
#[path = "envoy/filter_endings.rs"]
mod filter_endings;
#[path = "envoy/filter_fallback.rs"]
mod filter_fallback;
#[path = "envoy/filter_flags.rs"]
mod filter_flags;
#[path = "envoy/filter_goals.rs"]
mod filter_goals;
#[path = "envoy/filter_panic.rs"]
mod filter_panic;
#[path = "envoy/filter_reports.rs"]
mod filter_reports;
#[path = "envoy/filter_rig.rs"]
mod filter_rig;
#[path = "envoy/filter_size.rs"]
mod filter_size;
#[path = "envoy/filter_writes.rs"]
mod filter_writes;
#[path = "envoy/long_lived.rs"]
mod long_lived;
#[path = "envoy/strategies.rs"]
mod strategies;
#[path = "envoy/strategies_composed.rs"]
mod strategies_composed;
#[path = "envoy/strategies_flag.rs"]
mod strategies_flag;
#[path = "envoy/strategies_rig.rs"]
mod strategies_rig;
#[path = "envoy/xds_changes.rs"]
mod xds_changes;
#[path = "envoy/xds_configs.rs"]
mod xds_configs;
#[path = "envoy/xds_fallback.rs"]
mod xds_fallback;
#[path = "envoy/xds_names.rs"]
mod xds_names;
#[path = "envoy/xds_refused.rs"]
mod xds_refused;
#[path = "envoy/xds_restart.rs"]
mod xds_restart;
#[path = "envoy/xds_rig.rs"]
mod xds_rig;
#[path = "envoy/xds_stage.rs"]
mod xds_stage;
#[path = "envoy/xds_strip.rs"]
mod xds_strip;
