//! Which address a text leads to, and what the answer says about it.

use stowage_testkit::{Origin, Reply};
use tokio::net::TcpListener;

use super::{Canary, Fixture};
use crate::hostile::Answer;

#[tokio::test]
async fn no_spelling_of_an_internal_address_is_dialled() {
    let fixture = Fixture::start(&[]).await;
    let canary = Canary::start().await;
    let before = fixture.watched.stored().await;
    let port = canary.port;
    let own = fixture.watched.server.address().to_owned();
    for host in [
        // Threat A1.
        "127.0.0.1",
        "127.0.0.3",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "0.0.0.0",
        "0",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0X7F.0.0.0x1",
        "0177.0.0.1",
        "017700000001",
        "0177.0.0.01",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "127%2e0%2e0%2e1",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "\u{2460}27.0.0.1",
        // Threat A2.
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:FFFF:7F00:0001]",
        "[::127.0.0.1]",
        "[::7f00:1]",
        "[2002:7f00:1::]",
        "[2002:7f00:1::1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2001:0:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
        "[fe80::5efe:127.0.0.1]",
        "[fe80::1%25lo]",
        "[::1%25lo]",
        "[::ffff:0:7f00:1]",
        // Threat A3, and what is none at all.
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[fd00::1]",
        "[ff02::1]",
        "256.1.1.1",
        "127.0.0.2.1",
        "",
    ] {
        fixture.all_doors_refuse(&format!("http://{host}:{port}/")).await;
        canary.assert_silent(host);
    }
    for url in [
        // Threats A8 and A9: readers of the same text that disagree about its host.
        format!("http://127.0.0.2@127.0.0.3:{port}/"),
        format!("http://127.0.0.2:80@127.0.0.3:{port}/"),
        format!("http://127.0.0.2:80\\@127.0.0.3:{port}/"),
        format!("http://127.0.0.3:{port}\\@127.0.0.2/"),
        format!("http://127.0.0.3:{port}#@127.0.0.2/"),
        format!("http://127.0.0.3:{port}?@127.0.0.2/"),
        format!("http://127.0.0.3:{port}/?next=http://127.0.0.2/"),
        format!("http://127.0.0.3:{port}/http://127.0.0.2/"),
        format!("http://127.0.0.3:{port}/%2e%2e//127.0.0.2"),
        format!("http:\\\\127.0.0.3:{port}/"),
        format!("http:127.0.0.3:{port}/"),
        format!("http:/127.0.0.3:{port}/"),
        format!("http:///127.0.0.3:{port}/"),
        format!("HTTP://127.0.0.3:{port}/"),
        format!("http://127.0.0.3:{port}"),
        format!("http://127.0\t.0.3:{port}/"),
        format!("http://127.0.0.2\r\n@127.0.0.3:{port}/"),
        format!("http://127.0.0.3:{port}/\r\nX-Evil: yes"),
        format!("http://127.0.0.2\0.127.0.0.3:{port}/"),
        format!("http://127.0.0.3:{port}/a b"),
        format!("http://127.0.0.2%2f@127.0.0.3:{port}/"),
        format!("https://127.0.0.3:{port}/"),
        // Not HTTP.
        "file:///etc/passwd".to_owned(),
        "file://127.0.0.2/etc/passwd".to_owned(),
        format!("ftp://127.0.0.3:{port}/"),
        format!("gopher://127.0.0.3:{port}/_x"),
        format!("dict://127.0.0.3:{port}/x"),
        format!("ws://127.0.0.3:{port}/"),
        "data:text/plain,x".to_owned(),
        "javascript:alert(1)".to_owned(),
        // The server itself, and protocols that obey HTTP (threat A10).
        format!("http://{own}/metrics"),
        "http://127.0.0.2:6379/".to_owned(),
        "http://127.0.0.2:25/".to_owned(),
        "http://127.0.0.2:0/".to_owned(),
        "http://127.0.0.2:65536/".to_owned(),
    ] {
        fixture.all_doors_refuse(&url).await;
        canary.assert_silent(&url);
    }
    for text in [format!("//127.0.0.3:{port}/"), format!("127.0.0.3:{port}"), "/etc/passwd".to_owned(), "x".to_owned()]
    {
        for (door, request) in fixture.doors(&text) {
            let status = request.send().await.expect(door).status();
            assert!(status.is_client_error(), "{door}: {text}: {status}");
        }
        canary.assert_silent(&text);
    }
    fixture.nothing_happened(&before).await;
}

/// Forbidden, closed and broken read alike, so that nobody can map a network by the answers (threat A18).
#[tokio::test]
async fn the_answer_does_not_say_what_the_network_holds() {
    let fixture = Fixture::start(&[]).await;
    let canary = Canary::start().await;
    let silent = Origin::start("127.0.0.2", |_| Reply::from("").then_hang()).await;
    let refusing = Origin::start("127.0.0.2", |_| Reply::status("403 Forbidden")).await;
    let closed = TcpListener::bind("127.0.0.2:0").await.expect("a free port").local_addr().expect("bound");
    let mut answers = Vec::new();
    for url in [
        format!("http://127.0.0.1:{}/", canary.port),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://{closed}/"),
        silent.url("/"),
        refusing.url("/"),
    ] {
        let mut doors = fixture.doors(&url);
        let answer = Answer::of(doors.remove(0).1.send().await.expect("an answer")).await;
        answer.refuses(&url, 400, "Could not fetch the url");
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}
