//! A login in the browser of this machine (RFC 8252): the browser brings a code to a port that only this program listens on, and
//! the code is worth nothing without what this program alone has.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::failure::Failure;

/// How long somebody may take at their provider: as long as the server waits, and a little.
const WAIT: Duration = Duration::from_secs(360);
/// Longest request line that a browser sends here.
const LINE_BYTES_MAX: u64 = 8 << 10;
/// Longest code.
const CODE_MAX: usize = 256;

/// A login that waits for the browser.
pub(crate) struct Waiting {
    listener: TcpListener,
    port: u16,
    /// What only this program has.
    pub(crate) verifier: String,
    challenge: String,
}

impl Waiting {
    /// Listens on a free port of this machine alone.
    pub(crate) async fn begin() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Failure::local)?;
        let port = listener.local_addr().map_err(Failure::local)?.port();
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| Failure::Local("the machine gave no random bytes".to_owned()))?;
        let verifier = URL_SAFE_NO_PAD.encode(bytes);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        Ok(Self { listener, port, verifier, challenge })
    }

    /// What the browser opens.
    pub(crate) fn address(&self, server: &str, provider: &str) -> String {
        format!("{server}/v1/login/oidc/{provider}?port={}&challenge={}", self.port, self.challenge)
    }

    /// What the server's page shows too, so that a person sees that both are of one login.
    pub(crate) fn word(&self) -> String {
        hex::encode(&Sha256::digest(&self.challenge)[..4])
    }

    /// The code that the browser brings.
    pub(crate) async fn code(&self) -> Result<String, Failure> {
        let nobody = || Failure::Usage("nobody logged in in time; run it again".to_owned());
        tokio::time::timeout(WAIT, self.brought()).await.map_err(|_| nobody())?
    }

    async fn brought(&self) -> Result<String, Failure> {
        loop {
            let (stream, _) = self.listener.accept().await.map_err(Failure::local)?;
            // Whatever else comes here, such as a question for an icon, is sent away.
            if let Ok(Some(code)) = heard(stream).await {
                return Ok(code);
            }
        }
    }
}

/// Answers one request; the code, when there is one in it.
async fn heard(mut stream: TcpStream) -> std::io::Result<Option<String>> {
    let (from, mut to) = stream.split();
    let mut line = String::new();
    let mut from = BufReader::new(from).take(LINE_BYTES_MAX);
    from.read_line(&mut line).await?;
    // The rest of the request is read too, or the browser finds the line cut.
    let mut rest = String::new();
    while from.read_line(&mut rest).await? > 2 {
        rest.clear();
    }
    let code = code(&line);
    let (status, said) = match code {
        Some(_) => ("200 OK", "You are logged in. You can close this page."),
        None => ("404 Not Found", "There is nothing here."),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n{said}",
        said.len()
    );
    to.write_all(answer.as_bytes()).await?;
    to.shutdown().await?;
    Ok(code)
}

/// The code in `GET /?code=… HTTP/1.1`.
fn code(line: &str) -> Option<String> {
    let path = line.strip_prefix("GET ")?.split(' ').next()?;
    let code = path.strip_prefix("/?code=")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (!code.is_empty() && code.len() <= CODE_MAX && code.bytes().all(fits)).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_code_is_a_code() {
        assert_eq!(code("GET /?code=aZ-_9 HTTP/1.1\r\n").as_deref(), Some("aZ-_9"));
        let long = format!("GET /?code={} HTTP/1.1", "a".repeat(CODE_MAX + 1));
        for line in [
            "",
            "GET /",
            "POST /?code=a HTTP/1.1",
            "GET /?code= HTTP/1.1",
            "GET /?code=a&b=c HTTP/1.1",
            "GET /favicon.ico HTTP/1.1",
            long.as_str(),
        ] {
            assert_eq!(code(line), None, "{line}");
        }
    }
}
