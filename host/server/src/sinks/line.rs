//! A connection to a receiver of syslog, plain or with TLS.

use std::{path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::config::{Address, Sink};

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// How connections are secured.
pub(super) struct Tls(TlsConnector);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// With the certificates that the configuration names.
    pub(super) fn open(sink: &Sink) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&sink.ca_file)? {
            let path = sink.ca_file.display();
            roots.add(certificate).map_err(|error| format!("`{path}`: {error}"))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let config = if sink.client_cert_file.as_os_str().is_empty() {
            config.with_no_client_auth()
        } else {
            let key = PrivateKeyDer::from_pem_file(&sink.client_key_file)
                .map_err(|error| format!("`{}`: {error}", sink.client_key_file.display()))?;
            let own = certificates(&sink.client_cert_file)?;
            config.with_client_auth_cert(own, key).map_err(|error| error.to_string())?
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error| format!("`{}`: {error}", path.display());
    let found: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(wrong)?;
    if found.is_empty() { Err(format!("`{}` holds no certificate", path.display())) } else { Ok(found) }
}

/// A connection.
pub(super) struct Line {
    wire: Box<dyn Wire>,
    patience: Duration,
}

impl Line {
    pub(super) async fn open(address: &Address, tls: Option<&Tls>, timeout_ms: u64) -> Result<Self, String> {
        let patience = Duration::from_millis(timeout_ms);
        let Address { host, port, .. } = address;
        let opening = async {
            let stream = TcpStream::connect((host.as_str(), *port)).await;
            let stream = stream.map_err(|error| format!("it cannot be reached: {error}"))?;
            let Some(Tls(connector)) = tls else { return Ok(Box::new(stream) as Box<dyn Wire>) };
            let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
            let stream = connector.connect(name, stream).await;
            Ok(Box::new(stream.map_err(|error| format!("it is not whom we trust: {error}"))?)
                as Box<dyn Wire>)
        };
        let wire = within(patience, "it cannot be reached", opening).await?;
        Ok(Self { wire, patience })
    }

    /// Sends, and comes back once the operating system has taken it.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sending = async {
            let broken = |error: std::io::Error| format!("it hung up: {error}");
            self.wire.write_all(bytes).await.map_err(broken)?;
            self.wire.flush().await.map_err(broken)
        };
        within(self.patience, "it takes nothing", sending).await
    }

    /// Ends this side; whether the other one then closed too, as it does when it has read everything.
    pub(super) async fn ended(mut self) -> Result<bool, String> {
        let ending = async {
            self.wire.shutdown().await.map_err(|error| format!("it hung up: {error}"))?;
            let mut heard = [0; 512];
            loop {
                match self.wire.read(&mut heard).await {
                    Ok(0) => return Ok(true),
                    Ok(_) => {}
                    // Some close without ceremony once they have read the end of it.
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(true),
                    Err(error) => return Err(format!("it hung up: {error}")),
                }
            }
        };
        match timeout(self.patience, ending).await {
            Ok(ended) => ended,
            Err(_) => Ok(false),
        }
    }
}

async fn within<T>(
    patience: Duration,
    what: &str,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match timeout(patience, work).await {
        Ok(done) => done,
        Err(_) => Err(format!("{what} within {} ms", patience.as_millis())),
    }
}
