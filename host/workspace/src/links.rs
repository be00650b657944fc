//! Where the symbolic links of a commit lead, followed through its tree as a file system would follow them.
//!
//! A target means nothing by itself: `a/../../x` is a file beside `a` or outside of the repository, as `a` is a
//! directory or a link. So each link is followed part by part, through every other link, and leads out when any step
//! of the way is above the top, at an absolute path, or in a `.git`. It is followed twice, because a checkout may be on
//! another system: with names as they are, and with names that differ in case being one, `\` between parts and drives
//! as on Windows.

use std::{
    collections::{HashMap, HashSet},
    mem,
};
use unicode_normalization::UnicodeNormalization as _;

/// How many links may be passed through on one way. No system follows more: Linux stops at 40, Windows at 63.
const MOST_HOPS: u32 = 64;

/// The parts of paths that are looked at for all links together. Honest links take a dozen each.
const MOST_STEPS: u32 = 10_000_000;

/// The longest path that a system takes, in bytes.
pub(crate) const LONGEST: usize = 4096;

/// The links of a commit, and what they can lead through.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// The target of each; `None` where it was not read because it is too long.
    targets: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Their paths, by these without regard to case.
    folded: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// The commit of each submodule.
    modules: HashMap<Vec<u8>, String>,
}

impl Links {
    /// The links whose paths and targets are text, with what is in them.
    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
        self.targets
            .iter()
            .filter_map(|(path, target)| Some((text(path)?, text(target.as_ref()?)?)))
            .collect()
    }

    /// Whether a submodule is at a path.
    pub(crate) fn has_module(&self, path: &[u8]) -> bool {
        self.modules.contains_key(path)
    }
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To this path in the repository, or nowhere: around in circles.
    Inside,
    /// Out of the repository, at this step.
    Out(Vec<u8>),
    /// Nobody can say: there is too much to follow.
    Unknown,
}

/// How names are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Exact,
    Folded,
}

impl Links {
    pub(crate) fn new(
        links: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
        modules: impl IntoIterator<Item = (Vec<u8>, String)>,
    ) -> Self {
        let mut found = Self { modules: modules.into_iter().collect(), ..Self::default() };
        for (path, target) in links {
            found.folded.entry(fold(&path)).or_default().push(path.clone());
            found.targets.insert(path, target);
        }
        found
    }

    /// The links that lead out and did not lead the same way out before, in the order of their paths.
    pub(crate) fn leading_out(&self, before: &Self) -> Vec<(&[u8], Leads)> {
        let mut paths: Vec<_> = self.targets.keys().collect();
        paths.sort_unstable();
        let mut walk = Walk { links: self, before, steps: MOST_STEPS };
        let mut earlier = Walk { links: before, before, steps: MOST_STEPS };
        let mut out = Vec::new();
        for path in paths {
            let leads = walk.leads(path);
            let unchanged = before.targets.get(path) == self.targets.get(path);
            if leads != Leads::Inside && !(unchanged && earlier.leads(path) == leads) {
                out.push((path.as_slice(), leads));
            }
        }
        let mut gone = self.gone(before);
        out.retain(|(path, leads)| {
            let Some(at) = gone.iter().position(|old| self.is_moved(before, path, old)) else {
                return true;
            };
            // One that was there before, under another name; each once.
            let old = gone.swap_remove(at);
            earlier.leads(old) != *leads
        });
        out
    }

    /// The links of before that are no longer there.
    fn gone<'a>(&self, before: &'a Self) -> Vec<&'a [u8]> {
        let gone =
            before.targets.iter().filter(|(path, target)| self.targets.get(*path) != Some(target));
        gone.map(|(path, _)| path.as_slice()).collect()
    }

    /// Whether a link is one of before under another name: its target is the same, and means the same there.
    fn is_moved(&self, before: &Self, new: &[u8], old: &[u8]) -> bool {
        let (Some(Some(target)), Some(Some(was))) =
            (self.targets.get(new), before.targets.get(old))
        else {
            return false;
        };
        let directory =
            |path: &[u8]| path.iter().rposition(|b| *b == b'/').map(|at| path[..at].to_vec());
        target == was && (target.starts_with(b"/") || directory(new) == directory(old))
    }
}

/// Follows links, as long as there are steps left.
struct Walk<'a> {
    links: &'a Links,
    /// What was there before: its submodules are the operator's.
    before: &'a Links,
    steps: u32,
}

/// A place on a way: where it is, and what is still to go, the next part last.
#[derive(Clone, Default)]
struct Place<'a> {
    at: Vec<u8>,
    to_go: Vec<&'a [u8]>,
    hops: u32,
    /// Whether it is in a submodule, whose content is not known here.
    inside_module: bool,
}

/// What becomes of a part.
enum Step<'a> {
    /// The place is another now.
    On,
    /// It leads out.
    Out,
    /// It may be a link to each of these; without the part, the place is this long.
    Link(usize, Vec<Option<&'a [u8]>>),
}

impl<'a> Walk<'a> {
    fn leads(&mut self, path: &'a [u8]) -> Leads {
        match self.follow(path, View::Exact) {
            Leads::Inside => self.follow(path, View::Folded),
            leads => leads,
        }
    }

