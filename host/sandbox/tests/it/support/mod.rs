//! A plugin in a few lines: core WebAssembly text, made into a component by `wit-component`.

pub mod hostile;

use std::path::Path;
use std::sync::Arc;

use interlock_sandbox::types::{
    Change, ChangeKind, Finding, Outcome, Population, Request, Response, Severity, Verdict,
};
use interlock_sandbox::{Call, InstallError, Limits, NoEvidence, Plugin, PluginError, Sandbox};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub const SCHEMA: &str =
    r#"{"type":"object","properties":{"days":{"type":"integer","minimum":1}},"additionalProperties":false}"#;

/// Where `evaluate` finds its arguments behind its one parameter (the canonical ABI spills more than 16).
pub const SETTINGS_POINTER: u32 = 112;
pub const SETTINGS_LENGTH: u32 = 116;
pub const NOW: u32 = 120;

/// A guest under construction. The defaults make a gate that passes everything.
pub struct Guest {
    pub world: &'static str,
    pub wit: String,
    pub name: String,
    pub version: String,
    pub schema: String,
    pub sources: Vec<&'static str>,
    pub memory: String,
    /// Imports: they come first in a module.
    pub imports: String,
    /// Further fields of the module.
    pub fields: String,
    /// The exports of the world that are not `plugin`.
    pub exports: String,
    /// Replaces the body of `describe`.
    pub describe: Option<String>,
    /// Leaves `check-settings` away.
    pub no_check_settings: bool,
    data: Data,
}

/// Static data, from address 1024 on.
#[derive(Default)]
struct Data {
    bytes: Vec<u8>,
}

const DATA_START: usize = 1024;

impl Data {
    fn put(&mut self, bytes: &[u8]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.bytes.extend_from_slice(bytes);
        DATA_START + self.bytes.len() - bytes.len()
    }

    fn list(&mut self, items: &[(usize, usize)]) -> usize {
        let words: Vec<u8> =
            items.iter().flat_map(|(at, len)| [*at as u32, *len as u32]).flat_map(u32::to_le_bytes).collect();
        self.put(&words)
    }
}

impl Guest {
    pub fn gate(evaluate: &str) -> Self {
        let mut guest = Self::new("compliance-gate");
        guest.export("gate", "evaluate", "(param $in i32) (result i32)", evaluate);
        guest
    }

    pub fn new(world: &'static str) -> Self {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/interlock.wit");
        Self {
            world,
            wit: std::fs::read_to_string(wit).unwrap(),
            name: "test-plugin".into(),
            version: "1.0.0".into(),
            schema: SCHEMA.into(),
            sources: vec!["artifact"],
            memory: "(memory (export \"memory\") 2)".into(),
            imports: String::new(),
            fields: String::new(),
            exports: String::new(),
            describe: None,
            no_check_settings: false,
            data: Data::default(),
        }
    }

    pub fn export(&mut self, interface: &str, function: &str, signature: &str, body: &str) {
        self.exports += &format!(
            "(func (export \"interlock:plugin/{interface}@1.1.0#{function}\") {signature} {body})\n"
        );
    }

    /// The address of a text, and its length.
    pub fn text(&mut self, text: &str) -> (usize, usize) {
        (self.data.put(text.as_bytes()), text.len())
    }

    /// The address of these little-endian words.
    pub fn words(&mut self, words: &[u32]) -> usize {
        let bytes: Vec<u8> = words.iter().copied().flat_map(u32::to_le_bytes).collect();
        self.data.put(&bytes)
    }

