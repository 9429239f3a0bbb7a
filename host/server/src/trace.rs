//! The trace id of the request that is being handled (W3C Trace Context), for records, logs and answers.

tokio::task_local! {
    static TRACE: String;
}

/// The current trace id: 32 hexadecimal digits.
pub fn current() -> Option<String> {
    TRACE.try_with(Clone::clone).ok()
}

/// Runs `work` under this trace id.
pub async fn with<T>(trace: String, work: impl Future<Output = T>) -> T {
    TRACE.scope(trace, work).await
}

/// The trace id of a `traceparent` header, when it is one.
pub fn of_traceparent(header: &str) -> Option<String> {
    let mut parts = header.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let hex = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
    (hex(version, 2) && hex(trace, 32) && trace.bytes().any(|b| b != b'0'))
        .then(|| trace.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_gives_a_trace_id() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(of_traceparent(good).unwrap(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(of_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), None);
        assert_eq!(of_traceparent("nonsense"), None);
    }
}
