//! The tests of publishing again, over TLS and WebSocket.

use super::super::over::Over;

macro_rules! again {
    ($($test:ident),* $(,)?) => {
        mod over_tls {
            use super::Over;
            $(#[test] fn $test() { Over::Tls.run(super::super::$test); })*
        }
        mod over_websocket {
            use super::Over;
            $(#[test] fn $test() { Over::WebSocket.run(super::super::$test); })*
        }
    };
}

again! {
    acks_come_only_after_the_commit_and_in_order,
    failed_commit_ends_the_connection_without_an_ack,
    packets_of_one_write_become_one_chunk_and_one_answer,
    packets_cut_anywhere_are_put_together,
    qos_2_sent_again_before_its_release_is_taken_once,
    qos_2_lost_before_its_commit_is_judged_again,
    outcomes_become_reason_codes_in_mqtt_5_and_plain_acks_in_3_1_1,
    a_message_taken_partly_is_acknowledged_with_a_word_of_warning,
    a_device_hears_of_its_errors_on_its_own_topic,
    reason_in_words_is_left_out_when_the_client_asks,
    window_of_mqtt_5_is_announced_and_enforced,
    window_of_mqtt_3_1_1_is_kept_by_not_reading,
    stop_acknowledges_what_is_under_way_and_says_goodbye,
}
