//! Signing, publishing and fetching plugins, with Debian's `docker-registry`.

use interlock_registry::testing::DockerRegistry;
use serde_json::Value;

use crate::plugin::{Folder, built, parsed, plugin};

/// A component and two pairs of keys, the public ones in a folder of trusted signers.
async fn author() -> (Folder, String, String) {
    let folder = Folder::new();
    let file = folder.path("size-limit.wasm");
    std::fs::copy(built("size-limit"), &file).unwrap();
    let trusted = folder.path("trusted");
    std::fs::create_dir(&trusted).unwrap();
    for name in ["ana", "ben"] {
        let made = plugin(&["keygen", folder.path(name).to_str().unwrap()]).await;
        assert_eq!(made.code, 0, "{made:?}");
        std::fs::copy(folder.path(&format!("{name}.pem")), trusted.join(format!("{name}.pem"))).unwrap();
    }
    let (file, trusted) = (file.to_str().unwrap().to_owned(), trusted.to_str().unwrap().to_owned());
    (folder, file, trusted)
}

async fn sign(folder: &Folder, file: &str, name: &str) {
    let key = folder.path(&format!("{name}.key.pem"));
    let signed = plugin(&["sign", file, "--key", key.to_str().unwrap()]).await;
    assert_eq!(signed.code, 0, "{signed:?}");
}

fn names(body: &Value, list: &str) -> Vec<String> {
    let list = body[list].as_array().unwrap();
    list.iter().map(|signer| signer["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn verify_says_who_signed_and_who_is_missing_and_counts_keys_once() {
    let (folder, file, trusted) = author().await;
    let verify = async |least: &str| {
        plugin(&["--output", "json", "verify", &file, "--trusted", &trusted, "--signers-min", least]).await
    };
    let unsigned = verify("1").await;
    assert_eq!((unsigned.code, names(&parsed(&unsigned), "missing").len()), (1, 2), "{unsigned:?}");
    sign(&folder, &file, "ana").await;
    sign(&folder, &file, "ana").await;
    // The same key under another name is not another signer.
    std::fs::copy(folder.path("ana.pem"), folder.path("trusted").join("zoe.pem")).unwrap();
    let (one, two) = (verify("1").await, verify("2").await);
    assert_eq!((one.code, two.code), (0, 1), "{one:?} {two:?}");
    let body = parsed(&two);
    assert_eq!(
        (names(&body, "signers"), names(&body, "missing")),
        (vec!["ana".to_owned()], vec!["ben".to_owned()])
    );
    sign(&folder, &file, "ben").await;
    assert_eq!(verify("2").await.code, 0);
    // Another component with these signatures.
    std::fs::copy(built("signature"), &file).unwrap();
    let other = verify("1").await;
    assert_eq!(other.code, 1, "{other:?}");
    assert!(other.stdout.contains("and not about"), "{other:?}");
    let push = plugin(&["push", &file, "localhost:1/a:1"]).await;
    assert_eq!(push.code, 1, "{push:?}");
    assert!(push.stderr.contains("sign it again"), "{push:?}");
    let table = plugin(&["verify", &file, "--trusted", &trusted]).await;
    assert!(table.stdout.contains("not signed by `ben`"), "{table:?}");
}

#[tokio::test]
async fn a_signed_plugin_goes_to_a_registry_and_comes_back_with_its_signatures() {
    let (folder, file, trusted) = author().await;
    sign(&folder, &file, "ana").await;
    sign(&folder, &file, "ben").await;
    let server = DockerRegistry::start().unwrap();
    let plain = ["--plain-http", server.host.as_str()];
    let asked = async |arguments: &[&str]| plugin(&[&["--output", "json"], arguments, &plain].concat()).await;
    let reference = format!("{}/plugins/size-limit:1.0.0", server.host);
    let pushed = asked(&["push", &file, &reference]).await;
    assert_eq!(pushed.code, 0, "{pushed:?}");
    let pushed = parsed(&pushed);
    assert_eq!(pushed["signatures"], 2);
    let pinned = pushed["reference"].as_str().unwrap();
    assert_eq!(pushed["propose"], format!("interlock plugin activate {pinned} --environment ENVIRONMENT"));

    let verified = asked(&["verify", pinned, "--trusted", &trusted, "--signers-min", "2"]).await;
    assert_eq!(verified.code, 0, "{verified:?}");
    let inspected = parsed(&asked(&["inspect", pinned]).await);
    assert_eq!(inspected["name"], "size-limit");
    assert_eq!(
        (&inspected["digest"], &inspected["manifest_digest"]),
        (&pushed["plugin_digest"], &pushed["manifest_digest"])
    );
    assert_eq!(inspected["signatures"].as_array().unwrap().len(), 2);

    let out = folder.path("back.wasm");
    let out = out.to_str().unwrap();
    let pulled = asked(&["pull", &reference, "--out", out]).await;
    assert_eq!(pulled.code, 0, "{pulled:?}");
    assert_eq!(std::fs::read(out).unwrap(), std::fs::read(&file).unwrap());
    let verified = plugin(&["verify", out, "--trusted", &trusted, "--signers-min", "2"]).await;
    assert_eq!(verified.code, 0, "{verified:?}");

    let missing = asked(&["pull", &format!("{}/plugins/size-limit:2", server.host)]).await;
    assert_eq!(missing.code, 1, "{missing:?}");
}

#[tokio::test]
async fn what_cannot_be_reached_or_read_ends_with_its_own_exit_code() {
    let (folder, file, trusted) = author().await;
    let taken = folder.path("ana");
    let by_digest = format!("localhost:1/a@sha256:{}", "a".repeat(64));
    let table: [(&[&str], i32, &str); 6] = [
        (&["pull", "size-limit"], 2, "names no plugin"),
        (&["pull", "127.0.0.1:1/a:1", "--plain-http", "127.0.0.1:1"], 3, "cannot be reached"),
        (&["push", &file, &by_digest], 2, "needs a tag"),
        (&["verify", "nowhere.wasm", "--trusted", &trusted], 2, "there is no file `nowhere.wasm`"),
        (&["verify", &file, "--trusted", "nowhere"], 2, "cannot read `nowhere`"),
        (&["keygen", taken.to_str().unwrap()], 2, "exists already"),
    ];
    for (arguments, code, said) in table {
        let run = plugin(arguments).await;
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.stderr.contains(said), "{run:?}");
    }
    std::fs::write(folder.path("bad.wasm.dsse.json"), "{").unwrap();
    std::fs::copy(&file, folder.path("bad.wasm")).unwrap();
    let bad = plugin(&["inspect", folder.path("bad.wasm").to_str().unwrap()]).await;
    assert_eq!(bad.code, 1, "{bad:?}");
    assert!(bad.stderr.contains("no DSSE envelope"), "{bad:?}");
}
