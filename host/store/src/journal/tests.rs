use super::*;

fn options(dir: &Path) -> JournalOptions {
    JournalOptions {
        dir: dir.to_owned(),
        ledger: "mercy.example/ledger+1f2e3d4c+AQ==".to_owned(),
        file_bytes_max: 1 << 20,
        backlog_bytes_max: 1 << 20,
    }
}

fn opened(options: JournalOptions) -> Journal {
    let mut drawn = 0;
    Journal::open(options, move || {
        drawn += 1;
        Uuid::from_u128(drawn)
    })
    .unwrap()
}

/// How many files there are beside the one that says whose folder it is.
fn files(dir: &Path) -> usize {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    files.filter(|name| name != "ledger").count()
}

fn frames(texts: &[&str]) -> Frames {
    let mut frames = Frames::default();
    texts.iter().for_each(|text| frames.push("mercy", text));
    frames
}

fn texts(file: &SealedFile) -> Vec<String> {
    file.read().unwrap().unwrap().decisions.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn what_was_confirmed_is_in_the_file_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(options(dir.path()));
    journal.append(frames(&["one", "two"])).await.unwrap();
    journal.append(frames(&["three"])).await.unwrap();
    assert_eq!(journal.oldest(), None, "nothing is sealed yet");
    journal.seal().await.unwrap();
    let file = journal.oldest().unwrap();
    assert_eq!(texts(&file), ["one", "two", "three"]);
    assert_eq!(file.segment(), format!("seg_{:032x}", 1));
    assert_eq!(journal.backlog_bytes(), file.bytes);
    journal.shipped(&file).unwrap();
    assert_eq!((journal.oldest(), journal.backlog_bytes()), (None, 0));
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn an_empty_file_is_never_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(options(dir.path()));
    journal.seal().await.unwrap();
    assert_eq!(journal.oldest(), None);
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn a_file_is_sealed_at_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let one = frames(&["one"]).len() as u64;
    let journal = opened(JournalOptions { file_bytes_max: 2 * one, ..options(dir.path()) });
    journal.append(frames(&["one"])).await.unwrap();
    assert_eq!(journal.oldest(), None, "one byte short of it");
    journal.append(frames(&["two"])).await.unwrap();
    journal.append(frames(&["six"])).await.unwrap();
    assert_eq!(texts(&journal.oldest().unwrap()), ["one", "two"]);
}

#[tokio::test]
async fn beyond_the_backlog_nothing_is_confirmed_until_the_database_has_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    let one = frames(&["one"]).len() as u64;
    let journal = opened(JournalOptions { backlog_bytes_max: one, ..options(dir.path()) });
    journal.append(frames(&["one"])).await.unwrap();
    assert!(matches!(journal.append(frames(&["two"])).await, Err(StoreError::Busy)));
    journal.seal().await.unwrap();
    journal.shipped(&journal.oldest().unwrap()).unwrap();
    journal.append(frames(&["two"])).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_is_sealed_by_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    // As a process leaves it that was killed: open, unlocked, with half a frame at the end.
    let mut bytes = frames(&["one", "two"]).into_bytes();
    let half = frames(&["half"]).into_bytes();
    bytes.extend_from_slice(&half[..half.len() - 1]);
    fs::write(dir.path().join("0a.open"), bytes).unwrap();
    let journal = opened(options(dir.path()));
    let left = journal.oldest().unwrap();
    let read = left.read().unwrap().unwrap();
    assert_eq!(texts(&left), ["one", "two"]);
    assert_eq!((read.unread_bytes, read.damaged), (half.len() as u64 - 1, true));
}

#[tokio::test]
async fn what_another_process_has_shipped_meanwhile_is_waited_for_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let first = opened(options(dir.path()));
    first.append(frames(&["one"])).await.unwrap();
    first.seal().await.unwrap();
    // It starts while the file waits for the database, and takes it for one that was left behind.
    let second = opened(options(dir.path()));
    let (file, same) = (first.oldest().unwrap(), second.oldest().unwrap());
    assert_eq!(file, same);
    first.shipped(&file).unwrap();
    assert_eq!(same.read().unwrap(), None);
    second.shipped(&same).unwrap();
    assert_eq!((second.oldest(), second.backlog_bytes()), (None, 0));
}

#[tokio::test]
async fn the_folder_of_another_ledger_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let own = opened(options(dir.path()));
    own.append(frames(&["one"])).await.unwrap();
    own.seal().await.unwrap();
    let other =
        || JournalOptions { ledger: "grace.example/ledger+00000000+AQ==".to_owned(), ..options(dir.path()) };
    let said = Journal::open(other(), Uuid::nil).unwrap_err().to_string();
    for part in ["grace.example/ledger", "mercy.example/ledger", "`decisions.dir`", "bring"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!((files(dir.path()), texts(&own.oldest().unwrap())), (1, vec!["one".to_owned()]));
    // Its own is opened again, and by a second process at once.
    assert_eq!(opened(options(dir.path())).oldest(), own.oldest());
    // One of before folders said whose they are is taken.
    fs::remove_file(dir.path().join("ledger")).unwrap();
    assert!(Journal::open(other(), Uuid::nil).is_ok());
    assert!(Journal::open(options(dir.path()), Uuid::nil).is_err());
}

