//! How far a kill reaches, and how far it does not.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::Profile;

/// What holds a launched program's descendants together, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Containment {
    /// The program leads a session and a process group, and the group is killed.
    ProcessGroup,
    /// A supervisor adopts every descendant whose parent dies, and kills until none is left.
    Subreaper,
    /// The program lives in a process namespace, which the kernel ends as a whole.
    PidNamespace,
}

impl fmt::Display for Containment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProcessGroup => "process group",
            Self::Subreaper => "subreaper",
            Self::PidNamespace => "process namespace",
        })
    }
}

/// The containment that is in force for a program, and why it is no stronger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// What holds its descendants together.
    pub containment: Containment,
    /// Whether its `/proc` shows its own namespace only.
    pub fresh_proc: bool,
    /// Why there is no process namespace, when one was wanted and the system refused.
    pub refused: Option<String>,
    /// The layers of its sandbox. `None`: it was launched without.
    pub sandbox: Option<Layers>,
}

/// What keeps a program, and what it started, from all the memory of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryLimit {
    /// A control group: the kernel gives no more.
    Kernel,
    /// A supervisor measures it and ends the program. Files without a name that nothing maps, and what the kernel keeps
    /// for sockets, do not count.
    Measured,
    /// Nothing, or no limit is wanted.
    None,
}

/// The layers of a sandbox that are in force for a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layers {
    /// The profile that was asked for.
    pub profile: Profile,
    /// Whether the program has a file system of its own, in which nothing is but what it was given.
    pub view: bool,
    /// Whether it has a network of its own.
    pub network: bool,
    /// The version of Landlock that restricts its files as well; 0 when there is none.
    pub landlock: i32,
    /// Whether its system calls are filtered.
    pub system_calls: bool,
    /// What limits its memory.
    pub memory: MemoryLimit,
    /// The number of the user that it is.
    pub user: u32,
    /// What is missing, each in words for an operator. Empty: the sandbox is whole.
    pub missing: Vec<String>,
}

/// A layer of a sandbox, by the name of its row in `cyrus doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A file system of its own.
    Files,
    /// A network of its own.
    Network,
    /// The second barrier around files.
    Landlock,
    /// The filter of system calls.
    SystemCalls,
    /// A limit of the kernel's on its memory.
    Memory,
    /// A user that is not root.
    User,
}

impl Layer {
    /// All of them, in the order of the rows.
    pub const ALL: [Self; 6] =
        [Self::Files, Self::Network, Self::Landlock, Self::SystemCalls, Self::Memory, Self::User];
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "sandbox: files",
            Self::Network => "sandbox: network",
            Self::Landlock => "sandbox: Landlock",
            Self::SystemCalls => "sandbox: system calls",
            Self::Memory => "sandbox: memory",
            Self::User => "sandbox: user",
        })
    }
}

impl Layers {
    /// Whether a layer is in force.
    pub fn holds(&self, layer: Layer) -> bool {
        match layer {
            Layer::Files => self.view,
            Layer::Network => self.network,
            Layer::Landlock => self.landlock > 0,
            Layer::SystemCalls => self.system_calls,
            Layer::Memory => self.memory == MemoryLimit::Kernel,
            Layer::User => self.user != 0,
        }
    }

    /// None of them, for this reason.
    pub(crate) fn none(profile: Profile, reason: &str) -> Self {
        Self {
            profile,
            view: false,
            network: false,
            landlock: 0,
            system_calls: false,
            memory: MemoryLimit::None,
            user: nix::unistd::geteuid().as_raw(),
            missing: vec![format!("all of it: {reason}")],
        }
    }
}

impl Confinement {
    /// The name of the row of `cyrus doctor` about what holds a program's descendants together.
    pub const ROW: &str = "launched programs";

    /// What the program lacked, by the names of the rows of `cyrus doctor`.
    pub fn lacked(&self) -> Vec<String> {
        let mut lacked = Vec::new();
        if self.containment != Containment::PidNamespace {
            lacked.push(Self::ROW.to_owned());
        }
        match &self.sandbox {
            None => lacked.push("sandbox".to_owned()),
            Some(layers) => lacked.extend(
                Layer::ALL.iter().filter(|layer| !layers.holds(**layer)).map(ToString::to_string),
            ),
        }
        lacked
    }

    /// What this containment cannot do, in a sentence or two for an operator.
    pub fn limits(&self) -> String {
        if let Some(Layers { view: true, missing, .. }) = &self.sandbox {
            let whole = "Programs see the files they were given, have a network of their own, and end with everything \
                         they start, also when the host is killed.";
            return if missing.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole} Missing: {}.", missing.join("; "))
            };
        }
        let limits = match (self.containment, self.fresh_proc) {
            (Containment::PidNamespace, true) => {
                "Everything a program starts ends with it, also when the host is killed. \
                 Files and network are not limited by this."
            }
            (Containment::PidNamespace, false) => {
                "Everything a program starts ends with it, also when the host is killed. The system did not let it \
                 have a /proc of its own, so it sees the names and arguments of other processes."
            }
            (Containment::Subreaper, _) => {
                "What a program starts is found and killed, also when the host is killed; but the program sees the \
                 system's other processes, and one that kills its own supervisor escapes."
            }
            (Containment::ProcessGroup, _) => {
                "Only the program's own process group is killed: what it starts in another session stays, and when \
                 the host itself is killed the program goes on."
            }
        };
        match &self.refused {
            Some(reason) => format!("{limits} No process namespace: {reason}."),
            None => limits.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_lacked_is_named_by_the_rows_of_doctor() {
        let mut layers = Layers::none(Profile::Standard, "no reason");
        layers.user = 0;
        let mut held = Confinement {
            containment: Containment::Subreaper,
            fresh_proc: false,
            refused: None,
            sandbox: Some(layers.clone()),
        };
        let all: Vec<_> = Layer::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(held.lacked()[0], Confinement::ROW);
        assert_eq!(held.lacked()[1..], all);
        held.sandbox = None;
        assert_eq!(held.lacked(), [Confinement::ROW, "sandbox"]);

        held.containment = Containment::PidNamespace;
        layers.user = 1000;
        (layers.view, layers.network, layers.system_calls) = (true, true, true);
        (layers.landlock, layers.memory) = (1, MemoryLimit::Measured);
        held.sandbox = Some(layers.clone());
        assert_eq!(held.lacked(), ["sandbox: memory"]);
        layers.memory = MemoryLimit::Kernel;
        held.sandbox = Some(layers);
        assert!(held.lacked().is_empty());
    }
}
