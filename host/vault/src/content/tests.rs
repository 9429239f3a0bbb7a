use std::path::PathBuf;

use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use object_store::ObjectMeta;
use proptest::prelude::*;

use super::*;

const CHUNK: usize = 16;
const STORED_CHUNK: usize = CHUNK + 16;

fn vault() -> Vault {
    Vault::in_memory(Kek::ephemeral().unwrap(), CHUNK as u32).unwrap()
}

fn whole(content: &[u8]) -> Expected {
    Expected {
        digest: Some(Digest::of(content)),
        size_bytes: Some(content.len() as u64),
        size_bytes_max: 1 << 20,
    }
}

/// Content that differs everywhere.
fn sample(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// In pieces that fit no chunk.
fn pieces(content: &[u8]) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + use<> {
    let pieces: Vec<_> = content.chunks(11).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

async fn put(vault: &Vault, content: &[u8]) -> Stored {
    vault.put(pieces(content), whole(content)).await.unwrap()
}

async fn get(
    vault: &Vault,
    stored: &Stored,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, VaultError> {
    let pieces: Vec<Bytes> = vault.get(&stored.sealed, &stored.digest, range).await?.try_collect().await?;
    Ok(pieces.concat())
}

async fn objects(vault: &Vault) -> Vec<ObjectMeta> {
    vault.store.list(None).try_collect().await.unwrap()
}

/// Changes the stored bytes and says what a reader then learns.
async fn damaged(content: &[u8], damage: impl FnOnce(&mut Vec<u8>)) -> String {
    let vault = vault();
    let stored = put(&vault, content).await;
    let place = address(stored.sealed.layout(&stored.digest).unwrap(), &stored.digest);
    let mut bytes = vault.store.get(&place).await.unwrap().bytes().await.unwrap().to_vec();
    damage(&mut bytes);
    vault.store.put(&place, bytes.into()).await.unwrap();
    let error = vault.verify(&stored.sealed, &stored.digest).await.unwrap_err().to_string();
    error.replace(&stored.digest.to_string(), "…")
}

#[tokio::test]
async fn content_comes_back_as_it_went_in_and_is_not_readable_in_between() {
    let vault = vault();
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1000] {
        let content = sample(size);
        let stored = put(&vault, &content).await;
        assert_eq!((stored.digest, stored.size_bytes), (Digest::of(&content), size as u64));
        assert_eq!(get(&vault, &stored, None).await.unwrap(), content);
        assert!(vault.exists(&stored.sealed, &stored.digest).await.unwrap());
        vault.verify(&stored.sealed, &stored.digest).await.unwrap();

        let place = address(stored.sealed.layout(&stored.digest).unwrap(), &stored.digest);
        let bytes = vault.store.get(&place).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes.len(), size + 16 * size.div_ceil(CHUNK).max(1));
        assert!(!bytes.windows(8).any(|window| content.windows(8).any(|plain| plain == window)));

        vault.remove(&stored.sealed, &stored.digest).await.unwrap();
        vault.remove(&stored.sealed, &stored.digest).await.unwrap();
        assert!(!vault.exists(&stored.sealed, &stored.digest).await.unwrap());
        assert!(matches!(get(&vault, &stored, None).await, Err(VaultError::Absent { .. })));
    }
    assert!(objects(&vault).await.is_empty());
}

#[tokio::test]
async fn every_digest_that_devices_ask_for_is_told() {
    let stored = put(&vault(), b"abc").await;
    assert_eq!(stored.digest.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(stored.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(stored.md5, "900150983cd24fb0d6963f7d28e17f72");
}

#[tokio::test]
async fn content_that_is_not_what_was_announced_is_refused_with_both_and_leaves_nothing() {
    let vault = vault();
    let content = sample(100);
    let refusal = async |expected: Expected| {
        let error = vault.put(pieces(&content), expected).await.unwrap_err().to_string();
        assert!(objects(&vault).await.is_empty(), "after: {error}");
        error
    };
    let open = Expected { digest: None, size_bytes: None, size_bytes_max: 100 };
    assert_eq!(
        refusal(Expected { size_bytes: Some(101), size_bytes_max: 200, ..open }).await,
        "the content ends after 100 bytes but 101 were announced: upload it again"
    );
    assert_eq!(
        refusal(Expected { size_bytes: Some(98), ..open }).await,
        "the content goes on after the 98 bytes that were announced: announce its whole size"
    );
    assert_eq!(
        refusal(Expected { size_bytes: Some(101), ..open }).await,
        "the content has 101 bytes or more but at most 100 are allowed: make it smaller or raise the limit"
    );
    assert_eq!(
        refusal(Expected { size_bytes_max: 99, ..open }).await,
        "the content has 100 bytes or more but at most 99 are allowed: make it smaller or raise the limit"
    );
    let other = Digest::of("other");
    assert_eq!(
        refusal(Expected { digest: Some(other), ..open }).await,
        format!(
            "the content is `{}` but `{other}` was announced: check the file and upload it again",
            Digest::of(&content)
        )
    );
    vault.put(pieces(&content), open).await.expect("exactly at the limit is fine");
}

#[tokio::test]
async fn a_sender_that_breaks_off_leaves_nothing() {
    let vault = vault();
    let broken = pieces(&sample(44)).chain(stream::iter([Err(std::io::Error::other("reset by peer"))]));
    let error = vault
        .put(broken, Expected { digest: None, size_bytes: None, size_bytes_max: 1 << 20 })
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the content broke off after 44 bytes: upload it again");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "reset by peer");
    assert!(objects(&vault).await.is_empty());
}

#[tokio::test]
async fn an_upload_that_nobody_waits_for_any_more_leaves_nothing() {
    let vault = vault();
    let stalled = pieces(&sample(44)).chain(stream::pending());
    let open = Expected { digest: None, size_bytes: None, size_bytes_max: 1 << 20 };
    assert!(vault.put(stalled, open).now_or_never().is_none());
    assert!(objects(&vault).await.is_empty());
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn on_a_disk_a_failed_upload_leaves_no_file_and_a_good_one_exactly_one() {
    let dir = tempfile::tempdir().unwrap();
    let kek = Kek::load_or_create(dir.path().join("kek")).unwrap();
    let vault = Vault::on_disk(dir.path().join("objects"), kek, CHUNK_BYTES_DEFAULT).unwrap();
    // More than one part, so that parts have been written when the fault shows.
    let content = Bytes::from(sample(11 << 20));
    let sent = || {
        let content = content.clone();
        stream::iter((0..11).map(move |i| Ok::<_, std::io::Error>(content.slice(i << 20..(i + 1) << 20))))
    };
    let open = Expected { digest: None, size_bytes: None, size_bytes_max: 1 << 30 };
    let broken = sent().chain(stream::iter([Err(std::io::Error::other("reset"))]));
    assert!(matches!(
        vault.put(broken, open.clone()).await,
        Err(VaultError::Interrupted { received_bytes: 11_534_336, .. })
    ));
    assert_eq!(files(&dir.path().join("objects")), Vec::<PathBuf>::new());

    let wrong = Expected { digest: Some(Digest::of("other")), ..open.clone() };
    assert!(matches!(vault.put(sent(), wrong).await, Err(VaultError::DigestMismatch { .. })));
    assert_eq!(files(&dir.path().join("objects")), Vec::<PathBuf>::new());

    let stored = vault.put(sent(), open).await.unwrap();
    assert_eq!(files(&dir.path().join("objects")).len(), 1);
    assert_eq!(get(&vault, &stored, None).await.unwrap(), content);

    // Another process with the same key file and directory reads it.
    let kek = Kek::load_or_create(dir.path().join("kek")).unwrap();
    let again = Vault::on_disk(dir.path().join("objects"), kek, 1024).unwrap();
    let middle = 5 * u64::from(CHUNK_BYTES_DEFAULT) - 3..9 * u64::from(CHUNK_BYTES_DEFAULT) + 2;
    let expected = &content[middle.start as usize..middle.end as usize];
    assert_eq!(get(&again, &stored, Some(middle)).await.unwrap(), expected);
}

#[tokio::test]
async fn each_damage_to_stored_content_has_its_own_reason() {
    let content = sample(3 * CHUNK);
    let altered = "chunk 1 of stored content `…` was altered: restore it from a backup";
    assert_eq!(damaged(&content, |bytes| bytes[STORED_CHUNK] ^= 1).await, altered);
    assert_eq!(damaged(&content, |bytes| bytes[2 * STORED_CHUNK - 1] ^= 0x80).await, altered, "its tag");
    assert_eq!(
        damaged(&content, |bytes| bytes.truncate(2 * STORED_CHUNK)).await,
        "stored content `…` has 64 bytes but 96 were written: restore it from a backup",
        "the last chunk dropped"
    );
    assert_eq!(
        damaged(&content, |bytes| bytes.truncate(3 * STORED_CHUNK - 1)).await,
        "stored content `…` has 95 bytes but 96 were written: restore it from a backup",
        "the last chunk cut"
    );
    assert_eq!(
        damaged(&content, |bytes| bytes.extend_from_within(..STORED_CHUNK)).await,
        "stored content `…` has 128 bytes but 96 were written: restore it from a backup",
        "a chunk added"
    );
    assert_eq!(
        damaged(&content, |bytes| bytes.rotate_left(STORED_CHUNK)).await,
        "chunk 0 of stored content `…` is chunk 1 in the wrong place: restore it from a backup"
    );
    assert_eq!(
        damaged(&content, |bytes| bytes.copy_within(2 * STORED_CHUNK.., STORED_CHUNK)).await,
        "chunk 1 of stored content `…` is chunk 2 in the wrong place: restore it from a backup",
        "the last chunk in place of another"
    );
    assert_eq!(
        damaged(b"", |bytes| bytes[0] ^= 1).await,
        "chunk 0 of stored content `…` was altered: restore it from a backup",
        "empty content has a tag too"
    );
}

#[tokio::test]
async fn a_seal_that_was_changed_or_moved_does_not_open() {
    let vault = vault();
    let content = sample(100);
    let (stored, other) = (put(&vault, &content).await, put(&vault, b"other").await);
    let sealed = stored.sealed.clone();
    let altered = [
        Sealed { size_bytes: 99, ..sealed.clone() },
        Sealed { chunk_bytes: 32, ..sealed.clone() },
        Sealed { chunk_bytes: 0, ..sealed.clone() },
        Sealed { size_bytes: u64::MAX, ..sealed.clone() },
        Sealed { object: other.sealed.object.clone(), ..sealed.clone() },
        Sealed { object: "../../etc/passwd".to_owned(), ..sealed.clone() },
        Sealed { object: sealed.object.to_uppercase() + "A", ..sealed.clone() },
        Sealed { wrapped_key: other.sealed.wrapped_key.clone(), ..sealed.clone() },
        Sealed { wrapped_key: "?".to_owned(), ..sealed.clone() },
        other.sealed.clone(),
    ];
    for altered in altered {
        let read = vault.get(&altered, &stored.digest, None).await.map(|_| ());
        assert!(matches!(read, Err(VaultError::SealAltered { .. })), "{altered:?} gave {read:?}");
    }
    let newer = Sealed { v: 2, ..sealed.clone() };
    assert!(matches!(vault.get(&newer, &stored.digest, None).await, Err(VaultError::SealUnknown { .. })));
    let foreign = Vault::new(Arc::clone(&vault.store), Kek::ephemeral().unwrap(), 16).unwrap();
    assert!(matches!(foreign.get(&sealed, &stored.digest, None).await, Err(VaultError::KekUnknown { .. })));
}

#[tokio::test]
async fn a_seal_reads_back_what_it_wrote_and_holds_no_unknown_field() {
    let sealed = put(&vault(), b"abc").await.sealed;
    let json = serde_json::to_string(&sealed).unwrap();
    assert_eq!(serde_json::from_str::<Sealed>(&json).unwrap(), sealed);
    assert!(serde_json::from_str::<Sealed>(&json.replace("\"v\":1", "\"v\":1,\"w\":2")).is_err());
}

#[tokio::test]
async fn the_same_content_twice_is_two_objects_that_do_not_depend_on_each_other() {
    let vault = vault();
    let (one, two) = (put(&vault, b"same").await, put(&vault, b"same").await);
    assert_eq!(one.digest, two.digest);
    assert_eq!(objects(&vault).await.len(), 2);
    vault.remove(&one.sealed, &one.digest).await.unwrap();
    assert_eq!(get(&vault, &two, None).await.unwrap(), b"same");
}

#[tokio::test]
async fn after_a_rotation_old_content_opens_and_can_be_rewrapped_without_the_old_key() {
    let (old, new) = (Kek::ephemeral().unwrap(), Kek::ephemeral().unwrap());
    let new_id = new.id().to_owned();
    let before = Vault::in_memory(old, 16).unwrap();
    let stored = put(&before, b"content").await;
    let old = Arc::into_inner(before.kek).unwrap();
    let after = Vault::new(Arc::clone(&before.store), new.with_older(old), 32).unwrap();
    assert_eq!(get(&after, &stored, None).await.unwrap(), b"content");

    let sealed = after.rewrap(&stored.sealed, &stored.digest).unwrap();
    assert_eq!(sealed.key_id, new_id);
    let stored = Stored { sealed, ..stored };
    assert_eq!(get(&after, &stored, None).await.unwrap(), b"content");
}

#[tokio::test]
async fn a_range_outside_the_content_is_refused() {
    let vault = vault();
    let stored = put(&vault, &sample(40)).await;
    let error = get(&vault, &stored, Some(30..41)).await.unwrap_err();
    assert_eq!(error.to_string(), "bytes 30 to 41 were asked for but the content has 40: ask for less");
    #[expect(clippy::reversed_empty_ranges, reason = "a client may ask for one")]
    let backwards = 9..8;
    assert!(matches!(get(&vault, &stored, Some(backwards)).await, Err(VaultError::RangeOutside { .. })));
    assert_eq!(get(&vault, &stored, Some(40..40)).await.unwrap(), b"");
}

#[tokio::test]
async fn a_range_reads_only_the_chunks_that_it_needs() {
    let vault = vault();
    let content = sample(10 * CHUNK);
    let stored = put(&vault, &content).await;
    let place = address(stored.sealed.layout(&stored.digest).unwrap(), &stored.digest);
    let mut bytes = vault.store.get(&place).await.unwrap().bytes().await.unwrap().to_vec();
    bytes[3 * STORED_CHUNK] ^= 1;
    vault.store.put(&place, bytes.into()).await.unwrap();
    // Chunk 3 is damaged: whoever does not need it does not notice.
    assert_eq!(get(&vault, &stored, Some(0..48)).await.unwrap(), content[..48]);
    assert_eq!(get(&vault, &stored, Some(64..160)).await.unwrap(), content[64..]);
    assert!(matches!(
        get(&vault, &stored, Some(47..49)).await,
        Err(VaultError::ChunkAltered { chunk: 3, .. })
    ));
}

#[test]
fn a_chunk_size_that_cannot_be_used_is_refused() {
    for found in [0, CHUNK_BYTES_MIN - 1, CHUNK_BYTES_MAX + 1] {
        let vault = Vault::in_memory(Kek::ephemeral().unwrap(), found);
        assert!(matches!(vault, Err(VaultError::ChunkBytes { .. })), "{found}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_range_is_what_a_slice_would_be(
        chunk in 16_u32..40, content in prop::collection::vec(any::<u8>(), 0..200), ends: (usize, usize),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let vault = Vault::in_memory(Kek::ephemeral().unwrap(), chunk).unwrap();
            let stored = put(&vault, &content).await;
            let (a, b) = (ends.0 % (content.len() + 1), ends.1 % (content.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            let read = get(&vault, &stored, Some(start as u64..end as u64)).await.unwrap();
            prop_assert_eq!(read, &content[start..end]);
            // And at the borders of the chunk where it begins.
            let border = start / chunk as usize * chunk as usize;
            let read = get(&vault, &stored, Some(border as u64..end as u64)).await.unwrap();
            prop_assert_eq!(read, &content[border..end]);
            Ok(())
        })?;
    }

    #[test]
    fn one_changed_bit_anywhere_is_found(content in prop::collection::vec(any::<u8>(), 0..100), bit: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let error = runtime.block_on(damaged(&content, |bytes| {
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }));
        prop_assert!(error.ends_with("was altered: restore it from a backup"), "{}", error);
    }
}
