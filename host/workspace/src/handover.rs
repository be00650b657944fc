//! Brings a commit from a scratch repository into the main one.
//!
//! Git reads, packs and checks its objects confined, in the scratch repository: every object is named by its content,
//! passes git's checks, and all that it needs is there or in the main repository. What comes out is copied into the main
//! repository as it is, under the names that git gives it. So git never works on unchecked objects in the user's
//! repository, and a check that fails leaves nothing there.

use crate::{
    error::{in_background, io},
    object::ObjectId,
    scratch::{Scratch, refuse},
};
use cyrus_core::WorkspaceError;
use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{ErrorKind, Read as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// As many objects stay a pack; fewer become files of their own, which the user's git packs when it likes. As in git.
const UNPACKED: u32 = 100;

/// The largest pack that is taken apart, in bytes.
const UNPACKED_BYTES: u64 = 8 << 20;

/// What is wrong with a result that the checks refuse.
const CHECKS: &str = "git's checks of its objects failed";

impl Scratch {
    /// Brings a commit, with all it needs, into the object directory `to`, and checks every object on the way. No ref
    /// names it there yet. `start`: a commit that is there.
    pub(crate) async fn hand_over(
        &self,
        to: &Path,
        start: &ObjectId,
        commit: &ObjectId,
    ) -> Result<(), WorkspaceError> {
        let place = self.path().join("handed");
        let _ = fs::remove_dir_all(&place);
        for below in ["pack", "info"] {
            fs::create_dir_all(place.join(below)).map_err(io("cannot make", &place))?;
        }
        // What is checked is not taken from the scratch repository again.
        let alternates =
            fs::copy(self.path().join("objects/info/alternates"), place.join("info/alternates"));
        alternates.map_err(io("cannot write", &place))?;
        let Some(pack) = self.pack(&place, start, commit).await? else { return Ok(()) };
        let header = PackHeader::read(&pack)?;
        let checked = if header.objects < UNPACKED && header.bytes <= UNPACKED_BYTES {
            let bytes = fs::read(&pack).map_err(io("cannot read", &pack))?;
            self.handing(&place, &["unpack-objects", "-q", "--strict"]).stdin(bytes)
        } else {
            self.handing(&place, &["index-pack", "--strict"]).arg(&pack)
        };
        let answer = self.git().run(checked).await?;
        refuse(CHECKS, answer.code, &answer.stderr)?;
        let to = to.to_owned();
        in_background("take the result over", move || take(&place, &to)).await
    }

    /// Packs what of a commit is not in the main repository. `None`: all of it is there.
    async fn pack(
        &self,
        place: &Path,
        start: &ObjectId,
        commit: &ObjectId,
    ) -> Result<Option<PathBuf>, WorkspaceError> {
        let args = ["pack-objects", "-q", "--revs", "--local", "--non-empty", "--window=0"];
        let call = self.call(&args).arg("--delta-base-offset").arg(place.join("pack/pack"));
        let wanted = format!("{commit}\n^{start}\n").into_bytes();
        let answer = self.git().run(call.stdin(wanted)).await?;
        refuse("not all of its objects are there", answer.code, &answer.stderr)?;
        let name = ObjectId::parse(&String::from_utf8_lossy(&answer.stdout));
        let Some(name) = name else { return Ok(None) };
        // Its index says what the objects are called that were packed, not what they are.
        for made in ["idx", "rev"] {
            let _ = fs::remove_file(place.join(format!("pack/pack-{name}.{made}")));
        }
        Ok(Some(place.join(format!("pack/pack-{name}.pack"))))
    }

    fn handing(&self, place: &Path, args: &[&str]) -> crate::git::Call {
        self.call(args).env("GIT_OBJECT_DIRECTORY", place)
    }
}

struct PackHeader {
    objects: u32,
    bytes: u64,
}

impl PackHeader {
    fn read(pack: &Path) -> Result<Self, WorkspaceError> {
        let failed = io("cannot read", pack);
        let mut file = File::open(pack).map_err(&failed)?;
        let bytes = file.metadata().map_err(&failed)?.len();
        let mut header = [0; 12];
        file.read_exact(&mut header).map_err(&failed)?;
        let [.., a, b, c, d] = header;
        Ok(Self { objects: u32::from_be_bytes([a, b, c, d]), bytes })
    }
}

/// Copies packs, each before its index, and loose objects. What is there already stays.
fn take(from: &Path, to: &Path) -> Result<(), WorkspaceError> {
    let mode = to.metadata().map_err(io("cannot look at", to))?.permissions().mode();
    for directory in list(from)? {
        let name = directory.file_name().unwrap_or_default().to_owned();
        if name == "info" || !directory.is_dir() {
            continue;
        }
        let mut files = list(&directory)?;
        // A pack whose objects were unpacked has no index, and is of no use to anyone.
        let is_whole = |file: &Path| is_of_pack(file) && file.with_extension("idx").exists();
        files.retain(|file| name != "pack" || is_whole(file));
        files.sort_by_key(|file| file.extension().is_some_and(|extension| extension == "idx"));
        if files.is_empty() {
            continue;
        }
        let target = to.join(&name);
        match DirBuilder::new().mode(mode & 0o777).create(&target) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(io("cannot make", &target)(error));
            }
            _ => {}
        }
        for file in files {
            copy(&file, &target, mode & 0o444)?;
        }
    }
    Ok(())
}

fn is_of_pack(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "pack" || extension == "idx")
}

/// Copies a file into a directory, where it appears as a whole.
fn copy(file: &Path, directory: &Path, mode: u32) -> Result<(), WorkspaceError> {
    let target = directory.join(file.file_name().unwrap_or_default());
    if target.exists() {
        return Ok(());
    }
    let failed = io("cannot write", &target);
    let mut new =
        tempfile::Builder::new().prefix("tmp_obj_").tempfile_in(directory).map_err(&failed)?;
    let mut source = File::open(file).map_err(io("cannot read", file))?;
    std::io::copy(&mut source, &mut new).map_err(&failed)?;
    new.as_file().set_permissions(Permissions::from_mode(mode)).map_err(&failed)?;
    if is_of_pack(file) {
        new.as_file().sync_all().map_err(&failed)?;
    }
    new.persist(&target).map(drop).map_err(|error| failed(error.error))
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, WorkspaceError> {
    let entries = fs::read_dir(directory).map_err(io("cannot list", directory))?;
    entries.map(|entry| Ok(entry.map_err(io("cannot list", directory))?.path())).collect()
}
