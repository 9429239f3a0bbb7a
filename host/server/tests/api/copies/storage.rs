//! A real S3 server with Object Lock: LocalStack (PyPI's `localstack-core`), on a port of its own.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use reqwest::{Method, StatusCode};
use tempfile::TempDir;

/// The server. It ends with the test.
pub(crate) struct Storage {
    child: Child,
    pub(crate) url: String,
    folder: TempDir,
    http: reqwest::Client,
}

/// Where `cargo xtask test` installs it: in the folder `tools` beside the build output.
fn installed() -> PathBuf {
    let beside = |target: PathBuf| target.with_file_name("tools").join("localstack-4.14.0");
    let test = std::env::current_exe().unwrap();
    let dir = beside(test.ancestors().nth(3).unwrap().to_owned());
    assert!(dir.join("installed").is_file(), "`{}` is not there: run `cargo xtask test` once", dir.display());
    dir
}

impl Storage {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Command::new(installed().join("bin/python"));
        server.args(["-m", "localstack.runtime.main"]).env_clear();
        server.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for (name, value) in [
            ("SERVICES", "s3"),
            ("EAGER_SERVICE_LOADING", "1"),
            ("GATEWAY_LISTEN", &format!("127.0.0.1:{port}")),
            // The others listen everywhere.
            ("GATEWAY_SERVER", "hypercorn"),
            ("DNS_ADDRESS", "0"),
            ("DISABLE_EVENTS", "1"),
            ("SKIP_SSL_CERT_DOWNLOAD", "1"),
            ("HOME", folder.path().to_str().unwrap()),
            ("FILESYSTEM_ROOT", folder.path().to_str().unwrap()),
        ] {
            server.env(name, value);
        }
        let child = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut storage = Self { child, url: format!("http://127.0.0.1:{port}"), folder, http };
        let health = format!("{}/_localstack/health", storage.url);
        loop {
            if let Ok(answer) = storage.http.get(&health).send().await
                && answer.text().await.is_ok_and(|text| text.contains("\"s3\": \"running\""))
            {
                return storage;
            }
            assert!(storage.child.try_wait().unwrap().is_none(), "LocalStack ended");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The file with keys that this server takes.
    pub(crate) fn credentials(&self) -> PathBuf {
        let path = self.folder.path().join("credentials");
        std::fs::write(&path, "[default]\naws_access_key_id = test\naws_secret_access_key = hunter2\n")
            .unwrap();
        path
    }

    /// A request as an administrator of the storage sends it.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, reqwest::header::HeaderMap, Vec<u8>) {
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}/{path}", self.url)).body(body.to_owned());
        // It compares no signature that stands in a header, but asks whose it is.
        request = request.header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=0",
        );
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap().to_vec())
    }

    pub(crate) async fn bucket(&self, name: &str, lock: bool) {
        let lock: &[(&str, &str)] = if lock { &[("x-amz-bucket-object-lock-enabled", "true")] } else { &[] };
        let (status, _, body) = self.ask("PUT", name, lock, "").await;
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
