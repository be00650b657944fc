//! `wasi:filesystem`: a component's directories, in which no name is git's.
//!
//! Whoever writes below `.git` chooses what git runs, so to a component there is no such name, at any depth: it is not
//! listed, and whatever would look at it, make it or lead through it fails as if it were not there, or not permitted.
//! Each path is walked here, link by link, before the operation sees it, and the operation then gets one name in a
//! directory that is held open: what a program does to the tree meanwhile leads nowhere else.

mod names;
mod walk;

use crate::state::State;
use names::is_git;
use std::{fs::File, sync::Arc};
use walk::{Last, Place, is_special, walk};
use wasmtime::{
    Result,
    component::{HasData, Linker, Resource},
};
use wasmtime_wasi::{
    filesystem::{Descriptor, Dir, WasiFilesystemCtxView, WasiFilesystemView as _},
    p2::{
        DynInputStream, DynOutputStream, FsError, FsResult, ReaddirIterator,
        bindings::filesystem::types::{
            self as wit, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
            ErrorCode, Filesize, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
        },
    },
};

/// The host's side of `wasi:filesystem/types`.
pub(crate) struct Files<'a>(WasiFilesystemCtxView<'a>);

/// Stands for [`Files`] in the linker.
struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

/// Puts it in the place of what the linker has.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    let added = wit::add_to_linker::<_, HasFiles>(linker, |state| Files(state.filesystem()));
    linker.allow_shadowing(false);
    added
}

type Fd = Resource<Descriptor>;

impl Files<'_> {
    fn directory(&self, fd: &Fd) -> FsResult<&Dir> {
        match self.0.table.get(fd)? {
            Descriptor::Dir(directory) => Ok(directory),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// Where this path leads: a directory that is open, and a name in it.
    async fn place(&mut self, fd: &Fd, path: String, last: Last) -> FsResult<(Held, String)> {
        let directory = self.directory(fd)?;
        let (perms, mode) = (directory.perms, directory.open_mode);
        let root: Arc<File> = Arc::clone(&directory.dir);
        let walked = tokio::task::spawn_blocking(move || walk(&root, &path, last)).await;
        let Place { parent, name } = walked.map_err(FsError::trap)??;
        let parent = Descriptor::Dir(Dir::new(parent, perms, mode, false));
        Ok((Held(self.0.table.push(parent)?), name))
    }

    /// Refuses what would hold up the thread that opens it: a pipe waits for its other end.
    async fn holds_nothing_up(&mut self, held: &Held, name: &str) -> FsResult<()> {
        let parent = Arc::clone(&self.directory(&held.fd())?.dir);
        let name = name.to_owned();
        let looked = tokio::task::spawn_blocking(move || is_special(&parent, &name)).await;
        if looked.map_err(FsError::trap)? { Err(ErrorCode::NotPermitted.into()) } else { Ok(()) }
    }

    fn release(&mut self, held: Held) -> FsResult<()> {
        self.0.table.delete(held.0)?;
        Ok(())
    }
}

/// A directory that only lives as long as one operation.
struct Held(Fd);

impl Held {
    fn fd(&self) -> Fd {
        Resource::new_borrow(self.0.rep())
    }
}

fn last(flags: PathFlags) -> Last {
    if flags.contains(PathFlags::SYMLINK_FOLLOW) { Last::Followed } else { Last::Itself }
}

impl wit::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
        self.0.convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> Result<Option<ErrorCode>> {
        self.0.filesystem_error_code(error)
    }
}

/// Calls an operation of one path on the place that the path leads to.
macro_rules! at {
    ($self:ident, $fd:ident, $path:ident, $last:expr, |$held:ident, $name:ident| $call:expr) => {{
        let (held, $name) = $self.place(&$fd, $path, $last).await?;
        let $held = held.fd();
        let result = $call.await;
        $self.release(held)?;
        result
    }};
}

