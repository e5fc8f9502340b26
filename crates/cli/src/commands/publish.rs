//! Before the first byte goes to a server that publishes what it is sent: what is out cannot be taken back.

use crate::app::{App, Session};
use crate::args::Send;
use crate::ask;
use crate::fault::{Class, Fault};
use crate::progress::Shown;

/// What is true of every server over IPFS.
const WHAT: &str = "this server publishes what it is sent on IPFS, and that cannot be taken back";

/// Asks the server whether it publishes, and then the person.
pub(super) fn ask_about(app: &App, session: &Session, args: &Send) -> Result<(), Fault> {
    let shown = Shown::new(&app.console, String::new());
    let publishes = session.run(session.client.publishes(&shown, &session.cancel));
    shown.end();
    agreed(app, args, publishes?)
}

/// Goes on only if a person, or the command line, says so.
pub(super) fn agreed(app: &App, args: &Send, publishes: bool) -> Result<(), Fault> {
    let console = &app.console;
    if !publishes {
        return Ok(());
    }
    if !args.publish && (console.json || !ask::somebody_is_there()) {
        return Err(Fault::new(Class::Usage, WHAT)
            .hint("nothing was sent; only encrypted bytes would be published, never a name or a key")
            .hint("say beforehand that it may be: --publish"));
    }
    console.warn(WHAT);
    console.note(
        "only encrypted bytes are published, never a name or a key; but anybody may fetch and keep them",
    );
    console.note("wax rm unpins them at the server and cannot call them back");
    if args.publish || ask::yes("send it all the same?", Some(false))? {
        return Ok(());
    }
    Err(Fault::new(Class::Cancelled, "stopped; nothing was sent"))
}
