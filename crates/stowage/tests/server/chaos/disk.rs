//! A full disk in the middle of an upload: refused, not lost.

use super::{client::Client, world::staged};
use crate::{
    disk_full::{SmallDisk, skip},
    support::server_with,
};

#[tokio::test]
async fn an_upload_goes_on_when_a_full_disk_has_room_again() {
    const MIB: usize = 1 << 20;
    // Declared before the server, so that it is unmounted after the server is gone.
    let Some(disk) = SmallDisk::mount("24m") else { return skip() };
    let data = disk.path().join("data");
    let server = server_with(&[("STOWAGE_DATA", data.to_str().expect("UTF-8"))]);
    let app = server.app("uploads", &[]);
    let upload = Client::start(&server, &app, MIB, 5 * MIB + 7).await;
    assert_eq!((upload.put(&server, 1).await, upload.put(&server, 2).await), (200, 200));

    let filler = disk.fill();
    assert_eq!(upload.put(&server, 3).await, 507);
    // What was acknowledged still counts, and the refusal left nothing that does.
    assert_eq!(upload.offset(&server).await, 2 * MIB);
    assert_eq!(upload.complete(&server).await.status, 400);
    // A part that comes again needs room as well.
    assert_eq!(upload.put(&server, 2).await, 507);
    std::fs::remove_file(&filler).expect("the filler goes");

    for number in [6, 3, 5, 4] {
        assert_eq!(upload.put(&server, number).await, 200, "part {number}");
    }
    let filler = disk.fill();
    // The file needs a row; that the bytes are there already does not help.
    assert_eq!(upload.complete(&server).await.status, 507);
    std::fs::remove_file(filler).expect("the filler goes");
    upload.must_complete(&server).await;
    assert_eq!(staged(&data), 0);
}
