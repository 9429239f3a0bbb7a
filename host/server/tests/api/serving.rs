use std::net::Ipv4Addr;

use interlock_server::{serve, testing::TestApp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_server_answers_over_a_socket_and_stops_when_told() {
    let app = TestApp::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve::serve(app.app.clone(), listener, stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    stop.cancel();
    serving.await.unwrap().unwrap();
    assert!(app.app.store.ping().await.is_err(), "the store is closed last");
}

#[tokio::test]
async fn a_server_whose_signer_cannot_remember_stops_instead_of_trying_again() {
    let app = TestApp::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    // Where the signer would write there is a folder.
    let obstacle = app.app.config.ledger.signer_dir.join("mercy.new");
    std::fs::create_dir_all(&obstacle).unwrap();
    let serving = tokio::spawn(serve::serve(app.app.clone(), listener, CancellationToken::new()));
    app.person("Kim", &[interlock_domain::Role::Auditor]).await;
    let error = serving.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("ledger.signer_dir"), "{error}");
}
