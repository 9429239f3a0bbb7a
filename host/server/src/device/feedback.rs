//! Feedback: how a deployment or a cancellation goes.
//!
//! SWUpdate does not escape everything it quotes, so some of its feedback is no JSON. It is refused and logged; the
//! clients live with that. **Invariant:** a success is read only from an object that spells it out.

use interlock_domain::{Execution, Feedback, Finished};
use serde::Deserialize;

use super::{
    body::{Message, Object, object, word},
    error::DdiError,
};

/// Most details that are kept: the newest, since what was said last says most.
const DETAILS_MAX: usize = 50;
/// Longest detail that is kept, in characters.
const DETAIL_CHARS_MAX: usize = 512;

// Fields that are not here are ignored: `id` is a number, a string or empty, and `time` local or UTC, as the client
// likes. The path says which action it is about.
#[derive(Deserialize)]
struct Wire {
    status: Object<Status>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(deserialize_with = "word")]
    execution: Execution,
    result: Object<Outcome>,
    #[serde(default)]
    details: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(deserialize_with = "word")]
    finished: Finished,
}

impl Message for Feedback {
    fn read(body: &[u8]) -> Result<Self, DdiError> {
        let Object(Status { execution, result: Object(outcome), details }) = object::<Wire>(body)?.status;
        Ok(Feedback {
            execution,
            finished: outcome.finished,
            details: shortened(details.unwrap_or_default()),
        })
    }
}

fn shortened(mut details: Vec<String>) -> Vec<String> {
    details.drain(..details.len().saturating_sub(DETAILS_MAX));
    for detail in &mut details {
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
            detail.truncate(end);
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &str) -> Result<Feedback, DdiError> {
        Feedback::read(body.as_bytes())
    }

    #[test]
    fn feedback_of_both_clients_is_read() {
        let swupdate = r#"{ "id": 7, "time": "20261121T080000", "status": { "result": { "finished": "success",
            "progress": { "cnt": 1, "of": 2 } }, "execution": "closed", "details": [ "Update Installed." ] } }"#;
        let rauc = r#"{"id":"7","time":"20261121T070000","status":{"execution":"closed",
            "result":{"finished":"success"},"details":["Update Installed."]}}"#;
        for body in [swupdate, rauc] {
            let feedback = read(body).unwrap();
            assert_eq!((feedback.execution, feedback.finished), (Execution::Closed, Finished::Success));
            assert_eq!(feedback.details, ["Update Installed."]);
        }
    }

    #[test]
    fn every_word_of_the_protocol_is_known_and_no_other() {
        for execution in
            ["closed", "proceeding", "canceled", "scheduled", "rejected", "resumed", "downloaded", "download"]
        {
            for finished in ["success", "failure", "none"] {
                let body = json!({"status": {"execution": execution, "result": {"finished": finished}}});
                assert!(read(&body.to_string()).is_ok(), "{execution} {finished}");
            }
        }
        for body in [
            json!({"status": {"execution": "Closed", "result": {"finished": "success"}}}),
            json!({"status": {"execution": "done", "result": {"finished": "success"}}}),
            json!({"status": {"execution": "closed", "result": {"finished": "ok"}}}),
        ] {
            assert!(read(&body.to_string()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_only_resembles_feedback_is_none() {
        for body in [
            "",
            "null",
            "7",
            "\"closed\"",
            "[]",
            "{}",
            r#"{"status":null}"#,
            r#"{"status":{}}"#,
            r#"{"status":{"execution":"closed"}}"#,
            r#"{"status":{"execution":"closed","result":null}}"#,
            r#"{"status":{"execution":"closed","result":{}}}"#,
            r#"{"status":{"execution":"closed","result":{"finished":null}}}"#,
            r#"{"status":{"execution":"closed","result":"success"}}"#,
            r#"{"status":{"execution":["closed"],"result":{"finished":"success"}}}"#,
            r#"{"status":{"execution":{"closed":null},"result":{"finished":"success"}}}"#,
            r#"{"status":{"execution":"closed","result":{"finished":{"success":null}}}}"#,
            r#"{"status":["closed",{"finished":"success"},[]]}"#,
            r#"{"status":{"execution":"closed","result":["success"]}}"#,
            r#"[["closed",["success"],[]]]"#,
            r#"{"status":{"execution":"proceeding","execution":"closed","result":{"finished":"success"}}}"#,
            r#"{"status":{"execution":"closed","result":{"finished":"none"},"result":{"finished":"success"}}}"#,
            r#"{"status":{"execution":"closed","result":{"finished":"success"},"details":"all well"}}"#,
            r#"{"status":{"execution":"closed","result":{"finished":"success"},"details":[1]}}"#,
            // What a client makes of a quotation mark or a line feed that it does not escape.
            r#"{"status":{"execution":"closed","result":{"finished":"success"},"details":["say "hello""]}}"#,
            "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"success\"},\"details\":[\"a\nb\"]}}",
            r#"{"status":{"execution":"closed","result":{"finished":"success"}}"#,
            r#"{"status":{"execution":"closed","result":{"finished":"success"}}} {}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
        let ignored =
            b"{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"success\"},\"x\":\"\xff\"}}";
        assert!(Feedback::read(ignored).is_err(), "bytes that are no text, in a field that is ignored");
    }

    #[test]
    fn details_are_shortened_to_the_newest() {
        let details: Vec<String> = (0..60).map(|n| format!("{n} {}", "é".repeat(600))).collect();
        let body = json!({"status": {
            "execution": "proceeding", "result": {"finished": "none"}, "details": details
        }});
        let kept = read(&body.to_string()).unwrap().details;
        assert_eq!(kept.len(), 50);
        assert!(kept[49].starts_with("59 é"));
        assert!(kept.iter().all(|detail| detail.chars().count() == 512));
    }

    /// Valid feedback with pieces cut out, put in and swapped.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let whole =
            br#"{"id":7,"status":{"execution":"closed","result":{"finished":"success"},"details":["x"]}}"#;
        let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 0..6);
        edits.prop_map(move |edits| {
            let mut body = whole.to_vec();
            for (at, byte, edit) in edits {
                let at = at.index(body.len());
                match edit {
                    0 => body[at] = byte,
                    1 => body.insert(at, byte),
                    _ => {
                        body.remove(at);
                    }
                }
            }
            body
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn arbitrary_bytes_are_no_success(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!Feedback::read(&body).is_ok_and(|said| said.finished == Finished::Success));
        }

        #[test]
        fn damaged_feedback_is_success_only_where_it_still_says_so(body in damaged()) {
            if let Ok(Feedback { execution: Execution::Closed, finished: Finished::Success, .. }) = Feedback::read(&body) {
                let value: Value = serde_json::from_slice(&body).unwrap();
                prop_assert_eq!(value.pointer("/status/execution"), Some(&json!("closed")));
                prop_assert_eq!(value.pointer("/status/result/finished"), Some(&json!("success")));
            }
        }
    }
}
