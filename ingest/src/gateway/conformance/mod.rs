//! Every numbered statement of MQTT 3.1.1 and MQTT 5.0 that applies to this server, as data: a
//! [`Case`] names the statements it shows and the packets that show them, and is played over a
//! real socket, once per version it has statements for.
//!
//! The statements are in `ingest/conformance/mqtt-3.1.1.csv` and `mqtt-5.0.csv` (id, gist in our
//! own words, whether it applies and why not, the cases that show it); [`inventory`] checks that
//! none is without a case and no case names one that does not exist. [`fuzz`] is the other half:
//! two clients that say anything.

mod connect;
mod format;
mod fuzz;
mod inventory;
mod operation;
mod play;
mod publish;
mod session;
mod subscribe;
mod version;

use play::{Case, check};

/// Declares the chapters: one test per chapter and version, and the list the inventory checks, so
/// that a case which is listed has also run.
macro_rules! chapters {
    ($($chapter:ident),*) => {
        $(mod $chapter {
            use crate::gateway::tests::over::Over;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mqtt_3_1_1() {
                super::check(super::super::$chapter::CASES, false).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mqtt_5() {
                super::check(super::super::$chapter::CASES, true).await;
            }

            #[test]
            fn both_over_tls() {
                Over::Tls.run(mqtt_3_1_1);
                Over::Tls.run(mqtt_5);
            }

            #[test]
            fn both_over_websocket() {
                Over::WebSocket.run(mqtt_3_1_1);
                Over::WebSocket.run(mqtt_5);
            }
        })*

        pub(super) const ALL: &[(&str, &[super::Case])] =
            &[$((stringify!($chapter), super::$chapter::CASES)),*];
    };
}

mod chapter {
    use super::check;

    chapters!(connect, format, operation, publish, session, subscribe);
}