impl wit::HostDescriptor for Files<'_> {
    async fn stat_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        at!(self, fd, path, last(flags), |at, name| self.0.stat_at(at, PathFlags::empty(), name))
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        at!(self, fd, path, last(flags), |at, name| self.0.set_times_at(
            at,
            PathFlags::empty(),
            name,
            accessed,
            modified
        ))
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        at!(self, fd, path, last(flags), |at, name| self.0.metadata_hash_at(
            at,
            PathFlags::empty(),
            name
        ))
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        mode: DescriptorFlags,
    ) -> FsResult<Fd> {
        // What has to be new is not a link to something.
        let last = if open.contains(OpenFlags::EXCLUSIVE) { Last::Itself } else { last(flags) };
        let (held, name) = self.place(&fd, path, last).await?;
        let opened = match self.holds_nothing_up(&held, &name).await {
            Ok(()) => self.0.open_at(held.fd(), PathFlags::empty(), name, open, mode).await,
            Err(error) => Err(error),
        };
        self.release(held)?;
        opened
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        at!(self, fd, path, Last::Itself, |at, name| self.0.create_directory_at(at, name))
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        at!(self, fd, path, Last::Itself, |at, name| self.0.readlink_at(at, name))
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        at!(self, fd, path, Last::Itself, |at, name| self.0.remove_directory_at(at, name))
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        at!(self, fd, path, Last::Itself, |at, name| self.0.unlink_file_at(at, name))
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        // A link that leads there is of no use to the component; somebody else might follow it.
        if target.split('/').any(is_git) {
            return Err(ErrorCode::NotPermitted.into());
        }
        at!(self, fd, path, Last::Itself, |at, name| self.0.symlink_at(at, target, name))
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        let (to, new_name) = self.place(&new_fd, new_path, Last::Itself).await?;
        let linked = at!(self, fd, path, Last::Itself, |at, name| self.0.link_at(
            at,
            flags,
            name,
            to.fd(),
            new_name
        ));
        self.release(to)?;
        linked
    }

    async fn rename_at(
        &mut self,
        fd: Fd,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        let (to, new_name) = self.place(&new_fd, new_path, Last::Itself).await?;
        let renamed = at!(self, fd, path, Last::Itself, |at, name| self.0.rename_at(
            at,
            name,
            to.fd(),
            new_name
        ));
        self.release(to)?;
        renamed
    }

    // What has no path goes on as it is: a descriptor is only ever of something that a path led to.

    async fn advise(
        &mut self,
        fd: Fd,
        offset: Filesize,
        len: Filesize,
        what: Advice,
    ) -> FsResult<()> {
        self.0.advise(fd, offset, len, what).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.0.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.0.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.0.get_type(fd).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.0.set_size(fd, size).await
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.0.set_times(fd, accessed, modified).await
    }

    async fn read(&mut self, fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.0.read(fd, len, offset).await
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.0.write(fd, bytes, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<ReaddirIterator>> {
        self.0.read_directory(fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.0.sync(fd).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.0.stat(fd).await
    }

    fn drop(&mut self, fd: Fd) -> Result<()> {
        wit::HostDescriptor::drop(&mut self.0, fd)
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.0.read_via_stream(fd, offset)
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.0.write_via_stream(fd, offset)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.0.append_via_stream(fd)
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> Result<bool> {
        self.0.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.0.metadata_hash(fd).await
    }
}

impl wit::HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<ReaddirIterator>,
    ) -> FsResult<Option<DirectoryEntry>> {
        loop {
            let again = Resource::new_borrow(stream.rep());
            match self.0.read_directory_entry(again).await? {
                Some(entry) if is_git(&entry.name) => {}
                shown => return Ok(shown),
            }
        }
    }

    fn drop(&mut self, stream: Resource<ReaddirIterator>) -> Result<()> {
        wit::HostDirectoryEntryStream::drop(&mut self.0, stream)
    }
}