    /// Follows every way that a link may lead, which is one where names are what they are. Its own directory may be
    /// reached through links by another spelling, so the way begins at the top.
    fn follow(&mut self, path: &'a [u8], view: View) -> Leads {
        let Some(Some(target)) = self.links.targets.get(path).map(Option::as_deref) else {
            return Leads::Unknown;
        };
        let mut start = Place::default();
        if start.go(target, view).is_none() {
            return Leads::Out(target.to_vec());
        }
        let name = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
        start.go(&path[..name], View::Exact);
        let mut ways = vec![start];
        let mut seen = HashSet::new();
        while let Some(mut place) = ways.pop() {
            while let Some(part) = place.to_go.pop() {
                let (above, targets) = match self.step(&mut place, part, view) {
                    _ if !self.spend(1) => return Leads::Unknown,
                    Step::On => continue,
                    Step::Out => {
                        place.push(part);
                        return Leads::Out(place.at);
                    }
                    Step::Link(above, targets) => (above, targets),
                };
                place.hops += 1;
                if place.hops > MOST_HOPS {
                    break;
                }
                // By another spelling it may be several links, and a directory as well.
                let is_link = self.links.targets.contains_key(&place.at);
                let forks = !is_link || targets.len() > 1;
                if forks && !self.spend(place.to_go.len() * (targets.len() + 1)) {
                    return Leads::Unknown;
                }
                if forks && !seen.insert((place.at.clone(), place.to_go.clone())) {
                    break;
                }
                if !is_link {
                    ways.push(place.clone());
                }
                place.at.truncate(above);
                for target in targets {
                    let mut way = if forks { place.clone() } else { mem::take(&mut place) };
                    match target.map(|target| (target, way.go(target, view))) {
                        None => return Leads::Unknown,
                        Some((target, None)) => return Leads::Out(target.to_vec()),
                        Some((_, Some(parts))) if !self.spend(parts) => return Leads::Unknown,
                        Some(_) => ways.push(way),
                    }
                }
                break;
            }
        }
        Leads::Inside
    }

    fn step(&self, place: &mut Place<'a>, part: &'a [u8], view: View) -> Step<'a> {
        match part {
            b"" | b"." => return Step::On,
            // In a submodule, what it goes up from may be a link.
            b".." => {
                return if !place.inside_module && place.pop() { Step::On } else { Step::Out };
            }
            part if is_dot_git(part) => return Step::Out,
            _ => {}
        }
        let above = place.at.len();
        place.push(part);
        if place.at.len() > LONGEST {
            // No system goes there.
            place.to_go.clear();
            return Step::On;
        }
        let targets = self.targets(&place.at, view);
        if !targets.is_empty() {
            return Step::Link(above, targets);
        }
        if let Some(commit) = self.links.modules.get(&place.at) {
            // Through one that is new: its content is not part of the result, and nobody looked at it.
            if !place.to_go.is_empty() && self.before.modules.get(&place.at) != Some(commit) {
                place.pop();
                return Step::Out;
            }
            place.inside_module = true;
        }
        Step::On
    }

    /// The targets of the links that this path may be.
    fn targets(&self, path: &[u8], view: View) -> Vec<Option<&'a [u8]>> {
        let target = |path: &Vec<u8>| self.links.targets.get(path).map(Option::as_deref);
        match view {
            View::Exact => self.links.targets.get(path).map(Option::as_deref).into_iter().collect(),
            View::Folded => self
                .links
                .folded
                .get(&fold(path))
                .into_iter()
                .flatten()
                .filter_map(target)
                .collect(),
        }
    }

    /// Whether there were as many steps left.
    fn spend(&mut self, steps: usize) -> bool {
        let left = self.steps.checked_sub(u32::try_from(steps).unwrap_or(u32::MAX));
        self.steps = left.unwrap_or(0);
        left.is_some()
    }
}

impl<'a> Place<'a> {
    /// Has this path still to go, before what it had: so many parts. `None`: it does not begin in the repository.
    fn go(&mut self, path: &'a [u8], view: View) -> Option<usize> {
        let separates = |b: &u8| *b == b'/' || (view == View::Folded && *b == b'\\');
        let drive = path.get(1) == Some(&b':') && path[0].is_ascii_alphabetic();
        if path.first().is_some_and(separates) || (view == View::Folded && drive) {
            return None;
        }
        let from = self.to_go.len();
        self.to_go.extend(path.split(separates));
        self.to_go[from..].reverse();
        Some(self.to_go.len() - from)
    }

    fn push(&mut self, part: &[u8]) {
        if !self.at.is_empty() {
            self.at.push(b'/');
        }
        self.at.extend_from_slice(part);
    }

    /// Goes up. `false`: it is at the top.
    fn pop(&mut self) -> bool {
        let up = self.at.iter().rposition(|b| *b == b'/').unwrap_or(0);
        let is_below = !self.at.is_empty();
        self.at.truncate(up);
        is_below
    }
}

/// A path as systems see it that take no notice of case.
/// Of what systems do each (Windows, APFS, HFS+ and case-folding directories of Linux) it does all.
fn fold(path: &[u8]) -> Vec<u8> {
    let path = String::from_utf8_lossy(path);
    if path.is_ascii() {
        return path.to_ascii_lowercase().into_bytes();
    }
    // Upper case first: `ß` is `ss`, and the long `ſ` an `s`.
    let upper: String =
        path.nfd().filter(|c| !is_ignored(*c)).flat_map(char::to_uppercase).collect();
    upper.to_lowercase().nfd().collect::<String>().into_bytes()
}

/// Whether a system ignores a character in names: Unicode's "default ignorable" ones, and those of HFS+ among them.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Whether some system takes this name for `.git`: in any case, with characters that a system ignores in it, by its short
/// name on NTFS or with the dots, blanks and stream names behind it that NTFS ignores.
fn is_dot_git(name: &[u8]) -> bool {
    let name = String::from_utf8(fold(name)).unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    name == ".git" || name == "git~1"
}

#[cfg(test)]
mod tests;
