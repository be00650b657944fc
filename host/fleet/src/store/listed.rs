use std::collections::HashMap;

/// Things in the order they came, found by name.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    items: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), places: HashMap::new() }
    }
}

impl<T> Listed<T> {
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.items.get(*self.places.get(name)?)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.items.get_mut(*self.places.get(name)?)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Adds a thing, or puts it in the place of the one of this name.
    pub(crate) fn put(&mut self, name: &str, item: T) {
        if let Some(known) = self.get_mut(name) {
            *known = item;
            return;
        }
        self.places.insert(name.to_owned(), self.items.len());
        self.items.push(item);
    }

    /// All of them, in the order they came.
    pub(crate) fn all(&self) -> &[T] {
        &self.items
    }
}
