//! The cases on `SQLite`.

use crate::{cases, home::Home};

macro_rules! as_tests {
    ($($module:ident::$case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$module::$case(&Home::sqlite()).await;
            }
        )*
    };
}

cases!(as_tests);
