use super::{
    facts::{Facts, says},
    tables,
};
use cyrus_core::{Complexity, Urgency};
use cyrus_executor::TaskKind;
use std::{borrow::Cow, collections::BTreeMap};

/// The kinds that upstream knows in `labelPrompts`, in its order. What else is configured comes after them.
const CONFIGURED: &[&str] =
    &["graphite-orchestrator", "debugger", "builder", "scoper", "orchestrator"];

/// What a rule looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// One of these labels, in small letters.
    Label(Vec<Cow<'static, str>>),
    /// One label of each of these lists.
    Labels(Vec<Vec<Cow<'static, str>>>),
    /// Sub-issues that are not done.
    SubIssues,
    /// A title whose first word is one of these.
    Opens(&'static [&'static str]),
    /// A title with one of these words.
    TitleHas(&'static [&'static str]),
    /// One of these phrases in the title or the body, code apart.
    Says(&'static [&'static str]),
    /// A kind that was found before.
    Kind(TaskKind),
    /// At least so many parts that are not done: sub-issues and items of checklists.
    Parts(usize),
    /// At least so many bytes of text, code apart.
    Long(usize),
}

impl When {
    /// What was found, for people; `None` when the rule does not apply.
    pub fn found(&self, facts: &Facts) -> Option<String> {
        let label = |any: &[Cow<'static, str>]| {
            any.iter().find(|label| facts.labels.iter().any(|own| own == *label)).cloned()
        };
        match self {
            Self::Label(any) => label(any).map(|label| format!("the label {label:?}")),
            Self::Labels(all) => {
                let found: Option<Vec<_>> = all.iter().map(|any| label(any)).collect();
                found.map(|found| format!("the labels {}", found.join(" and ")))
            }
            Self::SubIssues => (facts.sub_issues > 0)
                .then(|| format!("{} sub-issues that are not done", facts.sub_issues)),
            Self::Opens(words) => {
                let first = facts.title.first()?;
                words.contains(&first.as_str()).then(|| format!("the title begins with {first:?}"))
            }
            Self::TitleHas(words) => {
                let word = facts.title.iter().find(|own| words.contains(&own.as_str()))?;
                Some(format!("the title has {word:?}"))
            }
            Self::Says(phrases) => {
                let phrase = phrases.iter().find(|phrase| says(&facts.text, phrase))?;
                Some(format!("the text says {phrase:?}"))
            }
            Self::Kind(kind) => {
                (facts.kind.as_ref() == Some(kind)).then(|| format!("the kind {kind}"))
            }
            Self::Parts(least) => (facts.parts >= *least).then(|| format!("{} parts", facts.parts)),
            Self::Long(least) => {
                let bytes = facts.text.len();
                (bytes >= *least).then(|| format!("a text of {bytes} bytes"))
            }
        }
    }
}

/// A rule: when something is found, then this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<T> {
    /// Its name, in the documents and in what people are told.
    pub name: Cow<'static, str>,
    /// What it looks for.
    pub when: When,
    /// What follows.
    pub then: T,
}

impl<T> Rule<T> {
    /// Why the rule applies, for people; `None` when it does not.
    pub fn because(&self, facts: &Facts) -> Option<String> {
        self.when.found(facts).map(|found| format!("{}: {found}", self.name))
    }
}

/// One of the things a task can ask of the place it is done in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Something that only this machine has.
    LocalContext,
    /// To be kept away from this machine.
    Isolation,
    /// To be one of many at once.
    Parallelism,
}

/// The rules an issue is judged by, in their order. Of the kinds, complexities and urgencies the first rule that
/// applies counts; of the needs each that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalysisRules {
    /// What kind of work it is; a builder's when none applies.
    pub kinds: Vec<Rule<TaskKind>>,
    /// How much there is to it; medium when none applies.
    pub complexities: Vec<Rule<Complexity>>,
    /// What it asks of the place.
    pub needs: Vec<Rule<Need>>,
    /// How soon it is wanted; as usual when none applies.
    pub urgencies: Vec<Rule<Urgency>>,
}

impl Default for AnalysisRules {
    /// The built-in rules.
    fn default() -> Self {
        Self {
            kinds: tables::kinds(),
            complexities: tables::complexities(),
            needs: tables::needs(),
            urgencies: tables::urgencies(),
        }
    }
}

impl AnalysisRules {
    /// The built-in rules behind those of the configuration's `labelPrompts`: the labels of each kind. The order is
    /// upstream's, whatever the order in the file; kinds that upstream does not know come last, by name. As there,
    /// `graphite` is no kind: its labels together with those of `orchestrator` are `graphite-orchestrator`, which
    /// is an orchestrator's work.
    pub fn with_label_prompts(prompts: &BTreeMap<String, Vec<String>>) -> Self {
        let labels = |kind: &str| -> Vec<Cow<'static, str>> {
            let own = prompts.get(kind).into_iter().flatten();
            own.map(|label| Cow::Owned(label.trim().to_lowercase())).collect()
        };
        let others = prompts.keys().map(String::as_str).filter(|k| *k != "graphite");
        let others = others.filter(|kind| !CONFIGURED.contains(kind));
        let mut rules = Self::default();
        let configured = CONFIGURED.iter().copied().chain(others).filter_map(|kind| {
            let when = match (kind, labels(kind)) {
                ("graphite-orchestrator", own) if own.is_empty() => {
                    let mut orchestrator = labels("orchestrator");
                    orchestrator.push("orchestrator".into());
                    let graphite = labels("graphite");
                    (!graphite.is_empty()).then_some(When::Labels(vec![graphite, orchestrator]))
                }
                (_, own) => (!own.is_empty()).then_some(When::Label(own)),
            };
            let then = match kind {
                "graphite-orchestrator" => TaskKind::ORCHESTRATOR,
                other => TaskKind::new(other),
            };
            Some(Rule { name: format!("configured-{kind}").into(), when: when?, then })
        });
        rules.kinds.splice(0..0, configured.collect::<Vec<_>>());
        rules
    }

    /// The names of the rules, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let kinds = self.kinds.iter().map(|rule| &rule.name);
        let complexities = self.complexities.iter().map(|rule| &rule.name);
        let needs = self.needs.iter().map(|rule| &rule.name);
        let urgencies = self.urgencies.iter().map(|rule| &rule.name);
        kinds.chain(complexities).chain(needs).chain(urgencies).map(AsRef::as_ref)
    }
}

/// The first rule that applies, and why.
pub(crate) fn first<T: Clone>(rules: &[Rule<T>], facts: &Facts) -> Option<(T, String)> {
    rules.iter().find_map(|rule| Some((rule.then.clone(), rule.because(facts)?)))
}
