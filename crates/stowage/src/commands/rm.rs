//! `stowage rm`.

use stowage_core::{handle::Handle, policy::Call};

use crate::{
    client::{Client, Connection, send},
    failure::Failure,
    output,
};

/// Delete files
///
/// Deleting always needs the secret of the application.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  STOWAGE_SECRET=… stowage rm 7xSJALUhSlCDCNujt5Ku
  STOWAGE_SECRET=… stowage rm 7xSJALUhSlCDCNujt5Ku --keep-object")]
pub(crate) struct RmArguments {
    /// Handles of the files
    #[arg(required = true, value_name = "HANDLE")]
    handles: Vec<Handle>,
    /// Forget the handle but leave the object in its store
    #[arg(long)]
    keep_object: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: RmArguments) -> Result<(), Failure> {
    let client = Client::new(arguments.connection)?;
    for handle in &arguments.handles {
        let mut url = client.url(&format!("/api/file/{handle}"));
        if arguments.keep_object {
            url.query_pairs_mut().append_pair("skip_storage", "true");
        }
        client.authorise(&mut url, &[Call::Remove], Some(handle))?;
        send(client.http().delete(url)).await?;
        output::line(format_args!("deleted {handle}"))?;
    }
    Ok(())
}
