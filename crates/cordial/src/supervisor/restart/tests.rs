use super::*;

#[test]
fn each_policy_decides_by_the_exit() {
    for (restart, normal, abnormal) in [
        (Restart::Permanent, RestartDecision::Restart, RestartDecision::Restart),
        (Restart::Transient, RestartDecision::Keep, RestartDecision::Restart),
        (Restart::Temporary, RestartDecision::Remove, RestartDecision::Remove),
    ] {
        assert_eq!((restart.decide(false), restart.decide(true)), (normal, abnormal), "{restart:?}");
    }
}
