//! Steps of the launcher and of the sweeper.

use super::*;

impl Seeds {
    pub(super) fn hands_over(&self) -> bool {
        !matches!(self.variant, Variant::ChildFirst | Variant::MarkFirst)
    }

    pub(super) fn launch(&self, s: &mut State) {
        let v = self.variant;
        s.l = match s.l {
            L::Count => {
                if v != Variant::CountLate {
                    s.pop += 1;
                }
                L::Mark
            }
            L::Mark => {
                s.mark = true;
                L::Gate
            }
            L::Gate => {
                if v == Variant::CountLate {
                    s.pop += 1;
                }
                match (s.gate, s.mark) {
                    (false, _) => L::Fork,
                    (true, true) => {
                        s.mark = false;
                        L::Undo
                    }
                    (true, false) => L::Failed,
                }
            }
            L::Fork => {
                s.child = Child::Newborn;
                L::Look
            }
            L::Look => match s.mark {
                false => self.born(s),
                true if self.hands_over() || v == Variant::MarkFirst => L::Claim,
                true => L::Pop,
            },
            L::Pop => {
                s.pop += 1;
                L::Insert
            }
            L::Insert => {
                s.entry = true;
                if self.hands_over() || v == Variant::MarkFirst { L::Still } else { L::Claim }
            }
            L::Claim => {
                let won = std::mem::take(&mut s.mark);
                match (self.hands_over(), won || v == Variant::NoWin) {
                    (true, true) => L::Insert,
                    (true, false) => self.born(s),
                    (false, true) => L::ClaimPop,
                    (false, false) if v == Variant::MarkFirst => self.born(s),
                    (false, false) => L::Still,
                }
            }
            L::ClaimPop => {
                s.pop -= 1;
                if v == Variant::MarkFirst { L::Pop } else { L::Still }
            }
            L::Still => {
                s.doomed |= s.gate;
                self.born(s)
            }
            L::Canary => match std::mem::take(&mut s.mark) {
                true => L::Undo,
                false if v != Variant::NoQuestion => L::Ask,
                false => L::Go,
            },
            L::Ask => {
                if s.entry {
                    L::Go
                } else {
                    L::Failed
                }
            }
            L::Undo => {
                s.pop -= 1;
                L::Failed
            }
            L::Go => {
                if s.child == Child::Waits {
                    s.child = Child::Cmd;
                }
                L::Started
            }
            L::EMark => match s.mark && v != Variant::MarkStays {
                true => {
                    s.mark = false;
                    L::EPop
                }
                false => L::Dead,
            },
            L::EPop => {
                s.pop -= 1;
                L::Dead
            }
            end => end,
        };
    }

    /// The fork is over: the child is on its way.
    pub(super) fn born(&self, s: &mut State) -> L {
        s.child = if self.variant == Variant::NoPipe { Child::Cmd } else { Child::Waits };
        L::Canary
    }

    pub(super) fn kill(&self, s: &mut State) {
        s.k = match s.k {
            K::Close => {
                s.gate = true;
                K::Marks
            }
            K::Marks => {
                if s.mark {
                    K::Cancel
                } else {
                    K::Sweep
                }
            }
            K::Cancel => match std::mem::take(&mut s.mark) || self.variant == Variant::NoWin {
                true => K::CancelPop,
                false => K::Sweep,
            },
            K::CancelPop => {
                s.pop -= 1;
                K::Sweep
            }
            K::Sweep => {
                s.member_doomed |= s.member;
                s.doomed |= s.entry && s.child != Child::Gone;
                K::Empty
            }
            K::Empty => {
                if s.pop == 0 {
                    K::Twice
                } else {
                    K::Marks
                }
            }
            K::Twice => {
                if s.pop == 0 {
                    s.said = s.l > L::Gate;
                    K::Open
                } else {
                    K::Marks
                }
            }
            K::Open => {
                s.gate = false;
                K::Done
            }
            end => end,
        };
    }
}
