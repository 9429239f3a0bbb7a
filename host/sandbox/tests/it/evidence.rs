//! Evidence: asked for by source and key, authorised outside, recorded here.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use interlock_sandbox::{
    Document, EvidenceAnswer, EvidenceLookup, EvidenceSource, LogLevel, LogLine, Refusal,
};

use crate::support::*;

/// Looks a key up in a source, logs what it was given (or the case of the refusal), and passes.
pub fn curious(source: &str, key: &str) -> Guest {
    let mut guest = Guest::new("compliance-gate");
    let (source, source_len) = guest.text(source);
    let (key, key_len) = guest.text(key);
    let body = format!(
        "(local $out i32)
         (local.set $out (call $alloc (i32.const 48)))
         (call $fetch (i32.const {source}) (i32.const {source_len}) (i32.const {key}) (i32.const {key_len})
           (local.get $out))
         (if (i32.load8_u (local.get $out))
           ;; a refusal: the number of its case
           (then (i32.store8 (i32.const 0) (i32.add (i32.const 48) (i32.load8_u offset=8 (local.get $out))))
                 (call $log (i32.const 2) (i32.const 0) (i32.const 1)))
           ;; a document: its content, which stands after its media type
           (else (call $log (i32.const 1) (i32.load offset=16 (local.get $out)) (i32.load offset=20 (local.get $out)))
                 ;; and its digest
                 (call $log (i32.const 0) (i32.load offset=24 (local.get $out)) (i32.load offset=28 (local.get $out)))))
         $pass"
    );
    guest.imports = format!("{LOG}\n{FETCH}");
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    guest
}

/// Knows `firmware`, and writes down who asked.
#[derive(Default)]
pub struct Shelf {
    pub asked: Mutex<Vec<String>>,
}

#[async_trait]
impl EvidenceSource for Shelf {
    async fn fetch(&self, plugin: &str, source: &str, key: &str) -> EvidenceAnswer {
        self.asked.lock().unwrap().push(format!("{plugin} {source} {key}"));
        match key {
            "firmware" => EvidenceAnswer::Found(Document::new("text/plain", "v2.1", 1_750_000_000_000)),
            "secret" => EvidenceAnswer::Refused(Refusal::Denied("not for you".into())),
            "far" => EvidenceAnswer::Refused(Refusal::Unavailable("offline".into())),
            _ => EvidenceAnswer::Refused(Refusal::NotFound),
        }
    }
}

fn log(level: LogLevel, message: impl Into<String>) -> LogLine {
    LogLine { level, message: message.into() }
}

#[tokio::test]
async fn a_document_reaches_the_guest_and_the_transcript() {
    let plugin = install(small(), curious("artifact", "firmware")).await;
    let shelf = Arc::new(Shelf::default());
    let call = plugin.call(evaluate(0), Arc::clone(&shelf) as Arc<dyn EvidenceSource>).await;
    assert_eq!(call.outcome, Ok(pass()));
    assert_eq!(*shelf.asked.lock().unwrap(), ["test-plugin artifact firmware"]);
    let document = Document::new("text/plain", "v2.1", 1_750_000_000_000);
    let digest = document.digest.to_string();
    assert_eq!(call.transcript.logs, [log(LogLevel::Info, "v2.1"), log(LogLevel::Debug, digest)]);
    let lookup = EvidenceLookup {
        source: "artifact".into(),
        key: "firmware".into(),
        answer: EvidenceAnswer::Found(document),
    };
    assert_eq!(call.transcript.evidence, [lookup]);
    assert_eq!(call.transcript.host_calls, 3);
}

#[tokio::test]
async fn each_refusal_reaches_the_guest_as_its_own_case() {
    for (key, case) in [("nothing", "0"), ("secret", "1"), ("far", "2")] {
        let plugin = install(small(), curious("artifact", key)).await;
        let call = plugin.call(evaluate(0), Arc::new(Shelf::default())).await;
        assert_eq!(call.outcome, Ok(pass()));
        assert_eq!(call.transcript.logs, [log(LogLevel::Warn, case)]);
    }
}

#[tokio::test]
async fn an_undeclared_source_is_refused_before_anybody_is_asked() {
    let plugin = install(small(), curious("patients", "firmware")).await;
    let shelf = Arc::new(Shelf::default());
    let call = plugin.call(evaluate(0), Arc::clone(&shelf) as Arc<dyn EvidenceSource>).await;
    assert_eq!(call.transcript.logs, [log(LogLevel::Warn, "1")]);
    assert!(shelf.asked.lock().unwrap().is_empty());
    let [lookup] = call.transcript.evidence.as_slice() else { panic!("one look-up") };
    assert!(
        matches!(&lookup.answer, EvidenceAnswer::Refused(Refusal::Denied(why)) if why.contains("`patients`"))
    );
}

#[tokio::test]
async fn a_source_that_lies_about_a_digest_is_corrected() {
    struct Liar;
    #[async_trait]
    impl EvidenceSource for Liar {
        async fn fetch(&self, _plugin: &str, _source: &str, _key: &str) -> EvidenceAnswer {
            let mut document = Document::new("text/plain", "true", 0);
            document.content = b"false".to_vec();
            EvidenceAnswer::Found(document)
        }
    }
    let plugin = install(small(), curious("artifact", "firmware")).await;
    let call = plugin.call(evaluate(0), Arc::new(Liar)).await;
    let [lookup] = call.transcript.evidence.as_slice() else { panic!("one look-up") };
    let EvidenceAnswer::Found(document) = &lookup.answer else { panic!("a document") };
    assert_eq!(document.digest, Document::new("text/plain", "false", 0).digest);
}
