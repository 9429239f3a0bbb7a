//! What `wit-bindgen` makes of `wit/`, the one copy of the contract.
//!
//! The worlds of the contract share the interface `plugin`, and a crate can generate an interface's export
//! only once. So each interface gets a half world here; `wit-component` joins the halves that a plugin
//! exports, and the result is one of the contract's worlds.

wit_bindgen::generate!({
    path: "../../wit",
    inline: r#"
        package interlock:sdk;
        world imports {
            import interlock:plugin/types@1.1.0;
            import interlock:plugin/logging@1.1.0;
            import interlock:plugin/evidence@1.1.0;
        }
    "#,
    world: "interlock:sdk/imports",
    generate_all,
    generate_unused_types: true,
    additional_derives: [PartialEq],
});

/// The interface that every plugin exports.
pub mod plugin {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package interlock:sdk; world plugin-half { export interlock:plugin/plugin@1.1.0; }",
        world: "interlock:sdk/plugin-half",
        with: { "interlock:plugin/types@1.1.0": crate::bindings::interlock::plugin::types },
        pub_export_macro: true,
        default_bindings_module: "interlock_plugin_sdk::bindings::plugin",
    });
    pub use exports::interlock::plugin::plugin::Guest;
}

/// The interface of a compliance gate.
pub mod gate {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package interlock:sdk; world gate-half { export interlock:plugin/gate@1.1.0; }",
        world: "interlock:sdk/gate-half",
        with: { "interlock:plugin/types@1.1.0": crate::bindings::interlock::plugin::types },
        pub_export_macro: true,
        default_bindings_module: "interlock_plugin_sdk::bindings::gate",
    });
    pub use exports::interlock::plugin::gate::Guest;
}

/// The interface of a health check.
pub mod health {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package interlock:sdk; world health-half { export interlock:plugin/health@1.1.0; }",
        world: "interlock:sdk/health-half",
        with: { "interlock:plugin/types@1.1.0": crate::bindings::interlock::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        default_bindings_module: "interlock_plugin_sdk::bindings::health",
    });
    pub use exports::interlock::plugin::health::*;
}

/// The interface of a rollout strategy.
pub mod strategy {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package interlock:sdk; world strategy-half { export interlock:plugin/strategy@1.1.0; }",
        world: "interlock:sdk/strategy-half",
        with: { "interlock:plugin/types@1.1.0": crate::bindings::interlock::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        default_bindings_module: "interlock_plugin_sdk::bindings::strategy",
    });
    pub use exports::interlock::plugin::strategy::*;
}
