//! Where the server is.

/// Returns how to connect to the server of `engines/with-postgres.sh`; `None`, said aloud, if there is none.
pub(crate) fn server() -> Option<String> {
    let url = std::env::var("HAPPENS_BEFORE_POSTGRES").ok();
    if url.is_none() {
        eprintln!("SKIPPED: HAPPENS_BEFORE_POSTGRES is not set; run this by engines/with-postgres.sh");
    }
    url
}
