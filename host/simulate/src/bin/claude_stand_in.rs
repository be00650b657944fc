//! A stand-in for the `claude` program, for machines without it.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let code = cyrus_simulate::claude::run(std::env::args_os().skip(1)).await;
    // Not by returning: a thread may still be reading standard input.
    std::process::exit(code.into());
}
