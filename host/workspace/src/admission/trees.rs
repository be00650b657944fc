//! Compares two trees without expanding either.
//!
//! Each pair of trees that stand at the same path is looked at once, however often it occurs, so the work grows with
//! what is stored. The totals are those of the expanded tree all the same: they are added up along the pairs.

use super::{LONGEST_PATH, ResultLimits, refused, shown};
use crate::object::ObjectId;
use cyrus_core::WorkspaceError;
use std::collections::{HashMap, HashSet};

/// The most that the paths of what a result adds have together, in bytes: git lists them.
const PATHS_BYTES: u64 = 32 << 20;

/// The tree of a result against that of its start.
#[derive(Debug)]
pub(super) struct Comparison {
    limits: ResultLimits,
    nodes: Vec<Node>,
    known: HashMap<(Option<ObjectId>, ObjectId), usize>,
    /// Those that were not looked at yet.
    frontier: Vec<usize>,
    /// What was found in the nodes so far, each counted once: never more than there is.
    found: u64,
    depth: u64,
}

/// A tree of the result, and what the start has at its path.
#[derive(Debug)]
struct Node {
    before: Option<ObjectId>,
    tree: ObjectId,
    /// One that it is in, and its name there.
    parent: Option<(usize, Vec<u8>)>,
    children: Vec<Child>,
}

/// Something that the start does not have at this path.
#[derive(Debug)]
struct Child {
    name: Vec<u8>,
    what: What,
}

#[derive(Debug)]
enum What {
    Tree(usize),
    Blob(ObjectId),
    Module,
}

/// What a tree adds, when it is written out.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    entries: u64,
    bytes: u64,
    /// The bytes of its longest path.
    longest: u64,
    /// The bytes of all its paths together.
    paths: u64,
}

impl Comparison {
    /// Of these two trees, of which nothing is known yet.
    pub(super) fn new(limits: ResultLimits, before: Option<ObjectId>, tree: ObjectId) -> Self {
        let mut comparison = Self {
            limits,
            nodes: Vec::new(),
            known: HashMap::new(),
            frontier: Vec::new(),
            found: 0,
            depth: 0,
        };
        if before.as_ref() != Some(&tree) {
            comparison.node(before, tree, None);
        }
        comparison
    }

    /// The trees that [`Comparison::advance`] needs. None: all is known.
    pub(super) fn wanted(&self) -> Vec<ObjectId> {
        let nodes = self.frontier.iter().map(|index| &self.nodes[*index]);
        let both = nodes.flat_map(|node| node.before.iter().chain([&node.tree]));
        let mut seen = HashSet::new();
        both.filter(|tree| seen.insert(*tree)).cloned().collect()
    }

