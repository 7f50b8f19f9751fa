//! The HTTP servers that serve devices.

use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio_util::task::TaskTracker;

use super::headers::{MAX_HEAD_BYTES, MOST_FIELDS};
use super::settings::Settings;
use super::stream_watchdog;

/// HTTP servers for devices: for a known HTTP version, or for any version, which the first bytes show.
pub(super) struct DeviceHttp {
    http1: auto::Builder<Tracked>,
    http2: auto::Builder<Tracked>,
    any: auto::Builder<Tracked>,
}

impl DeviceHttp {
    pub(super) fn new(settings: &Settings, tasks: &TaskTracker) -> Self {
        let builder = || {
            let mut builder = auto::Builder::new(Tracked {
                tasks: tasks.clone(),
                limit: settings.limits.body,
            });
            // The response must look as the server sent it: no field is added, and no field name changes its case.
            builder
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(settings.limits.head)
                .max_headers(MOST_FIELDS)
                .preserve_header_case(true)
                .auto_date_header(false);
            builder
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(settings.limits.streams)
                .max_header_list_size(MAX_HEAD_BYTES)
                .auto_date_header(false);
            builder
        };
        Self {
            http1: builder().http1_only(),
            http2: builder().http2_only(),
            any: builder(),
        }
    }

    /// Returns the server for the protocol that ALPN agreed on, or the one for any version.
    pub(super) fn speaking(&self, alpn: Option<&str>) -> &auto::Builder<Tracked> {
        match alpn {
            Some("h2") => &self.http2,
            Some(_) => &self.http1,
            None => &self.any,
        }
    }
}

/// An executor that runs HTTP/2 streams as tasks that shutdown can wait for.
#[derive(Clone)]
pub(super) struct Tracked {
    tasks: TaskTracker,
    /// The longest time that a device may take for the next piece of a response.
    limit: Duration,
}

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(stream_watchdog::run(future, self.limit));
    }
}
