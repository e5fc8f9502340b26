//! `wax completions` and `wax man`: made from the definitions of the command line.

use crate::args::{Completions, Man, Wax};
use crate::fault::{Class, Fault, reason};
use clap::CommandFactory;
use std::io::Write;
use std::path::Path;

pub(super) fn completions(args: &Completions) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Wax::command(), "wax", &mut script);
    print(&script)
}

pub(super) fn man(args: &Man) -> Result<(), Fault> {
    if let Some(folder) = &args.dir {
        return pages(folder);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Wax::command())
        .render(&mut page)
        .map_err(|e| Fault::new(Class::Other, format!("cannot make the page: {}", reason(&e))))?;
    print(&page)
}

fn pages(folder: &Path) -> Result<(), Fault> {
    if !folder.is_dir() {
        let what = format!("{} is not a folder", crate::console::safe(&folder.display().to_string()));
        return Err(Fault::new(Class::LocalFile, what).hint("make it first"));
    }
    clap_mangen::generate_to(Wax::command(), folder).map_err(|e| Fault::file("write into", folder, &e))
}

fn print(bytes: &[u8]) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|e| Fault::new(Class::LocalFile, format!("cannot write to standard output: {}", reason(&e))))
}