    /// Looks at the next level of directories.
    pub(super) fn advance(
        &mut self,
        trees: &HashMap<ObjectId, Vec<u8>>,
    ) -> Result<(), WorkspaceError> {
        self.depth += 1;
        if self.depth > LONGEST_PATH / 2 {
            return Err(too_long(&self.path(self.frontier[0])));
        }
        for index in std::mem::take(&mut self.frontier) {
            let Node { before, tree, .. } = &self.nodes[index];
            let (before, tree) = (before.clone(), tree.clone());
            let content = |name: &ObjectId| trees.get(name).map_or(&[][..], Vec::as_slice);
            let hash_bytes = tree.as_str().len() / 2;
            let earlier = before.as_ref().map_or(&[][..], content);
            let mut earlier: HashMap<_, _> =
                entries(earlier, hash_bytes).filter_map(|e| Some((e?.name, e?))).collect();
            for entry in entries(content(&tree), hash_bytes) {
                let entry = entry.ok_or_else(|| refused(format!("{tree} is no tree")))?;
                let at_path = earlier.remove(entry.name);
                if at_path != Some(entry) {
                    self.add(index, entry, at_path)?;
                }
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        index: usize,
        entry: Entry<'_>,
        before: Option<Entry<'_>>,
    ) -> Result<(), WorkspaceError> {
        self.found += 1;
        if self.found > self.limits.files {
            return Err(self.limits.too_many_files(&self.place(index)));
        }
        if entry.name.len() as u64 > LONGEST_PATH {
            return Err(too_long(entry.name));
        }
        let object = ObjectId::from_bytes(entry.object);
        let what = match entry.kind {
            Kind::Tree => {
                let before = before.filter(|before| before.kind == Kind::Tree);
                let before = before.map(|before| ObjectId::from_bytes(before.object));
                What::Tree(self.node(before, object, Some((index, entry.name.to_vec()))))
            }
            Kind::Blob => What::Blob(object),
            Kind::Module => What::Module,
        };
        self.nodes[index].children.push(Child { name: entry.name.to_vec(), what });
        Ok(())
    }

    fn node(
        &mut self,
        before: Option<ObjectId>,
        tree: ObjectId,
        parent: Option<(usize, Vec<u8>)>,
    ) -> usize {
        let next = self.nodes.len();
        let key = (before.clone(), tree.clone());
        let index = *self.known.entry(key).or_insert(next);
        if index == next {
            self.nodes.push(Node { before, tree, parent, children: Vec::new() });
            self.frontier.push(index);
        }
        index
    }

    /// The files whose sizes [`Comparison::weigh`] needs.
    pub(super) fn blobs(&self) -> Vec<ObjectId> {
        let children = self.nodes.iter().flat_map(|node| &node.children);
        let blobs = children.filter_map(|child| match &child.what {
            What::Blob(object) => Some(object),
            _ => None,
        });
        let unique: HashSet<_> = blobs.collect();
        unique.into_iter().cloned().collect()
    }

    /// Holds what the result adds, written out, to the limits.
    pub(super) fn weigh(&self, sizes: &HashMap<ObjectId, u64>) -> Result<(), WorkspaceError> {
        for (index, node) in self.nodes.iter().enumerate() {
            for Child { name, what } in &node.children {
                let What::Blob(object) = what else { continue };
                let bytes = sizes.get(object).copied().unwrap_or(0);
                if bytes > self.limits.file_bytes {
                    let path = join(&self.path(index), name);
                    return Err(self.limits.file_too_large(&shown(&path), bytes));
                }
            }
        }
        let Some(totals) = self.totals(sizes)? else { return Ok(()) };
        let all = totals[0];
        if all.longest > LONGEST_PATH {
            return Err(too_long(&self.heaviest(&totals, |totals| totals.longest)));
        }
        if all.entries > self.limits.files {
            let path = self.heaviest(&totals, |totals| totals.entries);
            return Err(self.limits.too_many_files(&directory(&path)));
        }
        if all.paths > PATHS_BYTES {
            let path = self.heaviest(&totals, |totals| totals.paths);
            return Err(refused(format!(
                "the paths in {} have more than {PATHS_BYTES} bytes together: make them shorter",
                directory(&path)
            )));
        }
        if all.bytes > self.limits.total_bytes {
            let path = self.heaviest(&totals, |totals| totals.bytes);
            return Err(self.limits.too_large(&directory(&path)));
        }
        Ok(())
    }

    /// What each node adds; those that others are in come after these. `None`: nothing was added.
    fn totals(
        &self,
        sizes: &HashMap<ObjectId, u64>,
    ) -> Result<Option<Vec<Totals>>, WorkspaceError> {
        let mut totals: Vec<Option<Totals>> = vec![None; self.nodes.len()];
        let mut open = vec![false; self.nodes.len()];
        let mut stack: Vec<usize> = if self.nodes.is_empty() { Vec::new() } else { vec![0] };
        while let Some(&index) = stack.last() {
            if totals[index].is_some() {
                stack.pop();
                continue;
            }
            let first = !std::mem::replace(&mut open[index], true);
            let below = self.nodes[index].children.iter().filter_map(Child::tree);
            let missing: Vec<_> = below.filter(|below| totals[*below].is_none()).collect();
            if missing.is_empty() {
                totals[index] = Some(self.total(index, sizes, &totals));
                stack.pop();
            } else if first && !missing.iter().any(|below| open[*below]) {
                stack.extend(missing);
            } else {
                // Objects are named by their content: only one under a wrong name can hold itself.
                return Err(refused(format!("the tree {} holds itself", self.nodes[index].tree)));
            }
        }
        Ok((!totals.is_empty())
            .then(|| totals.into_iter().map(Option::unwrap_or_default).collect()))
    }

    fn total(
        &self,
        index: usize,
        sizes: &HashMap<ObjectId, u64>,
        below: &[Option<Totals>],
    ) -> Totals {
        let mut sum = Totals::default();
        for Child { name, what } in &self.nodes[index].children {
            let within = match what {
                What::Tree(tree) => below[*tree].unwrap_or_default(),
                What::Blob(object) => {
                    Totals { bytes: sizes.get(object).copied().unwrap_or(0), ..Totals::default() }
                }
                What::Module => Totals::default(),
            };
            let slash = u64::from(within.longest > 0);
            sum.entries = sum.entries.saturating_add(within.entries).saturating_add(1);
            sum.bytes = sum.bytes.saturating_add(within.bytes);
            let part = name.len() as u64 + slash;
            sum.longest = sum.longest.max(part.saturating_add(within.longest));
            let repeated = part.saturating_mul(within.entries.saturating_add(1));
            sum.paths = sum.paths.saturating_add(within.paths).saturating_add(repeated);
        }
        sum
    }

    /// Where most of something is: the way down as long as one directory has more than half of it.
    fn heaviest(&self, totals: &[Totals], of: impl Fn(&Totals) -> u64) -> Vec<u8> {
        let (mut index, mut path) = (0, Vec::new());
        loop {
            let below = self.nodes[index].children.iter();
            let below = below.filter_map(|child| Some((child.tree()?, &child.name)));
            let Some((next, name)) = below.max_by_key(|(next, _)| of(&totals[*next])) else {
                return path;
            };
            if of(&totals[next]) <= of(&totals[index]) / 2 || path.len() as u64 > LONGEST_PATH {
                return path;
            }
            path = join(&path, name);
            index = next;
        }
    }

    /// A path at which a node is.
    fn path(&self, mut index: usize) -> Vec<u8> {
        let mut names = Vec::new();
        while let Some((above, name)) = &self.nodes[index].parent {
            names.push(name.as_slice());
            index = *above;
        }
        names.reverse();
        names.join(&b'/')
    }

    fn place(&self, index: usize) -> String {
        directory(&self.path(index))
    }
}

impl Child {
    fn tree(&self) -> Option<usize> {
        match self.what {
            What::Tree(index) => Some(index),
            _ => None,
        }
    }
}

fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    if above.is_empty() { name.to_vec() } else { [above, name].join(&b'/') }
}

/// A directory of the result, for a message.
fn directory(path: &[u8]) -> String {
    if path.is_empty() { "its top directory".to_owned() } else { shown(path) }
}

fn too_long(path: &[u8]) -> WorkspaceError {
    refused(format!(
        "it has a path of more than {LONGEST_PATH} bytes, which begins with {}: no system opens it, so make it shorter",
        shown(path)
    ))
}

/// An entry of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry<'a> {
    mode: &'a [u8],
    kind: Kind,
    name: &'a [u8],
    object: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tree,
    Blob,
    Module,
}