#[test]
fn a_file_that_another_process_took_before_it_was_locked_is_not_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0a.open");
    let made = || fs::File::create(&path).unwrap();
    assert!(writer::locked(made(), path.clone()).unwrap().is_some());
    let file = made();
    assert_eq!(file::left_behind(dir.path()).unwrap().len(), 1, "as the other process starts");
    assert!(writer::locked(file, path).unwrap().is_none());
}

#[tokio::test]
async fn what_is_set_aside_stays_and_keeps_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(options(dir.path()));
    for text in ["one", "two"] {
        journal.append(frames(&[text])).await.unwrap();
        journal.seal().await.unwrap();
    }
    journal.set_aside(&journal.oldest().unwrap()).unwrap();
    assert!(dir.path().join(format!("{:032x}.damaged", 1)).exists());
    let next = journal.oldest().unwrap();
    assert_eq!((texts(&next), journal.backlog_bytes()), (vec!["two".to_owned()], next.bytes));
    assert_eq!(file::left_behind(dir.path()).unwrap(), [next], "nobody takes it up again");
}

#[tokio::test]
async fn the_room_that_was_made_ahead_is_no_damage_and_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(options(dir.path()));
    journal.append(frames(&["one"])).await.unwrap();
    let open = dir.path().join(format!("{:032x}.open", 1));
    let ahead = fs::read(&open).unwrap();
    assert!(ahead.len() > frames(&["one"]).len());
    // As a process leaves it that was killed, and with half a frame before the room.
    fs::write(dir.path().join("0a.open"), &ahead).unwrap();
    let mut torn = ahead;
    torn[frames(&["one"]).len()..][..3].copy_from_slice(&[7, 0, 9]);
    fs::write(dir.path().join("0b.open"), torn).unwrap();
    let next = Journal::open(options(dir.path()), || Uuid::from_u128(100)).unwrap();
    for (unread_bytes, damaged) in [(0, false), (3, true)] {
        let left = next.oldest().unwrap();
        let decisions = vec![("mercy".to_owned(), "one".to_owned())];
        assert_eq!(left.read().unwrap(), Some(Journaled { decisions, unread_bytes, damaged }));
        next.shipped(&left).unwrap();
    }
    journal.seal().await.unwrap();
    let sealed = journal.oldest().unwrap();
    assert_eq!(fs::metadata(&sealed.path).unwrap().len(), sealed.bytes);
}

#[tokio::test]
async fn what_is_longer_than_the_room_that_was_made_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let large = JournalOptions { file_bytes_max: 8 << 20, backlog_bytes_max: 8 << 20, ..options(dir.path()) };
    let journal = opened(large);
    let all: Vec<String> = (0..40).map(|n| n.to_string().repeat(100_000)).collect();
    for text in &all {
        journal.append(frames(&[text])).await.unwrap();
    }
    journal.seal().await.unwrap();
    assert_eq!(texts(&journal.oldest().unwrap()), all);
}

#[tokio::test]
async fn what_another_process_appends_to_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let first = opened(options(dir.path()));
    first.append(frames(&["one"])).await.unwrap();
    let mut drawn = 100;
    let second = Journal::open(options(dir.path()), move || {
        drawn += 1;
        Uuid::from_u128(drawn)
    })
    .unwrap();
    assert_eq!(second.oldest(), None);
    first.append(frames(&["two"])).await.unwrap();
    first.seal().await.unwrap();
    assert_eq!(texts(&first.oldest().unwrap()), ["one", "two"]);
}

#[tokio::test]
async fn once_the_disk_has_refused_nothing_is_confirmed_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(options(dir.path()));
    // A file of the name that the first append takes: the journal never appends to what it did not make.
    fs::write(dir.path().join(format!("{:032x}.open", 1)), "").unwrap();
    let refused = journal.append(frames(&["one"])).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Journal { .. }), "{refused}");
    let again = journal.append(frames(&["two"])).await.unwrap_err();
    assert_eq!(again.to_string(), refused.to_string());
    assert!(journal.broken().is_some());
}

#[test]
fn a_damaged_frame_is_passed_over_and_what_was_confirmed_behind_it_is_not_lost() {
    let mut bytes = frames(&["one", "two", "three"]).into_bytes();
    let one = frames(&["one"]).len();
    bytes[one + LENGTH_AND_CHECK + 3] ^= 1;
    let found = file::parse(&bytes);
    let texts: Vec<&str> = found.decisions.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["one", "three"]);
    assert_eq!((found.unread_bytes, found.damaged), (frames(&["two"]).len() as u64, true));
}

#[test]
fn behind_a_damaged_length_nothing_is_guessed_and_the_file_is_to_stay() {
    let mut bytes = frames(&["one", "two", "three"]).into_bytes();
    let one = frames(&["one"]).len();
    for damaged in [one, one + 1, one + 3] {
        bytes[damaged] ^= 0x11;
        let found = file::parse(&bytes);
        assert_eq!((found.decisions.len(), found.damaged), (1, true));
        assert_eq!(found.unread_bytes, (bytes.len() - one) as u64);
        bytes[damaged] ^= 0x11;
    }
}

#[test]
fn room_that_was_never_written_to_is_no_damage() {
    let mut bytes = frames(&["one"]).into_bytes();
    bytes.extend([0; 4_096]);
    let found = file::parse(&bytes);
    assert_eq!((found.decisions.len(), found.unread_bytes, found.damaged), (1, 0, false));
}

/// Before the content of a frame.
const LENGTH_AND_CHECK: usize = 12;
