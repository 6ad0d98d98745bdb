//! How the plugin watcher spells `:authority`, and why a plugin in Rust has to do something about it.

mod plugin;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use sriovdp_fake_kubelet::raw_grpc::{Call, RawConnection, RawError};
use sriovdp_fake_kubelet::{Authority, Config, EventKind};
use sriovdp_proto::pluginregistration::{InfoRequest, PluginInfo};

use plugin::{Answers, Plugin, VF, kubelet};

const PERCENT_ENCODED: &str = "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fvf.sock";

#[tokio::test]
async fn a_stock_server_resets_the_call_that_every_kubelet_makes() {
    let node = tempfile::tempdir().unwrap();
    let plugin = Plugin::serve(&node.path().join("vf.sock"), Answers::default());

    let error = info(&plugin, PERCENT_ENCODED, None).await.unwrap_err();

    assert_eq!(error.http2_code(), Some("PROTOCOL_ERROR"), "{error:?}");
    assert_eq!(
        error.to_string(),
        "stream terminated by RST_STREAM with error code: PROTOCOL_ERROR"
    );
}

#[tokio::test]
async fn the_same_call_with_a_valid_authority_is_answered() {
    let node = tempfile::tempdir().unwrap();
    let plugin = Plugin::serve(&node.path().join("vf.sock"), Answers::default());

    let info = info(&plugin, "localhost", None).await.unwrap();

    assert_eq!(info, Answers::default().info);
}

#[tokio::test]
async fn a_call_may_come_in_pieces_of_any_size() {
    let node = tempfile::tempdir().unwrap();
    let plugin = Plugin::serve(&node.path().join("vf.sock"), Answers::default());

    for chunk in [1, 2, 3, 5, 8, 9, 10, 24, 64] {
        let info = info(&plugin, "localhost", Some(chunk)).await.unwrap();

        assert_eq!(info, Answers::default().info, "in pieces of {chunk}");
    }
}

#[tokio::test]
async fn a_connection_can_be_used_more_than_once() {
    let node = tempfile::tempdir().unwrap();
    let plugin = Plugin::serve(&node.path().join("vf.sock"), Answers::default());
    let mut connection = RawConnection::open(&plugin.socket, None).await.unwrap();

    for _ in 0..3 {
        let info: PluginInfo = connection
            .unary(get_info("localhost"), &InfoRequest {})
            .await
            .unwrap();
        assert_eq!(info.name, VF);
    }
}

#[tokio::test]
async fn a_method_that_is_not_there_is_a_status() {
    let node = tempfile::tempdir().unwrap();
    let plugin = Plugin::serve(&node.path().join("vf.sock"), Answers::default());
    let mut connection = RawConnection::open(&plugin.socket, None).await.unwrap();
    let call = Call {
        path: "/v1beta1.DevicePlugin/Deallocate",
        ..get_info("localhost")
    };

    let answer: Result<PluginInfo, _> = connection.unary(call, &InfoRequest {}).await;

    assert!(
        matches!(answer, Err(RawError::Status { code: 12, .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_watcher_sends_the_encoded_path_and_notes_that_it_was_reset() {
    let (kubelet, _node) = kubelet(watching).await;
    let _plugin = Plugin::in_registry(&kubelet, "vf.sock");

    kubelet
        .wait_for_event(|event| {
            matches!(&event.kind, EventKind::Refused { message, .. }
                if message.contains("RPC GetInfo") && message.ends_with("PROTOCOL_ERROR"))
        })
        .await
        .unwrap();

    assert!(kubelet.resource(VF).is_none());
    kubelet.authority(Authority::Literal("localhost".to_owned()));
    kubelet.write_in_chunks(Some(1));
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
}

#[tokio::test]
async fn what_the_watcher_sends_is_the_encoded_path_and_not_compressed() {
    let (kubelet, _node) = kubelet(watching).await;
    let listener = UnixListener::bind(kubelet.node().plugins_registry().join("vf.sock")).unwrap();
    let received = thread::spawn(move || {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(&SETTINGS).unwrap();
        let mut received = Vec::new();
        connection.read_to_end(&mut received).unwrap();
        String::from_utf8_lossy(&received).into_owned()
    });

    kubelet
        .wait_for_event(|event| {
            matches!(&event.kind, EventKind::Refused { message, .. }
                if message.ends_with("no answer within 100ms"))
        })
        .await
        .unwrap();
    drop(kubelet);

    let received = received.join().unwrap();
    assert!(received.contains(PERCENT_ENCODED), "{received:?}");
}

fn watching(config: &mut Config) {
    config.watcher = true;
    config.timing.get_info = Duration::from_millis(100);
}

fn get_info(authority: &str) -> Call<'_> {
    Call {
        path: "/pluginregistration.Registration/GetInfo",
        authority,
        deadline: Duration::from_secs(10),
    }
}

async fn info(
    plugin: &Plugin,
    authority: &str,
    chunk: Option<usize>,
) -> Result<PluginInfo, RawError> {
    let mut connection = RawConnection::open(&plugin.socket, chunk).await?;
    connection.unary(get_info(authority), &InfoRequest {}).await
}