/// Reads `<mode> <name>\0<object>`, again and again; ends with `None` where that is not what is there.
fn entries(mut tree: &[u8], hash_bytes: usize) -> impl Iterator<Item = Option<Entry<'_>>> {
    std::iter::from_fn(move || {
        if tree.is_empty() {
            return None;
        }
        let entry = entry(tree, hash_bytes);
        tree = entry.map_or(&[][..], |(_, rest)| rest);
        Some(entry.map(|(entry, _)| entry))
    })
}

fn entry(tree: &[u8], hash_bytes: usize) -> Option<(Entry<'_>, &[u8])> {
    let space = tree.iter().take(8).position(|byte| *byte == b' ')?;
    let (mode, rest) = (&tree[..space], &tree[space + 1..]);
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (name, rest) = (&rest[..end], &rest[end + 1..]);
    let (object, rest) = rest.split_at_checked(hash_bytes)?;
    let kind = match mode {
        b"40000" | b"040000" => Kind::Tree,
        b"160000" => Kind::Module,
        _ => Kind::Blob,
    };
    Some((Entry { mode, kind, name, object }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trees by their content, and blobs by their sizes.
    #[derive(Default)]
    struct Store {
        trees: HashMap<ObjectId, Vec<u8>>,
        sizes: HashMap<ObjectId, u64>,
    }

    impl Store {
        fn name(&self) -> ObjectId {
            let number = (self.trees.len() + self.sizes.len() + 1) as u128;
            ObjectId::parse(&format!("{number:040x}")).unwrap()
        }

        fn blob(&mut self, bytes: u64) -> (&'static str, ObjectId) {
            let name = self.name();
            self.sizes.insert(name.clone(), bytes);
            ("100644", name)
        }

        fn tree<N: AsRef<str>>(
            &mut self,
            entries: impl IntoIterator<Item = (N, (&'static str, ObjectId))>,
        ) -> (&'static str, ObjectId) {
            let name = self.name();
            self.put(name.clone(), entries);
            ("40000", name)
        }

        fn put<N: AsRef<str>>(
            &mut self,
            name: ObjectId,
            entries: impl IntoIterator<Item = (N, (&'static str, ObjectId))>,
        ) {
            let mut tree = Vec::new();
            for (name, (mode, object)) in entries {
                tree.extend_from_slice(format!("{mode} {}\0", name.as_ref()).as_bytes());
                let hex = object.as_str().as_bytes().chunks(2);
                tree.extend(
                    hex.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()),
                );
            }
            self.trees.insert(name, tree);
        }

        /// How many trees were read, or why the result is refused.
        fn compare(
            &self,
            limits: ResultLimits,
            before: Option<&ObjectId>,
            after: &ObjectId,
        ) -> Result<usize, String> {
            let mut comparison = Comparison::new(limits, before.cloned(), after.clone());
            let mut read = 0;
            let compared = loop {
                let wanted = comparison.wanted();
                if wanted.is_empty() {
                    break comparison.weigh(&self.sizes);
                }
                read += wanted.len();
                if let Err(error) = comparison.advance(&self.trees) {
                    break Err(error);
                }
            };
            compared.map(|()| read).map_err(|error| error.to_string())
        }
    }

    const FEW: ResultLimits = ResultLimits { files: 100, file_bytes: 1000, total_bytes: 5000 };

    fn numbered(
        count: usize,
        what: &(&'static str, ObjectId),
    ) -> Vec<(String, (&'static str, ObjectId))> {
        (0..count).map(|number| (number.to_string(), what.clone())).collect()
    }

    #[test]
    fn what_the_start_has_is_not_counted() {
        let mut store = Store::default();
        let blob = store.blob(900);
        let many = store.tree(numbered(100_000, &blob));
        let small = store.tree([("a", blob.clone())]);
        let before = store.tree([("many", many.clone()), ("small", small)]).1;
        let other = store.blob(1000);
        let changed = store.tree([("a", other.clone()), ("b", blob.clone())]);
        let after = store.tree([("many", many.clone()), ("small", changed.clone())]).1;
        assert_eq!(store.compare(FEW, Some(&before), &after), Ok(4), "only trees that differ");
        assert_eq!(store.compare(FEW, Some(&before), &before), Ok(0));
        // At another path it is another 100,000 files.
        let moved = store.tree([("moved", many.clone()), ("small", changed)]).1;
        let error = store.compare(FEW, Some(&before), &moved).unwrap_err();
        assert!(error.contains("more than 100 files") && error.contains("moved"), "{error}");
        let error = store.compare(FEW, None, &after).unwrap_err();
        assert!(error.contains("in many"), "{error}");
    }

    #[test]
    fn a_tree_counts_as_often_as_it_is_written_out() {
        let mut store = Store::default();
        let mut tree = store.blob(1);
        for _ in 0..10 {
            tree = store.tree(numbered(10, &tree));
        }
        let error = store.compare(ResultLimits::default(), None, &tree.1).unwrap_err();
        assert!(error.contains("more than 100000 files and directories"), "{error}");
        // So deep that a number of 64 bits does not hold the files.
        for _ in 0..100 {
            tree = store.tree(numbered(10, &tree));
        }
        let error = store.compare(ResultLimits::default(), None, &tree.1).unwrap_err();
        assert!(error.contains("more than 100000 files and directories"), "{error}");
        // Directories without files are still walked.
        let mut empty = store.tree::<&str>([]);
        for _ in 0..10 {
            empty = store.tree(numbered(10, &empty));
        }
        assert!(store.compare(ResultLimits::default(), None, &empty.1).is_err());
    }

    #[test]
    fn a_file_counts_as_often_as_it_is_written_out() {
        let mut store = Store::default();
        let blob = store.blob(1000);
        let five = store.tree(numbered(5, &blob));
        assert_eq!(store.compare(FEW, None, &five.1), Ok(1));
        let six = store.tree([("five", five), ("six", blob)]);
        let error = store.compare(FEW, None, &six.1).unwrap_err();
        assert!(error.contains("five has more than 5000 bytes in all"), "{error}");
        let large = store.blob(1001);
        let inner = store.tree([("large", large)]);
        let top = store.tree([("dir", inner)]);
        let error = store.compare(FEW, None, &top.1).unwrap_err();
        assert!(error.contains("dir/large has 1001 bytes"), "{error}");
    }

    #[test]
    fn paths_that_no_system_opens_are_refused() {
        let mut store = Store::default();
        let blob = store.blob(1);
        let long = store.tree([("n".repeat(4096), blob.clone())]);
        assert_eq!(store.compare(FEW, None, &long.1), Ok(1));
        let longer = store.tree([("n".repeat(4097), blob.clone())]);
        assert!(store.compare(FEW, None, &longer.1).unwrap_err().contains("more than 4096 bytes"));
        let mut deep = store.tree([("f", blob.clone())]);
        for _ in 0..3000 {
            deep = store.tree([("d", deep)]);
        }
        let all = ResultLimits::default();
        assert!(store.compare(all, None, &deep.1).unwrap_err().contains("more than 4096 bytes"));
        // Reached on a short way first.
        let mut chain = store.tree([("f", blob)]);
        let name = "d".repeat(250);
        for _ in 0..20 {
            chain = store.tree([(name.as_str(), chain.clone()), ("s", chain)]);
        }
        assert!(store.compare(all, None, &chain.1).is_err());
    }

    #[test]
    fn a_tree_that_holds_itself_is_refused() {
        let mut store = Store::default();
        let name = store.name();
        store.put(name.clone(), [("a", ("40000", name.clone()))]);
        assert!(store.compare(FEW, None, &name).unwrap_err().contains("holds itself"));
        let (one, other) = (ObjectId::parse(&"a".repeat(40)).unwrap(), store.name());
        store.put(one.clone(), [("a", ("40000", other.clone())), ("b", ("40000", other.clone()))]);
        store.put(other.clone(), [("a", ("40000", one.clone()))]);
        assert!(store.compare(FEW, None, &one).unwrap_err().contains("holds itself"));
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        for bytes in [&b"100644 a"[..], b"100644 a\0short", b"100644"] {
            let mut store = Store::default();
            let name = store.name();
            store.trees.insert(name.clone(), bytes.to_vec());
            assert!(store.compare(FEW, None, &name).unwrap_err().contains("is no tree"));
        }
    }
}
