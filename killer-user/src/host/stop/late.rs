//! Members that have ended by SIGKILL and do not let go: what holds the end of a process is let go by consent, too.

use super::Run;
use crate::host::{survivors, unstick};
use crate::kill::{SIGKILL, Waited};
use crate::lineage::Lineage;

impl Run<'_> {
    /// With `--unstick`, where the last wait was over in vain. What SIGKILL itself has met was asked for before.
    pub(super) fn cured(&mut self, ended: Waited) -> Waited {
        let met = self.report.steps.iter().any(|s| !s.unstick.is_empty());
        let all = self.whole() && self.spared.is_none() && self.asked == Some(SIGKILL);
        let (Some(how), Waited::TimedOut, true, false) = (self.s.unstick, ended, all, met) else {
            return ended;
        };
        let (tell, family) = (self.tell, Lineage::new(self.t, self.root.clone()));
        let left: Vec<_> =
            survivors::explain(&family, true, &self.awaited.left()).into_iter().map(|l| l.0).collect();
        let mut ended = ended;
        let done = unstick::cure(&family, &left, how, tell, &mut |most| {
            ended = self.wait_for(true, Some(most));
            ended == Waited::Done
        });
        self.withheld |= done.withheld;
        if let Some(last) = self.report.steps.last_mut() {
            last.unstick = done.steps;
        }
        ended
    }
}