    /// A body that answers this verdict; `length` is an expression for the length of the finding's message, which is
    /// made of the letter `a` in fresh memory.
    pub fn long_verdict(length: &str) -> String {
        format!(
            "(local $len i32) (local $at i32)
             (local.set $len {length})
             (local.set $at (call $alloc (i32.add (local.get $len) (i32.const 65))))
             (memory.fill (local.get $at) (i32.const 97) (i32.add (local.get $len) (i32.const 65)))
             ;; one finding: code, severity, message, subject
             (i32.store offset=0 (local.get $at) (i32.add (local.get $at) (i32.const 64)))
             (i32.store offset=4 (local.get $at) (i32.const 1))
             (i32.store8 offset=8 (local.get $at) (i32.const 0))
             (i32.store offset=12 (local.get $at) (i32.add (local.get $at) (i32.const 64)))
             (i32.store offset=16 (local.get $at) (local.get $len))
             (i32.store offset=20 (local.get $at) (i32.const 0))
             (i32.store offset=24 (local.get $at) (i32.const 0))
             ;; ok(warn, [finding])
             (i32.store8 offset=32 (local.get $at) (i32.const 0))
             (i32.store8 offset=36 (local.get $at) (i32.const 1))
             (i32.store offset=40 (local.get $at) (local.get $at))
             (i32.store offset=44 (local.get $at) (i32.const 1))
             (i32.add (local.get $at) (i32.const 32))"
        )
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn module(&mut self) -> String {
        let name = self.name.clone();
        let version = self.version.clone();
        let schema = self.schema.clone();
        let mut record: Vec<_> =
            [name.as_str(), &version, "for tests", &schema].iter().map(|t| self.text(t)).collect();
        let sources: Vec<_> = self.sources.clone().iter().map(|t| self.text(t)).collect();
        record.push((self.data.list(&sources), sources.len()));
        let description = self.data.list(&record);
        let empty_list = self.words(&[8, 0]);
        let pass = self.words(&[0, 0, 8, 0]);
        let data: String = self.data.bytes.iter().map(|b| format!("\\{b:02x}")).collect();
        let heap = (DATA_START + self.data.bytes.len()).next_multiple_of(16);
        let Self { imports, memory, fields, exports, .. } = self;
        let describe = self.describe.clone().unwrap_or_else(|| format!("(i32.const {description})"));
        let check = if self.no_check_settings {
            String::new()
        } else {
            format!(
                "(func (export \"interlock:plugin/plugin@1.1.0#check-settings\") (param i32 i32) (result i32)
                   (i32.const {empty_list}))"
            )
        };
        let exports = exports.replace("$pass", &format!("(i32.const {pass})"));
        format!(
            "(module
               {imports}
               {memory}
               (global $heap (mut i32) (i32.const {heap}))
               (data (i32.const {DATA_START}) \"{data}\")
               (func $alloc (param $size i32) (result i32)
                 (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (local.get $size)))
               (func $realloc (export \"cabi_realloc\")
                 (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
                 (local $at i32) (local $missing i32)
                 (local.set $at (i32.and
                   (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                   (i32.sub (i32.const 0) (local.get $align))))
                 (global.set $heap (i32.add (local.get $at) (local.get $size)))
                 (local.set $missing (i32.sub
                   (i32.shr_u (i32.add (global.get $heap) (i32.const 65535)) (i32.const 16))
                   (memory.size)))
                 (if (i32.gt_s (local.get $missing) (i32.const 0))
                   (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then (unreachable)))))
                 (local.get $at))
               (func (export \"interlock:plugin/plugin@1.1.0#describe\") (result i32) {describe})
               {check}
               {exports}
               {fields})"
        )
    }

    /// The component.
    pub fn build(mut self) -> Vec<u8> {
        let text = self.module();
        encode(&self, &text)
    }
}

/// A component of this core module, with the world and WIT of the guest.
pub fn encode(guest: &Guest, text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", &guest.wit).unwrap();
    let world = resolve.select_world(&[package], Some(guest.world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// Passes everything.
pub fn passing() -> Guest {
    Guest::gate("$pass")
}

pub const LOG: &str = r#"(import "interlock:plugin/logging@1.1.0" "log" (func $log (param i32 i32 i32)))"#;
pub const FETCH: &str =
    r#"(import "interlock:plugin/evidence@1.1.0" "fetch" (func $fetch (param i32 i32 i32 i32 i32)))"#;

/// An expression for the `now` that the gate was called with.
pub fn now() -> String {
    format!("(i32.wrap_i64 (i64.load offset={NOW} (local.get $in)))")
}

/// Repeats a body as often as `now` says.
pub fn repeat(body: &str) -> String {
    format!(
        "(local $left i32)
         (local.set $left {})
         (block $done (loop $again
           (br_if $done (i32.eqz (local.get $left)))
           {body}
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br $again)))",
        now()
    )
}

pub fn sandbox(limits: Limits) -> Sandbox {
    Sandbox::new(limits, None).unwrap()
}

/// Few instances: each sandbox of a test reserves its own pool.
pub fn small() -> Limits {
    Limits { instances_max: 4, fuel_max: 50_000_000, ..Limits::default() }
}

pub async fn install(limits: Limits, guest: Guest) -> Arc<Plugin> {
    sandbox(limits).install(guest.build()).await.unwrap()
}

pub async fn refusal(guest: Guest) -> InstallError {
    sandbox(small()).install(guest.build()).await.unwrap_err()
}

pub fn change() -> Arc<Change> {
    Arc::new(Change {
        id: "chg_1".into(),
        tenant: "acme".into(),
        environment: "production".into(),
        kind: ChangeKind::Release,
        digest: format!("sha256:{}", "0".repeat(64)),
        title: "Pump firmware 2.1".into(),
        author: "ana".into(),
        proposed_at: 1_750_000_000_000,
        artifacts: vec![],
        population: Population { size: 3, digest: format!("sha256:{}", "1".repeat(64)), groups: vec![] },
        rollback: vec![],
        manifest: "{}".into(),
    })
}

pub fn evaluate(now: u64) -> Request {
    Request::Evaluate { change: change(), settings: "{}".into(), now }
}

pub async fn ask(plugin: &Plugin, now: u64) -> Call {
    plugin.call(evaluate(now), Arc::new(NoEvidence)).await
}

/// The same of a plugin that nobody needs afterwards.
pub async fn ask_fresh(limits: Limits, guest: Guest, now: u64) -> Call {
    let plugin = install(limits, guest).await;
    ask(&plugin, now).await
}

pub async fn error(plugin: &Plugin, now: u64) -> PluginError {
    ask(plugin, now).await.outcome.unwrap_err()
}

pub fn pass() -> Response {
    Response::Verdict(Verdict { outcome: Outcome::Pass, findings: vec![] })
}

/// What [`Guest::long_verdict`] answers.
pub fn long(length: usize) -> Response {
    let finding = Finding {
        code: "a".into(),
        severity: Severity::Info,
        message: "a".repeat(length),
        subject: String::new(),
    };
    Response::Verdict(Verdict { outcome: Outcome::Warn, findings: vec![finding] })
}
