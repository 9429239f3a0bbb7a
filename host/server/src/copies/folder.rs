//! A copy in a folder: files that are written once, synced, and only read from then on. Keep it where whoever can write to the
//! database cannot, on a disk of its own or one that others export.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// A folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Puts a file in its place, unless it is there as it is. A file that holds something else stays as it is.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let place = self.root.join(path);
        match fs::read(&place) {
            Ok(there) if there == bytes => return self.settle(&place).map_err(|error| said(&place, &error)),
            Ok(_) => return Err(differs(&place)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(said(&place, &error)),
        }
        self.write(&place, bytes, |unfinished, place| {
            // Linked rather than renamed: what somebody else put there meanwhile is not overwritten.
            let linked = fs::hard_link(unfinished, place);
            fs::remove_file(unfinished)?;
            linked
        })
    }

    /// What is there may be what a crash left: it is not known to be synced, and may have its other name still.
    fn settle(&self, place: &Path) -> io::Result<()> {
        remove(&place.with_extension("unfinished"))?;
        File::open(place)?.sync_all()?;
        File::open(place.parent().unwrap_or(&self.root))?.sync_all()
    }

    /// Puts the one file in its place that is replaced: what points at the newest.
    pub(super) fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), String> {
        self.write(&self.root.join(path), bytes, |unfinished, place| fs::rename(unfinished, place))
    }

    fn write(
        &self,
        place: &Path,
        bytes: &[u8],
        publish: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), String> {
        let done = || -> io::Result<()> {
            let parent = place.parent().unwrap_or(&self.root);
            self.make(parent)?;
            let unfinished = place.with_extension("unfinished");
            // What a crash left, or a disk that was full.
            remove(&unfinished)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            publish(&unfinished, place)?;
            File::open(parent)?.sync_all()
        };
        done().map_err(|error| said(place, &error))
    }

    /// Makes a folder and what it is in, each synced into the one above.
    fn make(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if folder != self.root
            && let Some(above) = folder.parent()
        {
            self.make(above)?;
            fs::create_dir(folder).or_else(|error| match error.kind() {
                ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            })?;
            return File::open(above)?.sync_all();
        }
        fs::create_dir_all(folder)
    }
}

/// Removes a file, when there is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn differs(place: &Path) -> String {
    format!(
        "`{}` holds something else than the log has there; it is left as it is: find out which of the two was altered",
        place.display()
    )
}

fn said(place: &Path, error: &io::Error) -> String {
    format!("`{}` cannot be written: {error}", place.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_there_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("worm"));
        folder.put("mercy/tile/0/000", b"one").unwrap();
        folder.put("mercy/tile/0/000", b"one").unwrap();
        let said = folder.put("mercy/tile/0/000", b"two").unwrap_err();
        assert!(said.contains("mercy/tile/0/000") && said.contains("something else"), "{said}");
        let place = dir.path().join("worm/mercy/tile/0/000");
        assert_eq!(fs::read(&place).unwrap(), b"one");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o444);
        folder.replace("mercy/checkpoint", b"one").unwrap();
        folder.replace("mercy/checkpoint", b"two").unwrap();
        assert_eq!(fs::read(dir.path().join("worm/mercy/checkpoint")).unwrap(), b"two");
        let left: Vec<_> = fs::read_dir(dir.path().join("worm/mercy")).unwrap().collect();
        assert_eq!(left.len(), 2, "nothing unfinished stays: {left:?}");
    }

    #[test]
    fn what_a_crash_left_half_written_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("mercy")).unwrap();
        fs::write(dir.path().join("mercy/a.unfinished"), b"on").unwrap();
        Folder::new(dir.path().to_owned()).put("mercy/a", b"one").unwrap();
        assert_eq!(fs::read(dir.path().join("mercy/a")).unwrap(), b"one");
        // Linked, and killed before its other name was gone.
        fs::hard_link(dir.path().join("mercy/a"), dir.path().join("mercy/a.unfinished")).unwrap();
        Folder::new(dir.path().to_owned()).put("mercy/a", b"one").unwrap();
        assert_eq!(fs::read_dir(dir.path().join("mercy")).unwrap().count(), 1);
    }
}
