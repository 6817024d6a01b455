//! `killer install-boot`: the files that load the rules first thing at boot.

use std::path::PathBuf;

use super::screen::Screen;
use super::verb::Verb;
use crate::boot::Init;
use crate::ending::Ending;
use crate::host::Failure;
use crate::host::install_boot::{Asked, install_boot};
use crate::report::human;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --init the init is found: by PID 1 and by what lies on the disk, with --root by the disk alone. A file \
                  that was changed since killer wrote it is kept, and said; a file that is not killer's is never touched."
)]
pub struct InstallBoot {
    /// For this init
    #[arg(long, value_name = "NAME", value_parser = Init::ALL.map(Init::name))]
    init: Option<String>,
    /// In the host whose / is this directory; none of its programs is run
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Take away what was installed, for --init or for every init
    #[arg(long)]
    remove: bool,
    /// Record every process of the host from then on ('killer up --lineage=all')
    #[arg(long, value_name = "OF", value_parser = ["all"], conflicts_with = "remove")]
    lineage: Option<String>,
    /// Only show what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Verb for InstallBoot {
    const NAME: &'static str = "install-boot";
    const ABOUT: &'static str = "Install the files that run 'killer up --rules' first thing at boot";
    const TAKES_NAMES: bool = false;

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let init = self.init.as_deref().and_then(Init::named);
        let asked = Asked {
            init,
            root: self.root.clone(),
            remove: self.remove,
            dry_run: self.dry_run,
            records: self.lineage.is_some(),
        };
        let done = install_boot(&asked)?;
        screen.data(&done, |s| human::boot_files(&done, s));
        Ok(done.ending)
    }
}
