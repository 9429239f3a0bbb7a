use aws_lc_rs::signature::{ED25519, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm};
use axum::http::{HeaderName, HeaderValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

/// RFC 9421, appendix B.1.4.
const ED25519_SPKI: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
/// RFC 9421, appendix B.1.2.
const RSA_PSS_SPKI: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rj\
    xa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEc\
    N2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d\
    +nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// The request that the examples of appendix B.2 sign.
fn example() -> HeaderMap {
    headers(&[
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        (
            "content-digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("content-length", "18"),
    ])
}

fn message<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Message<'a> {
    Message { method: "POST", scheme: "https", authority: "example.com", path: "/foo", query, headers }
}

#[track_caller]
fn verifies(algorithm: &'static dyn VerificationAlgorithm, spki: &str, base: &str, signature: &str) {
    let (key, signature) = (STANDARD.decode(spki).unwrap(), STANDARD.decode(signature).unwrap());
    UnparsedPublicKey::new(algorithm, key).verify(base.as_bytes(), &signature).unwrap();
}

#[test]
fn the_example_with_ed25519_is_the_text_that_was_signed() {
    let names = ["date", "@method", "@path", "@authority", "content-type", "content-length"];
    let list = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;\
                keyid=\"test-key-ed25519\"";
    let headers = example();
    let base =
        base(&names.map(str::to_owned), list, &message(&headers, Some("param=Value&Pet=dog"))).unwrap();
    let signature =
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    verifies(&ED25519, ED25519_SPKI, &base, signature);
}

#[test]
fn the_smallest_example_with_rsa_pss_is_the_text_that_was_signed() {
    let list = "();created=1618884473;keyid=\"test-key-rsa-pss\";nonce=\"b3k2pp5k7z-50gnwp.yemd\"";
    let headers = example();
    let base = base(&[], list, &message(&headers, None)).unwrap();
    let signature = "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZs\
        ckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0m\
        KZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8s\
        sinQ98Xw9Q==";
    verifies(&RSA_PSS_2048_8192_SHA512, RSA_PSS_SPKI, &base, signature);
}

#[test]
fn each_component_is_what_the_rfc_says() {
    let mut headers = headers(&[("x-empty", ""), ("x-two", " a ")]);
    headers.append("x-two", HeaderValue::from_static("b"));
    let value = |name: &str, query| value(name, &message(&headers, query));
    for (name, query, expected) in [
        ("@target-uri", Some("a=b"), "https://example.com/foo?a=b"),
        ("@target-uri", None, "https://example.com/foo"),
        ("@request-target", Some("a=b"), "/foo?a=b"),
        ("@query", Some(""), "?"),
        ("@query", None, "?"),
        ("@scheme", None, "https"),
        ("x-empty", None, ""),
        ("x-two", None, "a, b"),
    ] {
        assert_eq!(value(name, query).as_deref(), Some(expected), "{name}");
    }
    for unknown in ["@status", "@signature-params", "x-missing", "X-Two"] {
        assert_eq!(value(unknown, None), None, "{unknown}");
    }
}

const INPUT: &str = "(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\" \"idempotency-key\");created=1000;\
    expires=1300;nonce=\"0123456789abcdef0123456789abcdef\";keyid=\"key_1\";tag=\"interlock-v1\"";

fn read_input(input: &str) -> Result<Signed, SignedFault> {
    let (input, signature) = (format!("sig={input}"), "sig=:AAAA:");
    read(&headers(&[("signature-input", &input), ("signature", signature)]))
}

#[test]
fn a_signature_says_what_it_is_and_is_written_back_as_it_came() {
    let signed = read_input(INPUT).unwrap();
    assert_eq!((signed.key_id.as_str(), signed.created, signed.expires), ("key_1", 1_000, 1_300));
    assert_eq!(parameters(&signed.list), INPUT);
}

#[test]
fn what_is_no_signature_for_us_is_refused() {
    use SignedFault as F;
    for (alter, fault) in [
        (("tag=\"interlock-v1\"", "tag=\"other\""), F::NotOne),
        ((";keyid=\"key_1\"", ""), F::Lacks { parameter: "keyid" }),
        (("created=1000;", ""), F::Lacks { parameter: "created" }),
        (("expires=1300;", ""), F::Lacks { parameter: "expires" }),
        (("nonce=\"0123456789abcdef0123456789abcdef\";", ""), F::Lacks { parameter: "nonce" }),
        (("created=1000", "created=\"1000\""), F::Lacks { parameter: "created" }),
        (("\"@method\"", "\"@method\";req"), F::Unknown { component: "@method".to_owned() }),
        (("\"@method\"", "\"@method\" \"@method\""), F::Unknown { component: "@method".to_owned() }),
        (("(\"@method\"", "(@method"), F::Unreadable { header: "signature-input" }),
    ] {
        assert_eq!(read_input(&INPUT.replace(alter.0, alter.1)), Err(fault), "{alter:?}");
    }
    let two = headers(&[
        ("signature-input", &format!("a={INPUT}, b={INPUT}")),
        ("signature", "a=:AAAA:, b=:AAAA:"),
    ]);
    assert_eq!(read(&two), Err(F::NotOne));
    let unsigned = headers(&[("signature-input", &format!("a={INPUT}")), ("signature", "b=:AAAA:")]);
    assert_eq!(read(&unsigned), Err(F::Unreadable { header: "Signature" }));
}

#[test]
fn it_covers_what_it_must_and_its_time_is_now() {
    use SignedFault as F;
    let there =
        headers(&[("content-type", "application/json"), ("idempotency-key", "k"), ("content-digest", "d")]);
    let check =
        |input: &str, now| read_input(input).unwrap().check(&message(&there, None), true, now, 300, 30);
    assert_eq!(check(INPUT, 1_000), Ok(()));
    for component in ["@method", "@target-uri", "content-digest", "content-type", "idempotency-key"] {
        let input =
            INPUT.replace(&format!("\"{component}\" "), "").replace(&format!(" \"{component}\")"), ")");
        assert_eq!(check(&input, 1_000), Err(F::Uncovered { component: component.to_owned() }));
    }
    assert_eq!(check(&INPUT.replace("1300", "1301"), 1_000), Err(F::TooLong { seconds: 301, most: 300 }));
    assert_eq!(check(INPUT, 970), Ok(()));
    assert_eq!(check(INPUT, 969), Err(F::Early));
    assert_eq!(check(INPUT, 1_329), Ok(()));
    assert_eq!(check(INPUT, 1_330), Err(F::Expired));
    assert_eq!(check(INPUT, 1_600), Err(F::Expired));
    let short = INPUT.replace("0123456789abcdef0123456789abcdef", "0123456789abcdef01234");
    assert_eq!(check(&short, 1_000), Err(F::Lacks { parameter: "nonce" }));
    let bare = headers(&[]);
    let get = Message { method: "GET", headers: &bare, ..message(&there, None) };
    let input = INPUT.replace(" \"content-digest\" \"content-type\" \"idempotency-key\"", "");
    assert_eq!(read_input(&input).unwrap().check(&get, false, 1_000, 300, 30), Ok(()));
}
