use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Bytes or a failure on their way from a scripted program or service to the executor.
#[derive(Clone, Default)]
pub(super) struct Pipe(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    chunks: VecDeque<Result<Vec<u8>, String>>,
    closed: bool,
    reader: Option<Waker>,
}

impl Pipe {
    pub(super) fn push(&self, chunk: Result<Vec<u8>, String>) {
        self.change(|state| state.chunks.push_back(chunk));
    }

    pub(super) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.borrow_mut();
        change(&mut state);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, String>>> {
        let mut state = self.0.borrow_mut();
        if let Some(chunk) = state.chunks.pop_front() {
            return Poll::Ready(Some(chunk));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}
